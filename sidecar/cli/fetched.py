"""The backup that a command works on: a local one, or one that is fetched from a copy for the time of the command."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from sidecar.cli.terminal.progress import progress
from sidecar.service import Service


@asynccontextmanager
async def fetched(service: Service, chosen: str | Path, copy: str | None) -> AsyncIterator[str | Path]:
    """Yield what the service finds the backup by: its id, or the path of its (fetched) data file."""
    if copy is None or isinstance(chosen, Path):
        yield chosen
        return
    async with AsyncExitStack() as stack:
        with progress() as listener:
            path = await stack.enter_async_context(service.chosen(chosen, copy, listener))
        yield path
