"""How a command works with the service: settings, logs, signals and exit codes."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from sidecar import config
from sidecar.bootstrap.service import open_service
from sidecar.cli import completing, exits
from sidecar.cli.terminal import console
from sidecar.errors import Cancelled
from sidecar.runtime import logs
from sidecar.service import Service

END_SECONDS = 1.0  # what only reads has nothing to clean up
CLEAN_UP_SECONDS = 9.5  # service managers give ten

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
SetName = Annotated[
    str,
    typer.Argument(
        metavar="SET",
        help="A configured set, `both` (main and attendance) or `all`.",
        autocompletion=completing.sets,
    ),
]
_ID = typer.Argument(metavar="ID", help="A backup, as `sidecar list` names it.", autocompletion=completing.ids)
FromCopy = Annotated[
    str | None,
    typer.Option("--from", metavar="COPY", help="Fetch it from this copy first.", autocompletion=completing.copies),
]
Id = Annotated[str, _ID]
IdOrNone = Annotated[str | None, _ID]


def run(
    use: Callable[[Service], Awaitable[int | None]],
    *,
    interrupted: str | None = None,
    cleans_up_within: float | None = None,
) -> None:
    """Open the service, use it, and exit with the code that `use` returns.

    SIGTERM and SIGINT end a command at once, but one that says what is then true in `interrupted` only after it has
    cleaned up; where a disk does not answer, after `cleans_up_within` seconds, if somebody else can clean up later.
    """
    settings = config.load(os.environ)
    quiet_logs(settings)
    heard: list[int] = []

    async def opened() -> int:
        if interrupted:
            _cancel_on_signals(asyncio.current_task(), heard, cleans_up_within)
        try:
            async with open_service(settings) as service:
                return await use(service) or exits.OK
        except asyncio.CancelledError:
            console.remark(f"interrupted: {interrupted}", "red")
        except Cancelled as error:  # its words say what became of what had been begun
            console.complain(error)
        return exits.INTERRUPTED if signal.SIGINT in heard else exits.FAILED

    if not interrupted:
        signal.signal(signal.SIGINT, _interrupt)  # asyncio's own would wait for what blocks
    code = asyncio.run(opened())
    signal.signal(signal.SIGINT, lambda *_: end_at_the_latest(END_SECONDS, code))  # too late to change what it came to
    raise typer.Exit(code)


def quiet_logs(settings: config.Settings) -> None:
    """Logs of a command that somebody reads: what it says itself is the result, and no everyday event stands in it."""
    logs.configure(settings.log_format, _log_level(settings), settings.secrets())


def _interrupt(_number: int, _frame: object) -> None:
    end_at_the_latest(END_SECONDS, exits.INTERRUPTED)
    raise KeyboardInterrupt


def end_at_the_latest(seconds: float, code: int) -> None:
    """Whatever hangs: a thread that waits for a disk cannot be called off."""
    last_resort = threading.Timer(seconds, os._exit, [code])
    last_resort.daemon = True
    last_resort.start()


def _log_level(settings: config.Settings) -> str:
    """On a terminal somebody reads what the command itself says: of the log only what is no everyday event."""
    return "warning" if settings.log_level == "info" and sys.stderr.isatty() else settings.log_level


def _cancel_on_signals(task: "asyncio.Task[int] | None", heard: list[int], within: float | None) -> None:
    def hear(number: int) -> None:
        heard.append(number)
        if within is not None:
            end_at_the_latest(within, exits.INTERRUPTED if number == signal.SIGINT else exits.FAILED)
        if task is not None:
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, hear, number)
