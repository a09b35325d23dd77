"""Letters leave in their order, are tried again ever more slowly, and are given up one day."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sidecar.history.outbox import FAILURES, Letter, of_heartbeat, of_notice
from sidecar.history.record import History
from sidecar.model import Channel, Notice, NoticeState, Severity
from sidecar.notices.post import Post
from sidecar.notices.sending import NotDelivered
from sidecar.rules.conditions import Condition
from support.clock import FakeClock


class Receiver:
    """Takes what it is sent while it is up."""

    def __init__(self) -> None:
        self.is_up = True
        self.heard: list[str] = []
        self.tries = 0

    async def take(self, letter: Letter) -> None:
        self.tries += 1
        if not self.is_up or (letter.set_name == "attendance" and letter.channel is Channel.HEARTBEAT):
            raise NotDelivered("away")
        self.heard.append(str(letter.content.get("title") or letter.content["words"]))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock("2026-11-24T12:00:00+00:00")


@pytest.fixture
def history(tmp_path: Path, clock: FakeClock) -> Iterator[History]:
    with History(tmp_path, lambda: (), clock.now(), ("main", "attendance")) as history:
        yield history


def queue(history: History, *letters: Letter) -> None:
    wrong = Condition(subject=str(letters), severity=Severity.WARNING, words="")
    history.outbox.note([wrong], lambda change: () if change.is_over else letters)


def titled(title: str, clock: FakeClock, set_name: str = "") -> Letter:
    notice = Notice(state=NoticeState.FIRING, severity=Severity.WARNING, set_name=set_name, title=title, text="")
    return of_notice(Channel.WEBHOOK, notice, title, clock.now())


def failures(history: History, channel: Channel) -> int:
    return history.counted().get((FAILURES, channel.value), 0)


async def test_what_comes_later_waits_behind_what_could_not_be_delivered(history: History, clock: FakeClock) -> None:
    receiver = Receiver()
    post = Post(Channel.WEBHOOK, history, receiver.take, clock)
    receiver.is_up = False
    queue(history, titled("first", clock))
    await post.deliver()
    receiver.is_up = True
    clock.advance(timedelta(seconds=1))
    queue(history, titled("second", clock, "main"))
    await post.deliver()
    assert (receiver.heard, receiver.tries, failures(history, Channel.WEBHOOK)) == ([], 1, 1)
    clock.advance(timedelta(seconds=4))
    await post.deliver()
    assert (receiver.heard, history.outbox.waiting(Channel.WEBHOOK)) == (["first", "second"], [])


async def test_one_set_whose_address_is_dead_does_not_hold_up_another(history: History, clock: FakeClock) -> None:
    receiver = Receiver()
    post = Post(Channel.HEARTBEAT, history, receiver.take, clock)
    for name in ("attendance", "main"):
        queue(history, of_heartbeat(name, "end", {"signal": "end", "words": name}, clock.now()))
        clock.advance(timedelta(seconds=1))
    await post.deliver()
    assert (receiver.heard, failures(history, Channel.HEARTBEAT)) == (["main"], 1)


async def test_a_receiver_that_stays_away_is_tried_less_and_less_and_given_up_after_a_day(
    history: History, clock: FakeClock
) -> None:
    receiver = Receiver()
    post = Post(Channel.WEBHOOK, history, receiver.take, clock)
    receiver.is_up = False
    queue(history, titled("first", clock))
    for _ in range(25 * 60):
        await post.deliver()
        clock.advance(timedelta(minutes=1))
    assert history.outbox.waiting(Channel.WEBHOOK) == []
    assert 24 * 4 <= receiver.tries == failures(history, Channel.WEBHOOK) <= 24 * 4 + 8


async def test_a_clock_that_is_set_back_does_not_keep_a_letter_for_hours(history: History, clock: FakeClock) -> None:
    receiver = Receiver()
    post = Post(Channel.WEBHOOK, history, receiver.take, clock)
    receiver.is_up = False
    queue(history, titled("first", clock))
    await post.deliver()
    receiver.is_up = True
    clock.set_to(clock.now() - timedelta(hours=5))
    await post.deliver()
    assert receiver.heard == ["first"]


async def test_a_success_that_comes_an_hour_late_is_not_said(history: History, clock: FakeClock) -> None:
    receiver = Receiver()
    queue(history, of_heartbeat("main", "end", {"signal": "end", "words": "made"}, clock.now()))
    clock.advance(timedelta(hours=1, seconds=1))
    await Post(Channel.HEARTBEAT, history, receiver.take, clock).deliver()
    assert (receiver.heard, history.outbox.waiting(Channel.HEARTBEAT)) == ([], [])
