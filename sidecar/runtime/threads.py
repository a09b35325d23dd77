"""Blocking work beside the event loop."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work` in a thread.

    A cancellation is passed on only when the thread is done, so that nothing it does comes after the caller's clean-up.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # retrieved: the cancellation is what the caller hears of
        raise


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
