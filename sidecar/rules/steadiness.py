"""Find out whether the wall clock was set, and since when it has run evenly. Pure.

A machine's wall clock is set by people and protocols, sometimes wrongly; the counter of its running time is not. A reading of
both is stored and compared with the next one: if the wall clock advanced by more or less than the counter, it was set. After a
reboot only a long silence shows that: longer than a day and than three times the usual time between two backups, which is a
median, so that one long outage does not change it.
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
    """The clocks of a machine at one moment."""

    wall: datetime
    running_seconds: float  # since the machine was started, including the time it was suspended
    boot_id: str  # different for each start of each machine


@dataclass(frozen=True, slots=True)
class KeptReading:
    """The last reading that was stored."""

    reading: Reading
    since: datetime | None  # when the clock was last found to have been set; None: never


def judge(
    kept: KeptReading | None, now: Reading, backups: Iterable[datetime], server: datetime | None = None
) -> tuple[Steadiness, KeptReading]:
    """Judge the clock. Return the judgement, and the reading to store for the next time.

    `backups` are the times at which the stored backups were begun; `server` is MongoDB's time, None if it was not asked.
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
    """The longest time without any sign of the sidecar that does not suggest a set clock, given these backups."""
    return max(SILENCE, DISTANCES * usual_distance(taken))


def usual_distance(taken: list[datetime]) -> timedelta:
    """The median time from one backup to the next; the lower one of two middle values."""
    distances = sorted(after - before for before, after in pairwise(sorted(taken)))
    return distances[(len(distances) - 1) // 2] if distances else timedelta()


def _doubt(now: Reading, server: datetime | None) -> str | None:
    if server is None or abs(now.wall - server) <= GRACE:
        return None
    side = "ahead of" if now.wall > server else "behind"
    return f"this machine's clock is {age_in_words(abs(now.wall - server))} {side} MongoDB's"
