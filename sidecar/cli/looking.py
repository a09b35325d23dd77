"""How a command works with what is stored, without the database, and what every command does about logs and signals."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

import typer

from sidecar import config, logger
from sidecar.cli import exits
from sidecar.holdings import Holdings

END_SECONDS = 1.0  # what only reads has nothing to clean up


def look(use: Callable[[Holdings], int | None]) -> NoReturn:
    """Use what is stored, and exit with the code that `use` returns."""
    settings = config.load(os.environ)
    logger.at_first_event(lambda: quiet_logs(settings))
    signal.signal(signal.SIGINT, interrupt)
    code = use(Holdings(settings)) or exits.OK
    end_with(code)


def end_with(code: int) -> NoReturn:
    signal.signal(signal.SIGINT, lambda *_: end_at_the_latest(END_SECONDS, code))  # too late to change what it came to
    raise typer.Exit(code)


def ending() -> tuple[int, ...]:
    """The signals that end what we do in order. Under nohup(1) a terminal that is gone does not."""
    asked = (signal.SIGTERM, signal.SIGINT)
    return asked if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*asked, signal.SIGHUP)


def quiet_logs(settings: config.Settings) -> None:
    """Logs of a command: its own output is the result, so everyday events are left out on a terminal."""
    from sidecar.runtime import logs  # noqa: PLC0415 - a command that logs nothing does without

    logs.configure(settings.log_format, _log_level(settings), settings.secrets())


def _log_level(settings: config.Settings) -> str:
    """On a terminal only errors are logged: what a person should know of the rest, the command says in its own words."""
    return "error" if settings.log_level == "info" and sys.stderr.isatty() else settings.log_level


def interrupt(_number: int, _frame: object) -> None:
    end_at_the_latest(END_SECONDS, exits.INTERRUPTED)
    raise KeyboardInterrupt


def end_at_the_latest(seconds: float, code: int) -> None:
    """End the process after so many seconds, even if a thread hangs: one that waits for a disk cannot be cancelled."""
    last_resort = threading.Timer(seconds, os._exit, [code])
    last_resort.daemon = True
    last_resort.start()
