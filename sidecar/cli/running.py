"""How every command runs: settings, service, signals and exit codes."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from sidecar import config, errors
from sidecar.bootstrap import open_service
from sidecar.cli import exits, terminal
from sidecar.runtime import logs
from sidecar.service import Service

app = typer.Typer(
    name="sidecar",
    help="Checksummed, verified, restorable backups of MongoDB collections.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback with local variables could show a connection string
    add_completion=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
SetName = Annotated[str, typer.Argument(metavar="SET", help="A configured set, `both` (main and attendance) or `all`.")]


def main() -> None:
    """Run the command line; the entry point of the `sidecar` script."""
    try:
        app()
    except errors.SidecarError as error:
        terminal.complain(error)
        sys.exit(exits.exit_code(error))
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(exits.FAILED)


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
        terminal.err.print("interrupted: what was not finished is gone", style="red")
        code = exits.FAILED
    raise typer.Exit(code)


def _cancel_on_signals(task: "asyncio.Task[int] | None") -> None:
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
