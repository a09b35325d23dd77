"""Work that comes to its end, whoever calls its caller off meanwhile."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def completed(work: Coroutine[Any, Any, T]) -> T:
    """Await `work`. A cancellation that comes meanwhile is too late and dropped: whoever is at work here says how it ended."""
    task = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():  # the work itself was called off
                raise
