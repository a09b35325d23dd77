"""How far back retention reaches, how many backups it keeps, and advice if that is little. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from sidecar.model import StoredBackup
from sidecar.rules.policy import Policy
from sidecar.rules.tiers import Tier

SHORT = timedelta(days=7)  # damage of a Friday evening is often found on Monday or later
LONG = timedelta(days=366_000)  # longer than any set exists
_UNITS = (
    (timedelta(days=365.25), "year"),
    (timedelta(days=365.25 / 12), "month"),
    (timedelta(weeks=1), "week"),
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
)


def reach(policy: Policy, every: timedelta) -> timedelta:
    """The age at which the oldest backup is deleted, if every run succeeds."""
    lasts = [min(policy.limit * every, timedelta(days=policy.retention_days))]
    lasts += [count * max(tier.lasts, every) for tier, count in policy.tiers()]
    return max([*lasts, timedelta(days=policy.keep_within_days)])


def in_words(span: timedelta) -> str:
    """A span such as `about 5 hours`: in the largest unit with a number of at least two, else of at least one."""
    counted = [(round(span / unit), name) for unit, name in _UNITS]
    number, name = next((one for one in counted if one[0] > 1), None) or next(
        (one for one in counted if one[0]), (0, "minute")
    )
    return f"about {number} {name}{'' if number == 1 else 's'}"


def cure(span: timedelta) -> str:
    """Advice if the reach is short; else empty."""
    if span >= SHORT:
        return ""
    return (
        "Damage that is older cannot be undone. To reach back half a year with about 35 backups, set "
        "keep_hourly = 24, keep_daily = 7, keep_weekly = 4 and keep_monthly = 6 (SIDECAR_KEEP_HOURLY=24 and so on)."
    )


@dataclass(frozen=True, slots=True)
class Left:
    """The backups that retention keeps. A backup is identified by the number of newer ones that were made: 0 is the newest."""

    newest: int  # all backups with a smaller number are kept
    older: tuple[int, ...]  # the numbers of the others that are kept

    def __len__(self) -> int:
        return self.newest + len(self.older)


def expected(
    policy: Policy, interval_seconds: float, known_seconds: float, now: datetime, newest: Sequence[StoredBackup] = ()
) -> int:
    """How many valid backups a set would have after `known_seconds`, if every run had succeeded.

    `newest` are its backups, newest first. Tiers are counted from the oldest of them, because a backup that was deleted before
    the tier was configured does not come back.
    """
    every, made = timedelta(seconds=interval_seconds), int(known_seconds // interval_seconds)
    since_oldest = (now - newest[-1].taken_at) // every + 1 if newest else 0
    count = max(len(left(policy.newest_only, every, now, made)), len(left(policy, every, now, min(made, since_oldest))))
    size_bytes = newest[0].size_bytes if newest else 0
    if policy.max_total_bytes and size_bytes:
        count = min(count, max(policy.max_total_bytes // size_bytes, 1))
    return count


def left(policy: Policy, every: timedelta, now: datetime, made: int | None = None) -> Left:
    """The backups that are kept if every run succeeded and the last was just now.

    `made` is the number of backups made so far; None: more than are kept.
    """
    most = int(LONG / every) if made is None else max(made, 0)
    not_too_old = timedelta(days=policy.retention_days) // every
    within = timedelta(days=policy.keep_within_days) // every + 1 if policy.keep_within_days else 0
    newest = min(max(min(policy.limit, max(not_too_old, 1)), within), most)
    older = set[int]()
    for tier, count in policy.tiers():
        older.update(number for number in islice(_steps(tier, every, now, most, policy), count) if number >= newest)
    return Left(newest, tuple(sorted(older)))


def _steps(tier: Tier, every: timedelta, now: datetime, most: int, policy: Policy) -> Iterator[int]:
    """Yield the number of the newest backup of each calendar bucket, newest bucket first."""
    number = 0
    while number < most:
        yield number
        try:
            begins = tier.begins(now - number * every, policy.zone)
        except OverflowError:
            return
        number = max((now - begins) // every + 1, number + 1)
