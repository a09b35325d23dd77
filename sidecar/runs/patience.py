"""Retry work that failed because MongoDB was away for a moment."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from sidecar.errors import SourceStalled, SourceUnavailable
from sidecar.events import Listener
from sidecar.logger import Logger

PASSING = (SourceUnavailable, SourceStalled)

T = TypeVar("T")

log = Logger(__name__)


async def patiently(
    do: Callable[[Listener], Awaitable[T]],
    pauses: Iterable[float],
    listener: Listener,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Do the work; after a passing error do it again after each pause in turn. The last error is raised."""
    for pause in pauses:
        try:
            return await do(listener)
        except PASSING as error:
            log.warning("run.retried_later", code=error.code, error=str(error), after_seconds=pause)
        await sleep(pause)
    return await do(listener)
