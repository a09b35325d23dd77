from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.rules import cron_expression
from sidecar.rules.schedule import ALIASES, Schedule


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *",
        "*/15 0-6,22 * * mon-fri",
        "0 4 * * 7",
        "0 4 * * 0-7",
        "0 0 l * *",
        "0 0 * * 1#2",
        "0 0 29 2 *",
        "0 0 31 2,3 *",
        "5-55/10 * 1 jan,jul *",
        *ALIASES,
    ],
)
def test_five_fields_and_aliases_are_accepted(text: str) -> None:
    assert Schedule.parse(text) == Schedule(text)


def test_blanks_and_capitals_make_no_difference() -> None:
    assert Schedule.parse("  0\t4 *  * SUN ") == Schedule("0 4 * * sun")
    assert Schedule.parse("@Hourly") == Schedule("@hourly")


@pytest.mark.parametrize("text", ["", "hourly", "@reboot", "@every 5m", "* * * *", "0 * * * * *", "0 0 * * * * 2030"])
def test_anything_but_five_fields_or_an_alias_is_told_both(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a cron expression of five fields or one of @hourly, .*@annually$"):
        Schedule.parse(text)


@pytest.mark.parametrize(
    "text",
    ["60 * * * *", "*/0 * * * *", "-1 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *", "0 0 * * 8", "h * * * *"],
)
def test_a_value_out_of_its_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a cron expression of five fields: "):
        Schedule.parse(text)


@pytest.mark.parametrize("text", ["r * * * *", "R(0-29) * * * *", "0 R/2 * * *"])
def test_a_random_field_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a cron expression of five fields without R"):
        Schedule.parse(text)


@pytest.mark.parametrize("text", ["0 0 5-5 * *", "0 0 * * mon-1", "05-5/2 * * * *", "0 1,3-3 * * *", "0 0 * * 7-7"])
def test_a_range_of_one_value_is_refused_because_croniter_reads_it_as_every_value(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected ranges with two different ends"):
        Schedule.parse(text)


@pytest.mark.parametrize("text", ["0 0 31 2 *", "0 0 30 feb *", "0 0 31 4,6,9,11 *"])
def test_a_date_that_never_comes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected .* can never occur in month"):
        Schedule.parse(text)


@given(st.text(alphabet="0123456789*,-/@lwrh# jansuofmtv?", max_size=30))
def test_any_text_is_a_schedule_that_reads_the_same_again_or_is_refused_with_what_was_expected(text: str) -> None:
    try:
        schedule = Schedule.parse(text)
    except ValueError as error:
        assert str(error).startswith("expected ")  # noqa: PT017 - both outcomes are right
    else:
        assert Schedule.parse(str(schedule)) == schedule


@pytest.mark.parametrize(
    "text", ["0 0 8-9 * 0#2", "0 0 1 * l5", "0 0 l * 1", "0 0 l,1 * mon", "0 0 1-7 * 1#1", "0 0 */2 * 1#1"]
)
def test_l_and_nth_weekdays_beside_another_restricted_day_are_refused_because_croniter_drops_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected L or # in one of the two fields of days"):
        Schedule.parse(text)


@pytest.mark.parametrize("text", ["0 0 ? * 1#2", "0 0 l * ?", "0 0 * * l5", "0 0 1 jul 1"])
def test_they_are_taken_where_the_other_field_takes_any_day(text: str) -> None:
    assert Schedule.parse(text) == Schedule(text)


def is_accepted(judge: Callable[[str], object], text: str) -> bool:
    try:
        judge(text)
    except ValueError:
        return False
    return True


@given(st.tuples(*[st.one_of(st.just("*"), st.integers(-1, most).map(str)) for most in (61, 25, 33, 14, 9)]))
def test_what_is_sound_at_sight_is_what_croniter_finds_sound(fields: tuple[str, ...]) -> None:
    text = " ".join(fields)
    assert is_accepted(Schedule.parse, text) is is_accepted(cron_expression.require_sound, text)
