"""Blocking work beside the event loop."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager, aclosing, asynccontextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


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
    """Wait for the task, whoever cancels the wait; what came of it is nobody's business any more."""
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:  # the first one is passed on by the caller
            continue
    if not task.cancelled():
        task.exception()  # retrieved


@asynccontextmanager
async def entered(resource: AbstractContextManager[T]) -> AsyncIterator[T]:
    """`with resource` where entering and leaving it block: a lock, an open file. It is left however the block ends."""
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
    except BaseException as error:
        if not await in_thread(resource.__exit__, type(error), error, error.__traceback__):
            raise
    else:
        await in_thread(resource.__exit__, None, None, None)


async def in_turn(items: Iterator[T]) -> AsyncGenerator[T, None]:
    """The items of an iterator that blocks, each fetched in a thread; it is closed there too."""
    try:
        while (item := await in_thread(next, items, None)) is not None:
            yield item
    finally:
        if isinstance(items, Generator):
            await in_thread(items.close)


async def read_ahead(items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The same items, with the next one being fetched while the caller works on the last."""
    async with aclosing(items) as source:
        following = asyncio.ensure_future(anext(source, None))
        try:
            while (item := await following) is not None:
                following = asyncio.ensure_future(anext(source, None))
                yield item
        finally:
            following.cancel()
            await asyncio.wait({following})
