from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.rules.retention import Steadiness
from sidecar.rules.steadiness import KeptReading, Reading, judge

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BEFORE = KeptReading(Reading(NOW, 1000.0, "first"), since=None)
HOURLY = [NOW - HOUR * number for number in range(1, 5)]


def reading(wall: timedelta, running: timedelta, boot_id: str = "first") -> Reading:
    return Reading(NOW + wall, 1000.0 + running.total_seconds(), boot_id)


@pytest.mark.parametrize("silence", [HOUR, 90 * DAY])
def test_a_clock_that_goes_on_with_the_machine_is_steady_however_long_nobody_looked(silence: timedelta) -> None:
    found, kept = judge(BEFORE, reading(silence, silence), HOURLY)
    assert (found, kept) == (Steadiness(), KeptReading(reading(silence, silence), since=None))


@pytest.mark.parametrize("jump", [5 * MINUTE + timedelta(seconds=1), 40 * DAY, -40 * DAY, -6 * MINUTE])
def test_a_clock_that_goes_on_by_more_or_less_than_the_machine_was_set(jump: timedelta) -> None:
    now = reading(HOUR + jump, HOUR)
    assert judge(BEFORE, now, HOURLY) == (Steadiness(now.wall), KeptReading(now, now.wall))


@pytest.mark.parametrize("drift", [5 * MINUTE, -5 * MINUTE, timedelta(seconds=1), -timedelta(seconds=1)])
def test_a_clock_may_be_put_right_by_five_minutes(drift: timedelta) -> None:
    assert judge(BEFORE, reading(HOUR + drift, HOUR), HOURLY)[0] == Steadiness()


@pytest.mark.parametrize(
    ("went_on", "was_set"),
    [
        (-5 * MINUTE, False),
        (-5 * MINUTE - timedelta(seconds=1), True),
        (DAY, False),
        (DAY + timedelta(seconds=1), True),
        (40 * DAY, True),
    ],
)
def test_after_another_start_of_the_machine_a_silence_of_a_day_is_believed(
    went_on: timedelta, *, was_set: bool
) -> None:
    now = reading(went_on, timedelta(), "second")
    assert judge(BEFORE, now, HOURLY)[0] == Steadiness(now.wall if was_set else None)


@pytest.mark.parametrize(("silence", "was_set"), [(21 * DAY, False), (21 * DAY + timedelta(seconds=1), True)])
def test_a_set_with_a_backup_a_week_may_be_silent_for_three(silence: timedelta, *, was_set: bool) -> None:
    weekly = [NOW - 7 * DAY * number for number in range(5)]
    for kept in (BEFORE, None):
        now = reading(silence, timedelta(), "second")
        assert judge(kept, now, weekly)[0] == Steadiness(now.wall if was_set else None)


def test_without_an_earlier_reading_the_newest_backup_stands_in_for_it() -> None:
    assert judge(None, reading(timedelta(), timedelta()), [])[0] == Steadiness()
    assert judge(None, reading(timedelta(), timedelta()), HOURLY)[0] == Steadiness()
    assert judge(None, reading(40 * DAY, timedelta()), HOURLY)[0] == Steadiness(NOW + 40 * DAY)
    ahead = [*HOURLY, NOW + 99 * DAY]
    assert judge(None, reading(40 * DAY, timedelta()), ahead)[0] == Steadiness(NOW + 40 * DAY)


def test_it_is_remembered_when_the_clock_was_set() -> None:
    _, kept = judge(BEFORE, reading(40 * DAY, HOUR), HOURLY)
    found, _ = judge(kept, reading(40 * DAY + HOUR, 2 * HOUR), HOURLY)
    assert found == Steadiness(NOW + 40 * DAY)


@pytest.mark.parametrize(
    ("server", "doubt"),
    [
        (timedelta(), None),
        (5 * MINUTE, None),
        (-5 * MINUTE, None),
        (-40 * DAY, "this machine's clock is 40 days ahead of MongoDB's"),
        (6 * MINUTE, "this machine's clock is 6 minutes behind MongoDB's"),
    ],
)
def test_a_clock_that_differs_from_that_of_mongodb_is_in_doubt(server: timedelta, doubt: str | None) -> None:
    assert judge(BEFORE, reading(HOUR, HOUR), HOURLY, NOW + HOUR + server)[0] == Steadiness(None, doubt)


@given(st.lists(st.integers(-400 * 86400, 400 * 86400), min_size=1, max_size=20), st.integers(1, 86400))
def test_no_age_is_counted_across_a_jump(jumps: list[int], step: int) -> None:
    """After each reading, the time since which the clock is called steady is no longer than it really was."""
    kept, wall, really_steady = BEFORE, NOW, 0
    for number, jump in enumerate(jumps, 1):
        wall += timedelta(seconds=step + jump)
        really_steady = 0 if abs(jump) > 300 else really_steady + step
        found, kept = judge(kept, Reading(wall, 1000.0 + number * step, "first"), [])
        if found.since is not None:
            assert (wall - found.since).total_seconds() <= really_steady + 300 * number
