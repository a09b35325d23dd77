"""The hours, days, weeks, months and years of retention, by the calendar of a set's time zone. Pure.

An hour that a clock change repeats counts as two hours. A day begins at local midnight, a week on Monday.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeVar

T = TypeVar("T")
MONTHS: Final = 12  # in a year


class Rule(StrEnum):
    """Why a backup is kept."""

    HELD = "held"  # the newest valid backup is suspect: nothing is deleted
    NEWEST = "newest"  # the newest valid backup
    PINNED = "pinned"
    ALL_THAT_IS_LEFT = "all_that_is_left"  # there is no valid backup
    AHEAD = "ahead"  # dated ahead of now
    LAST = "last"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    WITHIN = "within"
    AGE = "age"  # invalid, or made before a restore: kept until it is too old
    IN_USE = "in_use"  # being read: deleted afterwards


@dataclass(frozen=True, slots=True)
class Tier:
    """A kind of calendar bucket: hours, days, weeks, months or years."""

    rule: Rule
    lasts: timedelta  # the average length
    floor: Callable[[datetime], datetime]  # local time → the beginning of its bucket
    later: Callable[[datetime, int], datetime]  # beginning of a bucket → that of the bucket so many later

    def begins(self, moment: datetime, zone: tzinfo) -> datetime:
        """When the bucket around a moment begins, in UTC, which identifies the bucket."""
        return _begins(self.floor, moment, zone)

    def opens(self, moment: datetime, number: int, zone: tzinfo) -> datetime | None:
        """When the bucket begins that is `number` later than the one around a moment; None past the end of the calendar."""
        try:
            return self.later(self.floor(moment.astimezone(zone)), number).astimezone(UTC)
        except (OverflowError, ValueError):
            return None


@lru_cache(maxsize=8192)  # the same backups are judged many times
def _begins(floor: Callable[[datetime], datetime], moment: datetime, zone: tzinfo) -> datetime:
    try:
        return floor(moment.astimezone(zone)).astimezone(UTC)
    except OverflowError:  # at the ends of the calendar there is no local time
        return floor(moment).astimezone(UTC)


def _hour(local: datetime) -> datetime:
    return local.replace(minute=0, second=0, microsecond=0)


def _day(local: datetime) -> datetime:
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def _week(local: datetime) -> datetime:
    day = _day(local)
    return day - timedelta(days=day.weekday())


def _month(local: datetime) -> datetime:
    return _day(local).replace(day=1)


def _year(local: datetime) -> datetime:
    return _month(local).replace(month=1)


def _months_later(first: datetime, number: int) -> datetime:
    years, month = divmod(first.month - 1 + number, MONTHS)
    return first.replace(year=first.year + years, month=month + 1)


def _later(of: timedelta) -> Callable[[datetime, int], datetime]:
    """Add local days or weeks: a day with a clock change has 23 or 25 hours."""
    return lambda local, number: local + number * of


HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
TIERS: Final = (
    Tier(Rule.HOURLY, HOUR, _hour, lambda local, number: local.astimezone(UTC) + number * HOUR),
    Tier(Rule.DAILY, DAY, _day, _later(DAY)),
    Tier(Rule.WEEKLY, WEEK, _week, _later(WEEK)),
    Tier(Rule.MONTHLY, timedelta(days=365.25 / MONTHS), _month, _months_later),
    Tier(Rule.YEARLY, timedelta(days=365.25), _year, lambda first, number: _months_later(first, MONTHS * number)),
)


def newest_of_each(
    newest_first: Iterable[T], tier: Tier, taken_at: Callable[[T], datetime], zone: tzinfo
) -> Iterator[T]:
    """Yield the newest item of each bucket that holds any, newest bucket first."""
    seen = set[datetime]()
    for one in newest_first:
        bucket = tier.begins(taken_at(one), zone)
        if bucket not in seen:
            seen.add(bucket)
            yield one
