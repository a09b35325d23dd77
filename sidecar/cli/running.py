"""How a command works with the service: settings, logs, signals and exit codes."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from sidecar import config
from sidecar.bootstrap.service import open_service
from sidecar.cli import exits
from sidecar.cli.terminal import console
from sidecar.runtime import logs
from sidecar.service import Service

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
SetName = Annotated[str, typer.Argument(metavar="SET", help="A configured set, `both` (main and attendance) or `all`.")]


def run(use: Callable[[Service], Awaitable[int | None]], *, writes: bool = False) -> None:
    """Open the service, use it, and exit with the code that `use` returns.

    SIGTERM and SIGINT end a command that `writes` only after it has cleaned up; a reading one they end at once.
    """
    settings = config.load(os.environ)
    logs.configure(settings.log_format, settings.log_level, settings.secrets())

    async def opened() -> int:
        if writes:
            _cancel_on_signals(asyncio.current_task())
        async with open_service(settings) as service:
            return await use(service) or exits.OK

    try:
        code = asyncio.run(opened())
    except asyncio.CancelledError:
        console.err.print("interrupted: what was not finished is gone", style="red")
        code = exits.FAILED
    raise typer.Exit(code)


def _cancel_on_signals(task: "asyncio.Task[int] | None") -> None:
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
