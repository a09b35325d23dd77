"""When schedules are due, above all when the clocks change."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.rules.schedule import (
    Cron,
    Every,
    Reckoning,
    Schedule,
    Shifted,
    Timetable,
    interval_seconds,
    jitter,
    max_age_seconds,
    reckon,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def cron(expression: str, zone: str = "UTC") -> Cron:
    return Cron(Schedule.parse(expression), ZoneInfo(zone))


def local(timetable: Cron, after: str, number: int) -> list[str]:
    """The next few due times as the clock on the wall shows them, with its offset from UTC."""
    moment, found = datetime.fromisoformat(after).replace(tzinfo=timetable.zone), []
    for _ in range(number):
        moment = timetable.next_after(moment)
        found.append(f"{moment.astimezone(timetable.zone):%m-%d %H:%M %z}")
    return found


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        # skipped: due when the clock has jumped
        ("30 2 * * *", "Europe/Berlin", "2026-03-28", ["03-28 02:30 +0100", "03-29 03:00 +0200", "03-30 02:30 +0200"]),
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03",
            ["10-03 02:15 +1030", "10-04 02:30 +1100", "10-05 02:15 +1100"],
        ),
        ("0 0 * * *", "America/Santiago", "2026-09-05T01", ["09-06 01:00 -0300", "09-07 00:00 -0300"]),
        (
            "0 12 * * *",
            "Pacific/Apia",
            "2011-12-29T13",
            ["12-31 00:00 +1400", "12-31 12:00 +1400", "01-01 12:00 +1400"],
        ),
        # several that are skipped, and one that is due when the clock has jumped, are one
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-03-29T01:15",
            ["03-29 01:30 +0100", "03-29 03:00 +0200", "03-29 03:30 +0200"],
        ),
        # repeated: due the first time only
        ("30 2 * * *", "Europe/Berlin", "2026-10-24", ["10-24 02:30 +0200", "10-25 02:30 +0200", "10-26 02:30 +0100"]),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-10-25T01:30",
            ["10-25 02:00 +0200", "10-25 03:00 +0100", "10-25 04:00 +0100"],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04",
            ["04-04 01:45 +1100", "04-05 01:45 +1100", "04-06 01:45 +1030"],
        ),
        (
            "30 23 * * *",
            "America/Santiago",
            "2026-04-03",
            ["04-03 23:30 -0300", "04-04 23:30 -0300", "04-05 23:30 -0400"],
        ),
        # dates
        ("0 0 31 * *", "UTC", "2026-01-31T01", ["03-31 00:00 +0000", "05-31 00:00 +0000", "07-31 00:00 +0000"]),
        ("0 0 29 2 *", "UTC", "2026-03-01", ["02-29 00:00 +0000", "02-29 00:00 +0000"]),
        ("0 0 l * *", "UTC", "2028-02-01", ["02-29 00:00 +0000", "03-31 00:00 +0000"]),
        (
            "0 0 13 * fri",
            "UTC",
            "2026-11-01",
            ["11-06 00:00 +0000", "11-13 00:00 +0000", "11-20 00:00 +0000"],
        ),  # either
        ("@weekly", "UTC", "2026-11-24", ["11-29 00:00 +0000", "12-06 00:00 +0000"]),
    ],
)
def test_a_local_time_is_due_once(expression: str, zone: str, after: str, expected: list[str]) -> None:
    assert local(cron(expression, zone), after, len(expected)) == expected


def test_a_repeated_hour_is_left_out_when_one_asks_in_its_midst() -> None:
    timetable = cron("*/15 * * * *", "Europe/Berlin")
    second_time = datetime(2026, 10, 25, 1, 20, tzinfo=UTC)  # 02:20 for the second time
    assert timetable.next_after(second_time) == datetime(2026, 10, 25, 2, 0, tzinfo=UTC)
    assert next(timetable.latest_first(second_time)) == datetime(2026, 10, 25, 0, 45, tzinfo=UTC)


ZONES = (
    "Europe/Berlin",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/St_Johns",
    "Africa/Casablanca",
    "UTC",
)
EXPRESSIONS = ("30 2 * * *", "0 * * * *", "*/20 * * * *", "0 0 * * *", "15 1,2,3 * * *", "59 23 * * 6", "0 0 1 * *")
MOMENTS = st.datetimes(datetime(2009, 1, 1), datetime(2030, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001 - made aware
CRONS = st.builds(cron, st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES))
INTERVALS = st.builds(Every, st.timedeltas(timedelta(seconds=1), timedelta(days=3)))
SHIFTS = st.timedeltas(timedelta(), HOUR)
TIMETABLES = CRONS | INTERVALS | st.builds(Shifted, CRONS, SHIFTS)


def dues(timetable: Timetable, after: datetime, until: datetime) -> Iterator[datetime]:
    due = timetable.next_after(after)
    while due <= until:
        yield due
        due = timetable.next_after(due)


@given(TIMETABLES, MOMENTS, st.integers(1, 30))
def test_backwards_are_the_same_due_times_as_forwards(timetable: Timetable, moment: datetime, number: int) -> None:
    forwards = list(islice(dues(timetable, moment, datetime.max.replace(tzinfo=UTC)), number))
    assert forwards == sorted(set(forwards))
    assert forwards[0] > moment
    backwards = list(takewhile(lambda due: due > moment, timetable.latest_first(forwards[-1])))
    assert backwards == forwards[::-1]


@cache
def moments_after_changes(zone: ZoneInfo, year: int) -> list[datetime]:
    """Within an hour after each change of the zone's offset; of a zone without changes, every hour."""
    hours = [datetime(year, 1, 1, tzinfo=UTC) + number * HOUR for number in range(365 * 24)]
    offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
    return [hour for hour, (a, b) in zip(hours[1:], pairwise(offsets), strict=True) if a != b] or hours


