"""Schedules and their due times in a time zone. Pure: `now` is passed in.

A cron expression names local times. A local time that a clock change repeats is due the first time, one that it skips is due
right after the change: each exactly once.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise, takewhile
from typing import Any, Protocol, Self
from zoneinfo import ZoneInfo

from sidecar.model import Kind

ALIASES = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_FIELDS = 5
# Each field is `*` or a number that exists in every month: certainly correct, so that croniter, which is slow, is not imported.
_PLAIN = re.compile(r"(\*|[1-5]?\d) (\*|1?\d|2[0-3]) (\*|[1-9]|1\d|2[0-8]) (\*|[1-9]|1[0-2]) (\*|[0-7])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression that has been checked."""

    expression: str  # five fields separated by one space, or an alias

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read five cron fields or an alias such as `@daily`. A ValueError says what was expected."""
        expression = " ".join(text.split()).lower()
        if expression not in ALIASES and not _PLAIN.fullmatch(expression):
            if len(expression.split()) != _FIELDS:
                raise ValueError(f"expected a cron expression of five fields or one of {', '.join(ALIASES)}")
            from sidecar.rules import cron_expression  # noqa: PLC0415 - it imports croniter, which is slow

            cron_expression.require_sound(expression)
        return cls(expression)

    def __str__(self) -> str:
        return self.expression


def _due_times(expression: str, start: datetime) -> Any:
    from sidecar.rules import cron_expression  # noqa: PLC0415 - it imports croniter, which is slow

    return cron_expression.due_times(expression, start)


def schedule_name(kind: Kind, set_name: str) -> str:
    """The name of the schedule for one kind of work on one set, as in the record of runs and in the lease."""
    return f"{kind}:{set_name}"


# -- due times ---------------------------------------------------------------------------------------------------------

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
FEWEST, MOST = 8, 200  # how many due times show the usual interval: enough for daily and for hourly schedules
WEEK = timedelta(days=8)
RUN = timedelta(minutes=15)  # the longest usual run
SCRAPES = timedelta(minutes=5)  # a metric may be compared with the clock so much later


class Timetable(Protocol):
    """Due times, with time zone UTC. The same question always has the same answer."""

    def next_after(self, moment: datetime) -> datetime:
        """The first due time after `moment`."""
        ...

    def latest_first(self, until: datetime) -> Iterator[datetime]:
        """Yield the due times up to and including `until`, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """A fixed interval, counted from the Unix epoch so that a restart does not move due times."""

    period: timedelta

    def next_after(self, moment: datetime) -> datetime:
        return EPOCH + ((moment - EPOCH) // self.period + 1) * self.period

    def latest_first(self, until: datetime) -> Iterator[datetime]:
        moment = self.next_after(until)
        while True:
            yield (moment := moment - self.period)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression in the local time of a zone."""

    schedule: Schedule
    zone: ZoneInfo

    def next_after(self, moment: datetime) -> datetime:
        found = _due_times(self.schedule.expression, _local(moment, self.zone))
        while (due := instant(found.get_next(datetime), self.zone)) <= moment:
            pass  # skip repeated local times, which were due before the clock change
        return due

    def latest_first(self, until: datetime) -> Iterator[datetime]:
        local = until.astimezone(self.zone)
        repeated = _offset(local, fold=0) - _offset(local, fold=1) if local.fold else timedelta()
        last_minute = (_local(until, self.zone) + repeated).replace(second=0, microsecond=0)
        found = _due_times(self.schedule.expression, last_minute + MINUTE)
        previous: datetime | None = None
        while True:
            due = instant(found.get_prev(datetime), self.zone)
            if due <= until and due != previous:
                yield due
                previous = due


@dataclass(frozen=True, slots=True)
class Shifted:
    """Another timetable with all due times a little later."""

    timetable: Timetable
    by: timedelta

    def next_after(self, moment: datetime) -> datetime:
        return self.timetable.next_after(moment - self.by) + self.by

    def latest_first(self, until: datetime) -> Iterator[datetime]:
        return (due + self.by for due in self.timetable.latest_first(until - self.by))


PAUSES = (30.0, 60.0, 120.0, 300.0)  # seconds before a run that failed for a temporary reason is tried again
PATIENCE_SECONDS = 900.0


def pauses(interval_seconds: float) -> Iterator[float]:
    """Yield the seconds to wait before each further attempt at a run: in all at most 15 minutes and half an interval."""
    left = min(PATIENCE_SECONDS, interval_seconds / 2)
    for pause in PAUSES:
        if pause > left:
            return
        yield pause
        left -= pause


def jitter(name: str, spread_seconds: float) -> timedelta:
    """A shift between 0 and the spread, always the same for the same name, so that sets do not begin all at once."""
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
    return timedelta(seconds=share * spread_seconds)


def interval_seconds(timetable: Timetable, now: datetime) -> float:
    """The usual time between two due times in seconds: the longest in the coming week, or among the next few due times."""
    return max((after - before).total_seconds() for before, after in pairwise(_coming(timetable, now)))


def average_distance(timetable: Timetable, now: datetime) -> timedelta:
    """The average time between the due times from which `interval_seconds` takes the longest."""
    first, *_, last = dues = _coming(timetable, now)
    return (last - first) / (len(dues) - 1)


def _coming(timetable: Timetable, now: datetime) -> list[datetime]:
    dues = [timetable.next_after(now)]
    while len(dues) <= FEWEST or (len(dues) <= MOST and dues[-1] - now < WEEK):
        dues.append(timetable.next_after(dues[-1]))
    return dues


def max_age_seconds(timetable: Timetable, now: datetime) -> float:
    """The age in seconds from which a set's newest backup is too old: it was made before the last due time but one.

    So one run may be missed, and the last one may still be running.
    """
    _, last_but_one = islice(timetable.latest_first(now - RUN), 2)
    return (now - last_but_one + SCRAPES).total_seconds()


@dataclass(frozen=True, slots=True)
class Reckoning:
    """The due times that have passed."""

    missed: tuple[datetime, ...] = ()  # those before the last one, oldest first
    due: datetime | None = None  # the last one, which is to be run now


def reckon(timetable: Timetable, accounted_until: datetime, now: datetime, at_most: int = 10_000) -> Reckoning:
    """Return the due times after `accounted_until` up to `now`, of very many only the last one and the `at_most` before it."""
    if timetable.next_after(accounted_until) > now:
        return Reckoning()
    newest_first = takewhile(lambda due: due > accounted_until, timetable.latest_first(now))
    due, *missed = islice(newest_first, at_most + 1)
    return Reckoning(tuple(reversed(missed)), due)


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _offset(local: datetime, *, fold: int) -> timedelta:
    offset = local.replace(fold=fold).utcoffset()
    assert offset is not None  # noqa: S101 - a ZoneInfo always has one
    return offset


@lru_cache(maxsize=4096)
def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Convert a local time to UTC: the first moment if it comes twice, the end of the gap if a clock change skips it."""
    wall = local.replace(tzinfo=zone)
    first = (local - _offset(wall, fold=0)).replace(tzinfo=UTC)
    if _local(first, zone) == local:
        return first
    after = _offset(wall, fold=1)
    early, late = (local - after).replace(tzinfo=UTC), first  # the clock change lies between these two
    while late - early > MICROSECOND:
        middle = early + (late - early) / 2
        if middle.astimezone(zone).utcoffset() == after:
            late = middle
        else:
            early = middle
    return late
