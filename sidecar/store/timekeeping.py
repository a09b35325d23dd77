"""Keep the last clock reading in the backup directory, so that the next command or server sees a changed clock."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from sidecar.errors import StorageError
from sidecar.logger import Logger
from sidecar.rules.retention import Steadiness
from sidecar.rules.steadiness import KeptReading, Reading, judge
from sidecar.store.durable import note, publish
from sidecar.store.lock import DIRECTORY

FILE = ".clock"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# CLOCK_BOOTTIME also counts the time while the machine is suspended
RUNNING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

_one_at_a_time = Lock()
log = Logger(__name__)


class _Stored(BaseModel):
    """The file's content."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    wall: AwareDatetime
    running_seconds: float
    boot_id: str
    steady_since: AwareDatetime | None


def read_clocks() -> Reading:
    """Return what this machine's clocks say now."""
    try:
        boot_id = BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:  # not Linux: readings of two moments then never count as of the same boot
        boot_id = f"unknown at {time.time_ns()}"
    return Reading(datetime.now(UTC), time.clock_gettime(RUNNING), boot_id)


def steadiness(root: Path, backups: Iterable[datetime]) -> Steadiness:
    """Return whether the clock can be trusted, judged by the last reading kept in a backup directory."""
    return judge(_kept(root / DIRECTORY / FILE), read_clocks(), backups)[0]


def observe(root: Path, backups: Iterable[datetime], server: datetime | None = None) -> Steadiness:
    """Judge the clock as `steadiness` does, also by MongoDB's time (`server`) if it is given, and keep this reading."""
    path, now = root / DIRECTORY / FILE, read_clocks()
    with _one_at_a_time:
        found, kept = judge(_kept(path), now, backups, server)
        try:
            publish(path, _content(kept))
        except StorageError as error:  # the next reading is then compared with an older one
            log.warning("clock.not_kept", error=str(error))
    if found.since == now.wall:
        log.error("clock.changed", now=now.wall.isoformat())
    if found.doubt:
        log.error("clock.in_doubt", reason=found.doubt)
    return found


def _kept(path: Path) -> KeptReading | None:
    try:
        stored = _Stored.model_validate_json(note(path))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.warning("clock.unreadable", error=str(error))
        return None
    return KeptReading(Reading(stored.wall, stored.running_seconds, stored.boot_id), stored.steady_since)


def _content(kept: KeptReading) -> bytes:
    reading = kept.reading
    stored = _Stored(
        wall=reading.wall,
        running_seconds=reading.running_seconds,
        boot_id=reading.boot_id,
        steady_since=kept.since,
    )
    return stored.model_dump_json().encode()
