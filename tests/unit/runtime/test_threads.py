"""Blocking work beside the event loop: whoever called for it never goes before it has ended."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sidecar.runtime.threads import OneBehind, entered, in_thread


@pytest.mark.parametrize("cancels", [1, 2, 5])
async def test_a_cancellation_waits_for_the_thread_however_often_it_is_asked_for(cancels: int) -> None:
    began, may_end, done = threading.Event(), threading.Event(), []

    def work() -> None:
        began.set()
        may_end.wait()
        done.append("the thread")

    async def caller() -> None:
        try:
            await in_thread(work)
        finally:
            done.append("the caller")

    task = asyncio.create_task(caller())
    await asyncio.to_thread(began.wait)
    for _ in range(cancels):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["the thread", "the caller"]


class Resource:
    """Says in which threads it was entered and left, and stays in the door as long as it is told to."""

    def __init__(self) -> None:
        self.entering, self.may_enter = threading.Event(), threading.Event()
        self.may_enter.set()
        self.steps: list[str] = []
        self.threads: set[int] = set()

    @contextmanager
    def open(self) -> Iterator[str]:
        self.entering.set()
        self.may_enter.wait()
        self.threads.add(threading.get_ident())
        self.steps.append("entered")
        try:
            yield "value"
        except ValueError:
            self.steps.append("saw the error")
            raise
        finally:
            self.threads.add(threading.get_ident())
            self.steps.append("left")


async def test_a_resource_is_entered_and_left_beside_the_loop() -> None:
    resource = Resource()
    async with entered(resource.open()) as value:
        assert (value, resource.steps) == ("value", ["entered"])
    assert resource.steps == ["entered", "left"]
    assert threading.get_ident() not in resource.threads


async def test_a_resource_sees_the_error_that_ends_the_block() -> None:
    resource = Resource()
    with pytest.raises(ValueError, match="ours"):
        async with entered(resource.open()):
            raise ValueError("ours")
    assert resource.steps == ["entered", "saw the error", "left"]


async def test_a_cancellation_in_the_door_leaves_the_resource_again() -> None:
    resource = Resource()
    resource.may_enter.clear()

    async def use() -> None:
        async with entered(resource.open()):
            raise AssertionError("it was cancelled before")

    task = asyncio.create_task(use())
    await asyncio.to_thread(resource.entering.wait)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    resource.may_enter.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert resource.steps == ["entered", "left"]


async def test_a_cancellation_while_leaving_does_not_hide_the_error_that_ended_the_block() -> None:
    leaving, may_leave = threading.Event(), threading.Event()

    @contextmanager
    def slow_to_leave() -> Iterator[None]:
        try:
            yield
        finally:
            leaving.set()
            may_leave.wait()

    async def use() -> None:
        async with entered(slow_to_leave()):
            raise ValueError("ours")

    task = asyncio.create_task(use())
    await asyncio.to_thread(leaving.wait)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    may_leave.set()
    with pytest.raises(ValueError, match="ours"):
        await task


class Steps:
    """Work that takes as long as it is told, and says when it begins and ends."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.may_end = threading.Event()

    def slow(self, name: str) -> None:
        self.done.append(f"{name} begins")
        self.may_end.wait()
        self.done.append(f"{name} ends")

    def fails(self) -> None:
        raise OSError("no space")


async def test_one_call_is_behind_and_the_next_waits_for_it() -> None:
    steps = Steps()
    with OneBehind() as behind:
        behind.begin(steps.slow, "first")  # comes back at once
        second = asyncio.ensure_future(in_thread(behind.begin, steps.slow, "second"))
        await asyncio.wait({second}, timeout=0.01)
        assert not second.done()
        steps.may_end.set()
        await second
    assert steps.done == ["first begins", "first ends", "second begins", "second ends"]


@pytest.mark.parametrize("asks", [lambda behind: behind.end(), lambda behind: behind.begin(print)])
def test_what_a_call_behind_raised_the_next_one_raises(asks: Callable[[OneBehind], None]) -> None:
    steps = Steps()
    with OneBehind() as behind:
        behind.begin(steps.fails)
        with pytest.raises(OSError, match="no space"):
            asks(behind)
        behind.end()  # it is said once


async def test_who_leaves_waits_for_the_call_behind_and_hears_nothing_of_it() -> None:
    steps = Steps()

    def leaves() -> None:
        with OneBehind() as behind:
            behind.begin(steps.slow, "last")

    left = asyncio.ensure_future(in_thread(leaves))
    await asyncio.wait({left}, timeout=0.01)
    assert not left.done()
    steps.may_end.set()
    await left
    assert steps.done == ["last begins", "last ends"]
    with OneBehind() as behind:
        behind.begin(steps.fails)