@given(st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES), st.integers(2010, 2028), st.integers(0, 10))
def test_every_local_time_around_a_change_of_the_clocks_is_due_exactly_once(
    expression: str, name: str, year: int, which: int
) -> None:
    """Compared with a walk over every minute of the wall clock, in a schedule of UTC that knows no changes."""
    zone = ZoneInfo(name)
    moments = moments_after_changes(zone, year)
    middle = moments[which % len(moments)]
    begin, end = middle - 2 * DAY, middle + 2 * DAY
    first_seen: dict[datetime, datetime] = {}
    minutes = [begin + number * MINUTE for number in range(int((end - begin) / MINUTE) + 1)]
    for minute in minutes:
        first_seen.setdefault(minute.astimezone(zone).replace(tzinfo=None), minute)
    plain = cron(expression)
    wall = dues(plain, min(first_seen).replace(tzinfo=UTC), max(first_seen).replace(tzinfo=UTC))
    expected = {_shown_at_or_next(first_seen, due.replace(tzinfo=None)) for due in wall}
    lowest = min(first_seen.values())
    assert [due for due in dues(cron(expression, name), begin, end) if due > lowest] == sorted(expected - {lowest})


def _shown_at_or_next(first_seen: dict[datetime, datetime], wall: datetime) -> datetime:
    while wall not in first_seen:
        wall += MINUTE
    return first_seen[wall]


@given(INTERVALS, MOMENTS)
def test_an_interval_is_a_grid_that_no_restart_moves(timetable: Every, moment: datetime) -> None:
    due = timetable.next_after(moment)
    assert timedelta() < due - moment <= timetable.period
    assert timetable.next_after(due - timetable.period / 2) == due
    assert timetable.next_after(due) == due + timetable.period


@given(st.text(max_size=20), st.floats(0, 1e5))
def test_a_shift_is_the_sets_own_and_within_its_spread(name: str, spread: float) -> None:
    assert jitter(name, spread) == jitter(name, spread)
    assert timedelta() <= jitter(name, spread) <= timedelta(seconds=spread)
    assert jitter("main", 3600) != jitter("attendance", 3600)


@pytest.mark.parametrize(
    ("timetable", "seconds"),
    [(Every(HOUR), 3600), (cron("@daily"), 86400), (cron("0 8 * * mon-fri"), 3 * 86400), (cron("0 8,20 * * *"), 43200)],
)
def test_the_usual_distance_is_the_longest_of_the_next_few(timetable: Timetable, seconds: float) -> None:
    assert interval_seconds(timetable, datetime(2026, 11, 24, tzinfo=UTC)) == seconds


