"""Run a command that needs the service, and so the database: settings, signals and exit codes."""

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

CLEAN_UP_SECONDS = 9.5  # Docker kills a container ten seconds after SIGTERM


def run(
    use: Callable[[Service], Awaitable[int | None]],
    *,
    interrupted: str | None = None,
    cleans_up_within: float | None = None,
) -> NoReturn:
    """Open the service, use it, and exit with the code that `use` returns.

    SIGTERM, SIGINT and SIGHUP end a command at once. With `interrupted`, which says what is true after an interruption,
    the command cleans up first and prints that. `cleans_up_within` limits the time for it in seconds, in case a disk does
    not answer; it is given if a later command can clean up instead.
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
        except Cancelled as error:  # its message says what happened to the work that had begun
            console.complain(error)
        return exits.INTERRUPTED if signal.SIGINT in heard else exits.FAILED

    if not interrupted:
        signal.signal(signal.SIGINT, interrupt)  # asyncio's own handler would wait for blocking calls
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
