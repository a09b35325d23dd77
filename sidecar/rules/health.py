"""Judge how well a set is protected by the age and verdict of its newest backup. Pure: `now` is passed in.

Younger than 24 h is healthy, 24 h up to and including 48 h is caution, older is a warning; corrupt or none is critical. A backup
that a wrong clock dated ahead of now is never the newest one: the message only mentions it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

CAUTION_FROM = timedelta(hours=24)
WARNING_AFTER = timedelta(hours=48)
FIRST_COPY = timedelta(hours=1)


class Health(StrEnum):
    """The protection of a set, from good to bad."""

    HEALTHY = "healthy"
    CAUTION = "caution"
    WARNING = "warning"
    CRITICAL = "critical"


class Status(StrEnum):
    """The state of a set's newest backup, in the words of the API's `status` key."""

    CURRENT = "current"
    AGING = "aging"
    STALE = "stale"
    CORRUPTED = "corrupted"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest backup of a set that has metadata."""

    taken_at: datetime
    is_valid: bool
    reason: str
    suspicions: tuple[str, ...] = ()  # the losses that make it suspect; empty if somebody confirmed it
    is_empty: bool = False  # whether it holds no document


@dataclass(frozen=True, slots=True)
class Protection:
    """How well one set is protected."""

    status: Status
    health: Health
    message: str


def judge(newest: Newest | None, now: datetime, ahead: Sequence[str] = ()) -> Protection:
    """Judge a set by its newest backup. `ahead` are the ids of backups that are dated ahead of now."""
    protection = _judged(newest, now)
    return replace(protection, message=f"{protection.message}; {_told(ahead)}") if ahead else protection


def _told(ahead: Sequence[str]) -> str:
    which = ahead[0] if len(ahead) == 1 else f"{len(ahead)} backups"
    verb = "is" if len(ahead) == 1 else "are"
    return f"{which} {verb} dated ahead of now and not counted: a clock was wrong"


def _judged(newest: Newest | None, now: datetime) -> Protection:
    if newest is None:
        return Protection(Status.MISSING, Health.CRITICAL, "No backup exists")
    age = max(now - newest.taken_at, timedelta())
    if not newest.is_valid:
        return Protection(Status.CORRUPTED, Health.CRITICAL, f"Latest backup is corrupted: {newest.reason}")
    message = f"Latest backup is {age_in_words(age)} old"
    if newest.is_empty:
        message += " and holds no document"
    if newest.suspicions:
        suspect = f"{message} and suspect: {'; '.join(newest.suspicions)}"
        status = Status.CURRENT if age < CAUTION_FROM else Status.AGING if age <= WARNING_AFTER else Status.STALE
        return Protection(status, Health.WARNING, suspect)
    if age < CAUTION_FROM:
        return Protection(Status.CURRENT, Health.HEALTHY, message)
    if age <= WARNING_AFTER:
        return Protection(Status.AGING, Health.CAUTION, message)
    return Protection(Status.STALE, Health.WARNING, message)


def lateness(
    copy: str, newest_there: datetime | None, oldest_here: datetime | None, limit: timedelta, now: datetime
) -> str | None:
    """Why an off-site copy is too old, in words; None if it is not. A new set has an hour for its first copy."""
    if newest_there is not None:
        age = now - newest_there
        return f"the copy {copy} is {age_in_words(age)} old" if age > limit else None
    if oldest_here is not None and now - oldest_here > FIRST_COPY:
        return f"the copy {copy} holds no backup that was read back"
    return None


def with_copies(protection: Protection, late: Sequence[str]) -> Protection:
    """Return the judgement with late off-site copies added: they make it a warning or worse."""
    if not late:
        return protection
    message = f"{protection.message}; {'; '.join(late)}"
    return replace(protection, health=worst([protection.health, Health.WARNING]), message=message)


def overall(protections: Iterable[Health], *, has_space: bool, runs_well: bool, is_scheduling: bool) -> Health:
    """Return the worst health of the sets, the storage, the last runs and the scheduler."""
    found = list(protections)
    if not has_space:
        found.append(Health.CRITICAL)
    if not (runs_well and is_scheduling):
        found.append(Health.WARNING)
    return worst(found)


def age_in_words(age: timedelta) -> str:
    """An age such as `1 minute`, `2 hours` or `3 days`, rounded down; in hours up to 48, then in days."""
    minutes = int(age.total_seconds() // 60)
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return _plural(minutes, "minute")
    if minutes <= WARNING_AFTER.total_seconds() // 60:
        return _plural(minutes // 60, "hour")
    return _plural(minutes // (24 * 60), "day")


def _plural(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def worst(healths: list[Health]) -> Health:
    """The worst of several; healthy if the list is empty."""
    order = list(Health)
    return max(healths, key=order.index, default=Health.HEALTHY)