@given(TIMETABLES, MOMENTS, st.timedeltas(timedelta(), timedelta(days=4)))
def test_a_reckoning_holds_every_due_time_once(timetable: Timetable, accounted: datetime, away: timedelta) -> None:
    expected = list(islice(dues(timetable, accounted, accounted + away), 5000))
    found = reckon(timetable, accounted, accounted + min(away, 4000 * timedelta(seconds=1)))
    told = [*found.missed, *([found.due] if found.due else [])]
    assert told == [due for due in expected if due <= accounted + min(away, 4000 * timedelta(seconds=1))]


def test_of_a_very_long_time_only_the_last_due_times_are_told() -> None:
    accounted = datetime(2016, 1, 1, tzinfo=UTC)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    found = reckon(Every(timedelta(seconds=1)), accounted, now, at_most=3)
    assert found == Reckoning(tuple(now - timedelta(seconds=n) for n in (3, 2, 1)), now)


def test_nothing_is_due_where_the_clock_was_set_back() -> None:
    accounted = datetime(2026, 1, 1, tzinfo=UTC)
    assert reckon(Every(HOUR), accounted, accounted - DAY) == Reckoning()


@pytest.mark.parametrize(
    ("expression", "now", "last_but_one"),
    [
        ("0 8-18 * * *", "2026-11-27 07:00", "2026-11-26 17:00"),  # nothing is due at night
        ("0 8-18 * * *", "2026-11-27 08:14", "2026-11-26 17:00"),  # the run at eight may be under way
        ("0 8-18 * * *", "2026-11-27 08:15", "2026-11-26 18:00"),
        ("0 8-18 * * *", "2026-11-27 12:20", "2026-11-27 11:00"),
        ("0 8 * * mon-fri", "2026-11-30 07:00", "2026-11-26 08:00"),  # a Monday morning
        ("0 8 * * mon-fri", "2026-12-02 09:00", "2026-12-01 08:00"),
        ("@monthly", "2026-11-27 12:00", "2026-10-01 00:00"),
    ],
)
def test_a_backup_from_before_the_last_due_time_but_one_is_too_old(
    expression: str, now: str, last_but_one: str
) -> None:
    timetable = Cron(Schedule.parse(expression), ZoneInfo("UTC"))
    asked, due = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, last_but_one))
    assert max_age_seconds(timetable, asked) == (asked - due).total_seconds() + 300


@pytest.mark.parametrize("hours", range(0, 24 * 7, 5))
@pytest.mark.parametrize(
    ("expression", "longest"), [("0 8-18 * * *", 14 * 3600), ("0 8 * * mon-fri", 72 * 3600), ("*/15 * * * *", 900)]
)
def test_the_usual_distance_does_not_depend_on_when_one_asks(expression: str, longest: int, hours: int) -> None:
    asked = datetime(2026, 11, 27, tzinfo=UTC) + timedelta(hours=hours)
    assert interval_seconds(Cron(Schedule.parse(expression), ZoneInfo("UTC")), asked) == longest


@pytest.mark.parametrize(
    ("days", "is_due"),
    [
        ("13 * 5", lambda day: day.day == 13 or day.isoweekday() == 5),
        ("1-31 * 1", lambda _: True),
        ("*/2 * 1", lambda day: day.day % 2 == 1 and day.isoweekday() == 1),
        ("13 * */2", lambda day: day.day == 13 and day.isoweekday() % 7 in (0, 2, 4, 6)),
        ("13 * *", lambda day: day.day == 13),
        ("* * 1-5", lambda day: day.isoweekday() <= 5),
        ("? * 7", lambda day: day.isoweekday() == 7),
    ],
)
def test_days_are_read_as_crontab_reads_them(days: str, is_due: Callable[[datetime], bool]) -> None:
    timetable = Cron(Schedule.parse(f"0 0 {days}"), ZoneInfo("UTC"))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    expected = [day for n in range(1, 800) if is_due(day := start + timedelta(days=n))]
    found = [start]
    for _ in expected:
        found.append(timetable.next_after(found[-1]))
    assert found[1:] == expected
    back = list(islice(timetable.latest_first(expected[-1]), len(expected)))
    assert back == expected[::-1]
