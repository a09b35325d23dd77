"""Blackout windows in local time, during which no run begins, such as the hours of a school's registration. Pure.

Due times within a window are skipped. One run is due instead when the window ends, plus the set's jitter, but not later than the
next due time after the window.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, takewhile
from typing import Final, Self
from zoneinfo import ZoneInfo

from sidecar.rules.schedule import MICROSECOND, Timetable, instant

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EXPECTED: Final = 'expected windows such as "08:00-10:30" or "mon-fri 22:00-02:00"'
_WINDOW: Final = re.compile(r"(?:([a-z,-]+) +)?([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_DAY: Final = timedelta(days=1)
_WEEK_MINUTES: Final = 7 * 24 * 60
MOST_TOLD: Final = 10_000


@dataclass(frozen=True, slots=True)
class Window:
    """A window from a time of the day up to, but not including, another one, which may be on the next day."""

    days: frozenset[int]  # the weekdays on which it begins; 0 is Monday
    begins: timedelta  # from midnight
    lasts: timedelta

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `08:00-10:30`, `mon-fri 22:00-02:00` or `sat,sun 00:00-06:00`. A ValueError says what was expected."""
        found = _WINDOW.fullmatch(" ".join(text.lower().split()))
        if found is None:
            raise ValueError(EXPECTED)
        begins = timedelta(hours=int(found[2]), minutes=int(found[3]))
        ends = timedelta(hours=int(found[4]), minutes=int(found[5]))
        if begins == ends:
            raise ValueError(f"{EXPECTED}, with two different ends")
        return cls(_days(found[1]), begins, ends - begins if ends > begins else ends - begins + _DAY)

    def end_over(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """When the window ends, if `moment` lies in it; else None."""
        today = moment.astimezone(zone).date()
        for day in (today, today - _DAY):
            if day.weekday() in self.days:
                begin, end = self._on(day, zone)
                if begin <= moment < end:
                    return end
        return None

    def _on(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """The begin and end of the window on a day. If a clock change repeats the end's local time, the second one counts."""
        local = datetime.combine(day, time.min) + self.begins
        end = local + self.lasts
        second = end.replace(tzinfo=zone, fold=1).astimezone(UTC)
        return instant(local, zone), max(instant(end, zone), second)

    def minutes(self) -> Iterator[int]:
        """Yield the minutes of a week that the window covers."""
        for day in self.days:
            first = (day * _DAY + self.begins) // timedelta(minutes=1)
            yield from (minute % _WEEK_MINUTES for minute in range(first, first + self.lasts // timedelta(minutes=1)))


def parse(texts: Iterable[str]) -> tuple[Window, ...]:
    """Parse windows, which must not cover the whole week. A ValueError says what was expected."""
    windows = tuple(Window.parse(text) for text in texts)
    if len({minute for one in windows for minute in one.minutes()}) == _WEEK_MINUTES:
        raise ValueError("expected windows that leave some time of the week")
    return windows


def _days(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset(range(7))
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"{EXPECTED}, with the days {', '.join(DAYS)}")
        start = DAYS.index(first)
        length = (DAYS.index(last) - start) % len(DAYS) if dash else 0
        found.update((start + offset) % len(DAYS) for offset in range(length + 1))
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Dark:
    """Another timetable without due times in the windows: those are replaced by one at the end of the windows."""

    timetable: Timetable
    windows: Sequence[Window]
    zone: ZoneInfo
    shift: timedelta = timedelta()

    def end_over(self, moment: datetime) -> datetime | None:
        """When the window around `moment` ends, together with windows that follow without a gap; None outside of windows."""
        end: datetime | None = None
        while (later := self._end_of_one(end or moment)) is not None:
            end = later
        return end

    def _end_of_one(self, moment: datetime) -> datetime | None:
        ends = [end for one in self.windows if (end := one.end_over(moment, self.zone)) is not None]
        return max(ends, default=None)

    def _moved(self, due: datetime) -> datetime:
        """Move a due time out of the windows. The order of due times is kept."""
        while (end := self.end_over(due)) is not None:
            due = min(end + self.shift, self.timetable.next_after(end - MICROSECOND))
        return due

    def _is_dark(self, due: datetime) -> bool:
        return self._end_of_one(due) is not None

    def next_after(self, moment: datetime) -> datetime:
        """The first due time after `moment`."""
        moved = self._moved(next(iter(self.timetable.latest_first(moment))))
        return moved if moved > moment else self._moved(self.timetable.next_after(moment))

    def latest_first(self, until: datetime) -> Iterator[datetime]:
        """Yield the due times up to and including `until`, newest first."""
        previous: datetime | None = None
        for due in self.timetable.latest_first(until):
            moved = self._moved(due)
            if moved <= until and moved != previous:
                yield moved
                previous = moved

    def passed_over(self, after: datetime, until: datetime) -> list[datetime]:
        """The skipped due times between these two moments, oldest first; of very many only the newest."""
        newest_first = takewhile(lambda due: due > after, self.timetable.latest_first(until))
        return sorted(islice((due for due in newest_first if self._is_dark(due)), MOST_TOLD))
