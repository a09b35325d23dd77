"""Blocking work beside the event loop."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, aclosing, asynccontextmanager
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from sidecar.runtime.completion import completed

P = ParamSpec("P")
T = TypeVar("T")

AHEAD_BYTES = 4 << 20


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work` in a thread.

    A cancellation is passed on only when the thread is done, however often it is asked for: nothing that the thread does
    comes after the caller's clean-up.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await _ended(task)
        raise


async def _ended(task: "asyncio.Task[T]") -> None:
    """Wait for the task to end, even if the wait is cancelled again; its result is dropped."""
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:  # the first one is passed on by the caller
            continue
    if not task.cancelled():
        task.exception()  # retrieved


@asynccontextmanager
async def entered(resource: AbstractContextManager[T]) -> AsyncIterator[T]:
    """`with resource` where entering and leaving it block: a lock, an open file. It is left however the block ends.

    An error that ended the block is what the caller hears, also when a cancellation comes while the resource is left.
    """
    entering = asyncio.ensure_future(asyncio.to_thread(resource.__enter__))
    try:
        value = await asyncio.shield(entering)
    except asyncio.CancelledError:
        await _ended(entering)
        if not entering.cancelled() and entering.exception() is None:
            await in_thread(resource.__exit__, None, None, None)
        raise
    try:
        yield value
    except BaseException as error:  # the resource is told of it, as `with` tells it
        if not await completed(in_thread(resource.__exit__, type(error), error, error.__traceback__)):
            raise
    else:
        await in_thread(resource.__exit__, None, None, None)


async def in_turn(items: Iterator[T]) -> AsyncGenerator[T, None]:
    """The items of an iterator that blocks, each fetched in a thread; it is closed there too."""
    try:
        while (item := await in_thread(next, items, None)) is not None:
            yield item
            del item  # not held while the next one is fetched
    finally:
        if isinstance(items, Generator):
            await in_thread(items.close)


async def read_ahead(items: AsyncGenerator[T, None], size_of: Callable[[T], int]) -> AsyncGenerator[T, None]:
    """The same items, with the next one being fetched while the caller works on the last.

    `size_of` is in bytes. Beside an item of more than `AHEAD_BYTES` nothing is fetched, and none is held while the next
    one comes: memory is bounded by the largest item and not by how many there are.
    """
    async with aclosing(items) as source:
        following: asyncio.Future[T | None] | None = None
        try:
            while (item := await (following or anext(source, None))) is not None:
                is_large = size_of(item) > AHEAD_BYTES
                following = None if is_large else asyncio.ensure_future(anext(source, None))
                yield item
                del item
        finally:
            if following is not None:
                following.cancel()
                await asyncio.wait({following})


class OneBehind:
    """Calls in a thread of its own, one at a time and in their order, each while the caller prepares the next.

    It is for the code in one other thread. What a call raises, the next `begin` or `end` raises; leaving `with` waits for
    the last call and drops what it raised.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._last: Future[object] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()

    def begin(self, work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Returns when the call before has ended."""
        self.end()
        self._last = self._thread.submit(work, *args, **kwargs)

    def end(self) -> None:
        """Wait until nothing is at work."""
        last, self._last = self._last, None
        if last is not None:
            last.result()
