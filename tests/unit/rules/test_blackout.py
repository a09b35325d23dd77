"""Windows in which nothing is begun, above all when the clocks change."""

from datetime import UTC, datetime, time, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model import BackupSet
from sidecar.rules.blackout import EXPECTED, Dark, Window, parse
from sidecar.rules.schedule import Cron, Every, Schedule, Shifted, Timetable, interval_seconds, max_age_seconds
from sidecar.rules.timetable import timetable_of

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [BERLIN, ZoneInfo("America/Santiago"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("UTC")]

CLOCK_CHANGES = [
    datetime(2026, 3, 29, tzinfo=UTC),
    datetime(2026, 10, 25, tzinfo=UTC),
    datetime(2026, 4, 5, tzinfo=UTC),
]
moments = st.builds(
    lambda day, offset: day + offset,
    st.sampled_from(CLOCK_CHANGES),
    st.timedeltas(min_value=-3 * DAY, max_value=3 * DAY),
)
clock_times = st.builds(lambda minute: f"{minute // 60:02}:{minute % 60:02}", st.integers(0, 24 * 60 - 1))
texts = st.builds(
    lambda days, begins, ends: f"{days} {begins}-{ends}".strip(),
    st.sampled_from(["", "mon-fri", "sun", "sat,sun", "fri-mon"]),
    clock_times,
    clock_times,
).filter(lambda text: text[-11:-6] != text[-5:])
shifts = st.timedeltas(min_value=timedelta(), max_value=HOUR)
timetables = st.one_of(
    st.builds(Every, st.timedeltas(min_value=20 * MINUTE, max_value=2 * DAY)),
    st.builds(
        lambda text, zone: Cron(Schedule.parse(text), zone),
        st.sampled_from(["0 * * * *", "30 2 * * *", "*/20 6-18 * * mon-fri"]),
        st.sampled_from(ZONES),
    ),
)


def is_in(text: str, moment: datetime, zone: ZoneInfo) -> bool:
    """By what the clock on the wall shows, reckoned another way."""
    days, _, span = text.rpartition(" ")
    begins, ends = (time.fromisoformat(one) for one in span.split("-"))
    named = {
        "": range(7),
        "mon-fri": range(5),
        "sun": [6],
        "sat,sun": [5, 6],
        "fri-mon": [4, 5, 6, 0],
    }[days]
    wall = moment.astimezone(zone)
    now, today, yesterday = wall.time(), wall.weekday(), (wall.weekday() - 1) % 7
    if begins < ends:
        return today in named and begins <= now < ends
    return (today in named and begins <= now) or (yesterday in named and now < ends)


def dark(timetable: Timetable, windows: list[str], zone: ZoneInfo, shift: timedelta = timedelta()) -> Dark | None:
    try:
        return Dark(timetable, parse(windows), zone, shift)
    except ValueError:  # it leaves no time of the week
        return None


@given(texts, moments, st.sampled_from(ZONES))
def test_whenever_the_clock_on_the_wall_is_within_a_window_it_is_in_force(
    text: str, moment: datetime, zone: ZoneInfo
) -> None:
    end = Window.parse(text).end_over(moment, zone)
    if is_in(text, moment, zone):
        assert end is not None
        assert moment < end <= moment + DAY + 2 * HOUR
    elif end is not None:  # between two times that are the same on the wall
        assert any(is_in(text, moment + other, zone) for other in (HOUR, -HOUR, HOUR / 2, -HOUR / 2))


@given(timetables, st.lists(texts, min_size=1, max_size=3), moments, st.sampled_from(ZONES), shifts)
def test_nothing_is_due_within_a_window_and_nothing_that_was_is_lost(
    timetable: Timetable, windows: list[str], moment: datetime, zone: ZoneInfo, shift: timedelta
) -> None:
    shifted = Shifted(timetable, shift)
    if (found := dark(shifted, windows, zone, shift)) is None:
        return
    dues = [found.next_after(moment)]
    while len(dues) < 8:
        dues.append(found.next_after(dues[-1]))
    assert all(not is_in(text, due, zone) for due in dues for text in windows)
    assert dues == sorted(set(dues))
    last = dues[-1]
    backwards = takewhile(lambda due: due > moment, found.latest_first(last))
    assert list(reversed(list(backwards))) == dues
    usual = takewhile(lambda due: due > moment, shifted.latest_first(last))
    light = [due for due in usual if found.end_over(due) is None]
    assert set(light) <= set(dues)  # outside of windows all is as ever
    passed = found.passed_over(moment, last)
    for due in passed:
        assert any(due < made_up for made_up in dues)
    made_up_for = set(dues) - set(light)
    assert len(made_up_for) <= len(passed) + 1  # once for each window; the first may be for what was due before


@pytest.mark.parametrize(
    ("windows", "shift", "expected"),
    [
        (["08:00-10:30"], timedelta(), ["07:00", "10:30", "11:00"]),
        (["08:00-10:00"], timedelta(), ["07:00", "10:00", "11:00"]),  # what is due then anyway is made once
        (["08:00-10:30"], 12 * MINUTE, ["07:12", "10:42", "11:12"]),
        (["08:00-10:30"], 40 * MINUTE, ["07:40", "10:40", "11:40"]),  # not later than what is due then anyway
        (["08:00-09:00", "09:00-10:30"], timedelta(), ["07:00", "10:30", "11:00"]),
    ],
)
def test_what_was_due_in_a_window_is_made_up_for_once(
    windows: list[str], shift: timedelta, expected: list[str]
) -> None:
    found = dark(Shifted(Every(HOUR), shift), windows, ZoneInfo("UTC"), shift)
    assert found is not None
    moment, dues = datetime(2026, 11, 24, 6, 45, tzinfo=UTC), []
    for _ in expected:
        moment = found.next_after(moment)
        dues.append(f"{moment:%H:%M}")
    assert dues == expected


def test_a_window_that_no_due_time_falls_into_adds_none() -> None:
    found = dark(Cron(Schedule.parse("0 3 * * *"), BERLIN), ["08:00-10:00"], BERLIN)
    assert found is not None
    dues = list(islice(found.latest_first(datetime(2026, 11, 24, 12, tzinfo=UTC)), 3))
    assert {f"{due.astimezone(BERLIN):%H:%M}" for due in dues} == {"03:00"}


def test_the_age_at_which_a_backup_is_too_old_reckons_with_the_windows() -> None:
    one = BackupSet(name="main", collections=("users",), prefix="x", blackout=("22:00-06:00",))
    timetable = timetable_of(one, ZoneInfo("UTC"))
    in_the_night, by_day = (datetime(2026, 11, 24, hour, 30, tzinfo=UTC) for hour in (5, 15))
    assert interval_seconds(timetable, by_day) == 9 * 3600
    assert max_age_seconds(timetable, in_the_night) > 9 * 3600
    assert max_age_seconds(timetable, by_day) < 3 * 3600


@pytest.mark.parametrize(
    "text", ["", "8:00-10:00", "08:00-24:00", "08:00 - 10:00", "mo 08:00-10:00", "mon- 08:00-10:00", "08:00-08:00"]
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected windows such as"):
        Window.parse(text)


def test_windows_that_leave_no_time_are_refused() -> None:
    with pytest.raises(ValueError, match="that leave some time of the week"):
        parse(["mon-fri 00:00-12:00", "12:00-00:00", "sat,sun 00:00-12:00"])
    assert EXPECTED.startswith("expected windows")
