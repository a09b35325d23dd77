"""Whether the clock by which ages are told was set, and since when it has gone on evenly. Pure.

A machine's wall clock is set by people and by protocols, sometimes wrongly; the counter of the time that the machine has been
running is not. A reading of both is kept and compared with the next one: where the wall clock went on by more or less than the
counter, it was set. Where the machine was started again meanwhile only a long silence tells: longer than a day, and longer than
three times the usual distance between two backups. One long outage makes no long distance usual.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sidecar.rules.counting import GRACE
from sidecar.rules.health import age_in_words
from sidecar.rules.retention import Steadiness

SILENCE = timedelta(days=1)
DISTANCES = 3


@dataclass(frozen=True, slots=True)
class Reading:
    """What the clocks of a machine said at one moment."""

    wall: datetime
    running_seconds: float  # since the machine was started, suspended or not
    boot_id: str  # tells one start of a machine from every other


@dataclass(frozen=True, slots=True)
class KeptReading:
    """The last reading that was kept, and since when the clock had gone on evenly then; None: as long as is known."""

    reading: Reading
    since: datetime | None


def judge(
    kept: KeptReading | None, now: Reading, backups: Iterable[datetime], server: datetime | None = None
) -> tuple[Steadiness, KeptReading]:
    """What to think of the clock, and what to keep of it.

    `backups` are the times at which the stored ones were begun, `server` is MongoDB's own time if it was asked.
    """
    taken = sorted(moment for moment in backups if moment <= now.wall)
    since = kept.since if kept else None
    if _was_set(kept, now, taken):
        since = now.wall
    return Steadiness(since, _doubt(now, server)), KeptReading(now, since)


def _was_set(kept: KeptReading | None, now: Reading, taken: list[datetime]) -> bool:
    if kept is None:
        return bool(taken) and now.wall - taken[-1] > _silence(taken)
    went_on = now.wall - kept.reading.wall
    if now.boot_id == kept.reading.boot_id:
        return abs(went_on - timedelta(seconds=now.running_seconds - kept.reading.running_seconds)) > GRACE
    return not -GRACE <= went_on <= _silence(taken)


def _silence(taken: list[datetime]) -> timedelta:
    """How long nothing may have been heard of a directory with these backups without the clock being suspected."""
    return max(SILENCE, DISTANCES * usual_distance(taken))


def usual_distance(taken: list[datetime]) -> timedelta:
    """The median time from one backup to the next, the lower of two."""
    distances = sorted(after - before for before, after in pairwise(sorted(taken)))
    return distances[(len(distances) - 1) // 2] if distances else timedelta()


def _doubt(now: Reading, server: datetime | None) -> str | None:
    if server is None or abs(now.wall - server) <= GRACE:
        return None
    side = "ahead of" if now.wall > server else "behind"
    return f"this machine's clock is {age_in_words(abs(now.wall - server))} {side} MongoDB's"
