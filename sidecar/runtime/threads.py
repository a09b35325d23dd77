"""Run blocking work in threads, beside the event loop."""

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

    A cancellation is raised only when the thread is done, even if it is repeated, so that the thread does nothing after the
    caller's clean-up.
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
    """Enter and leave a blocking resource, such as a lock or a file, in threads. It is always left.

    An error of the block reaches the caller, even if a cancellation comes while the resource is being left.
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
    except BaseException as error:  # passed to the resource, as `with` does
        if not await completed(in_thread(resource.__exit__, type(error), error, error.__traceback__)):
            raise
    else:
        await in_thread(resource.__exit__, None, None, None)


async def in_turn(items: Iterator[T]) -> AsyncGenerator[T, None]:
    """Yield the items of a blocking iterator. Each is fetched in a thread, and the iterator is closed in one."""
    try:
        while (item := await in_thread(next, items, None)) is not None:
            yield item
            del item  # frees its memory before the next one is fetched
    finally:
        if isinstance(items, Generator):
            await in_thread(items.close)


async def read_ahead(items: AsyncGenerator[T, None], size_of: Callable[[T], int]) -> AsyncGenerator[T, None]:
    """Yield the same items, and fetch the next one while the caller works on the present one.

    `size_of` returns bytes. While the caller has an item of more than `AHEAD_BYTES`, nothing is fetched, so memory is
    bounded by the largest item.
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
    """Runs calls in a thread, one at a time and in order, each while the caller prepares the next.

    Only one thread may use it. An error of a call is raised by the next `begin` or `end`; leaving the `with` block waits for
    the last call and drops its error.
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
        """Begin a call, after waiting for the end of the one before."""
        self.end()
        self._last = self._thread.submit(work, *args, **kwargs)

    def end(self) -> None:
        """Wait for the end of the last call."""
        last, self._last = self._last, None
        if last is not None:
            last.result()
