"""How a command works with the service, which reaches the database: settings, signals and exit codes."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import NoReturn

from sidecar.bootstrap.service import load_settings, open_service
from sidecar.cli import exits
from sidecar.cli.looking import end_at_the_latest, end_with, ending, interrupt, quiet_logs
from sidecar.cli.terminal import console
from sidecar.errors import Cancelled
from sidecar.service import Service

CLEAN_UP_SECONDS = 9.5  # service managers give ten


def run(
    use: Callable[[Service], Awaitable[int | None]],
    *,
    interrupted: str | None = None,
    cleans_up_within: float | None = None,
) -> NoReturn:
    """Open the service, use it, and exit with the code that `use` returns.

    SIGTERM, SIGINT and the SIGHUP of a terminal that is gone end a command at once, but one that says what is then true
    in `interrupted` only after it has cleaned up; where a disk does not answer, after `cleans_up_within` seconds, if
    somebody else can clean up later.
    """
    settings = load_settings(os.environ)
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
        signal.signal(signal.SIGINT, interrupt)  # asyncio's own would wait for what blocks
    end_with(asyncio.run(opened()))


def _cancel_on_signals(task: "asyncio.Task[int] | None", heard: list[int], within: float | None) -> None:
    def hear(number: int) -> None:
        heard.append(number)
        if within is not None:
            end_at_the_latest(within, exits.INTERRUPTED if number == signal.SIGINT else exits.FAILED)
        if task is not None:
            task.cancel()

    for number in ending():
        asyncio.get_running_loop().add_signal_handler(number, hear, number)
