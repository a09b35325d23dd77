"""Forecast in how many days the disk is full, from the growth of the backups and from what retention will keep. Pure.

Growth is the difference between a backup and an earlier one of the same weekday, so that weekends do not matter; the median of
these differences is used, so that one jump is not a trend. Without two backups a week apart no growth is assumed. The number of
backups that a set will hold is computed from its retention rules, not extrapolated.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from statistics import median_low

from sidecar.model import StoredBackup, size
from sidecar.rules import counting
from sidecar.rules.health import age_in_words
from sidecar.rules.policy import Policy
from sidecar.rules.reach import left

HORIZON_DAYS = 730
SOON_DAYS = 14
_WINDOW = timedelta(days=63)  # older growth says little about the present
_WEEK = 7  # days
_DAY = timedelta(days=1)
# the times of a day that are tried: at the end of a calendar bucket there is one backup more for a while
_PARTS = tuple(timedelta(hours=hours) for hours in (0, 6, 12, 18))
_CLOSE = 28  # every day is tried up to this one, later days in steps that grow by a tenth
_MARGIN_DAYS = 2  # for the time between the newest backup and now


@dataclass(frozen=True, slots=True)
class Size:
    """The date and the size of a valid backup."""

    taken_at: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Stored:
    """The valid backups of a set, newest first, its retention policy, and the time from one backup to the next."""

    sizes: Sequence[Size]
    policy: Policy
    every: timedelta

    def bytes_at(self, moment: datetime, growth: float) -> float:
        """The total size of the backups that retention will keep at that moment, if every run succeeds.

        `growth` is in bytes a day.
        """
        newest, oldest = self.sizes[0].taken_at, self.sizes[-1].taken_at
        made = (moment - oldest) // self.every + 1
        there = left(self.policy, self.every, moment, made)
        total = self._latest(there.newest, moment, growth)
        total += sum(self._size_of(moment - number * self.every, newest, growth) for number in there.older)
        bound = self.policy.max_total_bytes
        return min(total, max(bound, _grown(self.sizes[0], moment, growth))) if bound else total

    def _latest(self, count: int, moment: datetime, growth: float) -> float:
        """The total size of `count` consecutive backups, the last of them made at that moment."""
        since = moment - (count - 1) * self.every
        there = sum(one.size_bytes for one in self.sizes if one.taken_at >= since)
        to_come = min(count, (moment - self.sizes[0].taken_at) // self.every)
        middle = moment - (to_come - 1) / 2 * self.every
        return there + to_come * _grown(self.sizes[0], middle, growth)

    def most_at(self, day: float, growth: float) -> float:
        """An upper bound of the stored bytes `day` days after the newest backup, which is fast to compute."""
        policy = self.policy
        within = timedelta(days=policy.keep_within_days) // self.every + 1 if policy.keep_within_days else 0
        count = max(policy.limit, within) + sum(number for _, number in policy.tiers())
        largest = max(one.size_bytes for one in self.sizes) + max(growth, 0) * day
        return max(min(count * largest, policy.max_total_bytes), largest) if policy.max_total_bytes else count * largest

    def _size_of(self, taken_at: datetime, newest: datetime, growth: float) -> float:
        """The size of the backup of that time: the stored one, or an estimate for the future."""
        if taken_at > newest:
            return _grown(self.sizes[0], taken_at, growth)
        older = bisect_left(self.sizes, -taken_at.timestamp(), key=lambda one: -one.taken_at.timestamp())
        return self.sizes[min(older, len(self.sizes) - 1)].size_bytes

    def bytes_when_full(self, now: datetime) -> int:
        """The total size when the retention rules keep as many backups as they can, each as large as the newest."""
        newest = self.sizes[0].size_bytes
        total = len(left(self.policy, self.every, now)) * newest
        return min(total, max(self.policy.max_total_bytes, newest)) if self.policy.max_total_bytes else total


@dataclass(frozen=True, slots=True)
class Outlook:
    """When there will not be enough room for a run, and how much room retention needs."""

    days_until_full: float  # infinite: not within two years
    needed_bytes: int  # by all sets when their rules keep as many backups as they can
    room_bytes: int  # what the backups take now plus what is free, minus what must stay free

    @property
    def is_enough(self) -> bool:
        """Whether there is room for all backups that retention will keep."""
        return self.room_bytes >= self.needed_bytes

    def __str__(self) -> str:
        """The outlook in a sentence."""
        said = f"at full retention the backups take about {size(self.needed_bytes)}; there is room for {size(self.room_bytes)}"
        if self.days_until_full < 1:
            return f"{said}; the next ones do not fit"
        return (
            said
            if math.isinf(self.days_until_full)
            else f"{said}; it is full in about {_days_in_words(self.days_until_full)}"
        )

    @property
    def cure(self) -> str:
        """Advice if the disk will be full soon or has no room for all that retention keeps; else empty."""
        if self.is_enough and self.days_until_full > SOON_DAYS:
            return ""
        return (
            "Give the volume more room, keep fewer backups, bound a set with max_total_mb, or set compression to zstd."
        )


def stored(backups: Iterable[StoredBackup], policy: Policy, now: datetime) -> Stored:
    """Return the restorable backups of a set as the forecast needs them."""
    sizes = [Size(one.id.taken_at, one.size_bytes) for one in counting.restorable(backups, now)]
    return Stored(sizes, policy, policy.every or timedelta(hours=1))


def outlook(sets: Iterable[Stored], now: datetime, free_bytes: int, must_stay_free: int) -> Outlook:
    """Forecast the sets of one file system. Sets without backups are ignored. `must_stay_free` is the free space to keep."""
    known = [one for one in sets if one.sizes]
    taken = sum(size.size_bytes for one in known for size in one.sizes)
    room = max(taken + free_bytes - must_stay_free, 0)
    growths = [growth_a_day(one.sizes, one.policy.zone) for one in known]

    def is_full(day: float) -> bool:
        most = [one.most_at(day + _MARGIN_DAYS, growth) for one, growth in zip(known, growths, strict=True)]
        if sum(most) + max(most, default=0) <= room:  # even with one more backup of the largest set
            return False
        return any(_needed(known, growths, now + day * _DAY + part) > room for part in _PARTS)

    needed = sum(one.bytes_when_full(now) for one in known)
    return Outlook(_first(is_full, _days()), needed, room)


def _needed(sets: Sequence[Stored], growths: Sequence[float], moment: datetime) -> float:
    """The bytes needed at that moment: of the stored backups and of the largest next one."""
    pairs = list(zip(sets, growths, strict=True))
    stored = sum(one.bytes_at(moment, growth) for one, growth in pairs)
    return stored + max((_grown(one.sizes[0], moment, growth) for one, growth in pairs), default=0)


def growth_a_day(newest_first: Sequence[Size], zone: tzinfo) -> float:
    """The growth of a set's backups in bytes a day."""
    by_day = {}
    for one in reversed(newest_first):
        if newest_first[0].taken_at - one.taken_at <= _WINDOW:
            by_day[one.taken_at.astimezone(zone).toordinal()] = one.size_bytes
    steps = []
    for day, day_size in by_day.items():
        before = next((day - days for days in range(_WEEK, _WINDOW.days, _WEEK) if day - days in by_day), None)
        if before is not None:
            steps.append((day_size - by_day[before]) / (day - before))
    return median_low(steps) if steps else 0.0


def _grown(one: Size, moment: datetime, growth: float) -> float:
    return max(one.size_bytes + growth * ((moment - one.taken_at) / _DAY), 0)


def _days_in_words(days: float) -> str:
    return age_in_words(timedelta(days=days))


def _days() -> Iterator[int]:
    day = 0
    while day <= HORIZON_DAYS:
        yield day
        day += max(1, (day - _CLOSE) // 10)


def _first(is_full: Callable[[float], bool], days: Iterable[int]) -> float:
    before = -1
    for day in days:
        if is_full(day):
            return next(one for one in range(before + 1, day + 1) if is_full(one))
        before = day
    return math.inf
