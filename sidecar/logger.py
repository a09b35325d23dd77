"""Where every module logs what happens. structlog is imported with the first event: what logs nothing does not wait for it."""

import logging
from collections.abc import Callable
from threading import RLock
from typing import Any

_mutex = RLock()
_waiting: list[Callable[[], None]] = []  # what is to be done before the first event


class Logger:
    """One of structlog's, by the name of a module."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, level: str) -> Any:
        set_up()
        import structlog  # noqa: PLC0415 - it takes as long to import as ten backups to look at

        return getattr(structlog.get_logger(self._name), level)


def at_first_event(configure: Callable[[], None]) -> None:
    """Have logging set up by `configure` when there is something to log, also by a library or as a warning of Python."""
    with _mutex:
        _waiting[:] = [configure]
    logging.basicConfig(handlers=[_First()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


def set_up() -> None:
    with _mutex:
        while _waiting:
            _waiting.pop()()


class _First(logging.Handler):
    """Takes the first record, and leaves it to the handlers that are there then."""

    def emit(self, record: logging.LogRecord) -> None:
        set_up()
        logging.getLogger(record.name).handle(record)
