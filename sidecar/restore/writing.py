"""Run commands that write to a restore's target: with write concern majority, and waited for when the caller is cancelled."""

import asyncio
import traceback
from collections.abc import Coroutine, Mapping
from typing import Any

from sidecar.errors import Cancelled, SidecarError, WriteRejected
from sidecar.logger import Logger
from sidecar.mongodb.replies import ServerReply
from sidecar.restore.target import Target
from sidecar.runtime.completion import completed

SETTLE_SECONDS = 3.0  # how long a cancelled caller waits; a process that is told to stop has ten seconds

log = Logger(__name__)


async def write(
    target: Target, command: Mapping[str, Any], *, database: str | None = None, is_slow: bool = False
) -> ServerReply:
    """Run a command that writes. Raises WriteRejected if the server refused it or could not make it durable."""
    durable = dict(command) | {"writeConcern": {"w": "majority"}}
    reply = await _settled(
        target.database.command(
            durable, database=database or target.target_db, is_slow=is_slow, otherwise=WriteRejected
        )
    )
    if "writeConcernError" in reply:
        raise WriteRejected(f"{next(iter(command))} is not durable: {reply['writeConcernError']}")
    return reply


async def _settled(command: Coroutine[Any, Any, ServerReply]) -> ServerReply:
    """The reply. A cancellation first waits a little for the command to end, because an undo must come after it."""
    task = asyncio.ensure_future(command)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await completed(_ended_or_given_up(task))
        raise


async def _ended_or_given_up(task: "asyncio.Task[ServerReply]") -> None:
    await asyncio.wait({task}, timeout=SETTLE_SECONDS)
    task.cancel()


def as_ours(error: BaseException) -> SidecarError:
    """Return the error as a SidecarError. For an unexpected error, its message names the function and line that raised it."""
    if isinstance(error, SidecarError):
        return error
    if isinstance(error, asyncio.CancelledError):
        return Cancelled(str(error) or "cancelled")
    at = traceback.extract_tb(error.__traceback__)[-1]
    log.debug("restore.broken", exc_info=error)
    return SidecarError(f"unexpected {type(error).__name__} at {at.name}, line {at.lineno}: {error}")
