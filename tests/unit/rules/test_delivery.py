from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from sidecar.model import Channel
from sidecar.rules.delivery import FIRST_PAUSE, LONGEST_PAUSE, is_worth_sending, pause_after


@given(st.integers(1, 10**6))
def test_pauses_grow_from_seconds_to_a_quarter_of_an_hour_and_never_beyond(attempts: int) -> None:
    assert FIRST_PAUSE <= pause_after(attempts) <= pause_after(attempts + 1) <= LONGEST_PAUSE


def test_the_first_pauses_double() -> None:
    assert [pause_after(attempts).total_seconds() for attempts in range(1, 5)] == [5, 10, 20, 40]


def test_a_heartbeat_is_not_sent_when_it_would_be_taken_for_a_new_one() -> None:
    hour, day, moment = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)
    assert [is_worth_sending(Channel.HEARTBEAT, age) for age in (hour, hour + moment)] == [True, False]
    assert [is_worth_sending(Channel.MAIL, age) for age in (day, day + moment)] == [True, False]
    assert not is_worth_sending(Channel.HEARTBEAT, timedelta(minutes=2), is_start=True)
