"""Logging on stderr, as JSON or for people: one event name for each fact, with secrets masked by key and by value."""

import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from sidecar.config.settings import without_credentials
from sidecar.runtime.printable import printable

MASK = "***"
_SECRET_KEYS = re.compile(r"password|passwd|token|secret|authorization|cookie|mongo_url|private_key", re.IGNORECASE)


Event = Mapping[str, Any]
Tap = Callable[[Event], None]


def configure(log_format: str | None, level: str, secrets: Iterable[str] = (), taps: Iterable[Tap] = ()) -> None:
    """Set up structlog and the standard library's logging.

    `log_format` is `json`, `console`, or None: `console` if stderr is a terminal, else `json`. Each of `taps` is called with
    every event that is logged, with the secrets already masked.
    """
    is_console = log_format == "console" or (log_format is None and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _Redaction(secrets),
        *[_tapped(tap) for tap in taps],
    ]
    render: list[Processor] = (
        [_printable, structlog.dev.ConsoleRenderer()]
        if is_console
        else [structlog.processors.JSONRenderer(default=str)]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[remove_meta, *render])
    )
    least = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(handlers=[handler], level=max(least, logging.WARNING), force=True)
    logging.getLogger("sidecar").setLevel(least)
    logging.captureWarnings(capture=True)
    threading.excepthook = _tell_of_thread


def _tell_of_thread(ended: threading.ExceptHookArgs) -> None:
    """Log the exception that ended a thread, such as one of the driver's after a reply that it could not parse."""
    if ended.exc_value is not None and ended.exc_type is not SystemExit:
        name = ended.thread.name if ended.thread else None
        structlog.get_logger(__name__).error("thread.broken", thread=name, exc_info=ended.exc_value)


def _printable(_: object, __: str, event: EventDict) -> EventDict:
    """Escape control characters, so that a foreign name cannot move the cursor or look like another log line."""
    keep = {"exception": "\n\t", "stack": "\n\t"}
    return {key: printable(one, keep.get(key, "")) if isinstance(one, str) else one for key, one in event.items()}


def _tapped(tap: Tap) -> Processor:
    def pass_on(_: object, __: str, event: EventDict) -> EventDict:
        tap(event)
        return event

    return pass_on


class _Redaction:
    """Masks values whose key names a secret, and known secrets anywhere in other values."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = [secret for secret in secrets if secret]
        escaped = [form(secret)[1:-1] for secret in known for form in (repr, json.dumps)]  # as they are quoted
        self._secrets = sorted({*known, *escaped}, key=len, reverse=True)

    def __call__(self, _: object, __: str, event: EventDict) -> EventDict:
        return {key: self._masked(key, value) for key, value in event.items()}

    def _masked(self, key: str, value: Any) -> Any:
        if key.startswith("_"):  # structlog's own, removed before anything is written
            return value
        if _SECRET_KEYS.search(key):
            return MASK
        return self._clean(value)

    def _clean(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self._clean(key): self._masked(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(inner) for inner in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        text = str(value)
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return without_credentials(text)
