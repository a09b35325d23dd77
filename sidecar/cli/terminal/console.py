"""Print results on stdout, everything else on stderr. Text is never taken as markup, and control characters are escaped."""

import json
import sys
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from sidecar.errors import ConfigError, SidecarError
from sidecar.runtime.printable import printable

_WIDTH = None if sys.stdout is not None and sys.stdout.isatty() else 180  # a file or a pipe has no width of its own
out = Console(highlight=False, width=_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_NEWLINE = "\n"


def shown(text: str, style: str = "") -> Text:
    """Return a text for printing, with its control characters escaped."""
    return Text(printable(text, keep="\n"), style)


def say(text: str, style: str = "") -> None:
    """Print a result on stdout."""
    out.print(shown(text, style), soft_wrap=True)


def remark(text: str, style: str = "") -> None:
    """Print what is not the result on stderr."""
    err.print(shown(text, style))


def say_json(value: object) -> None:
    """Print a value as JSON on stdout, indented on a terminal."""
    indent = 2 if out.is_terminal else None
    text = json.dumps(value, default=_as_json, ensure_ascii=False, indent=indent)
    out.file.write(f"{printable(text, keep=_NEWLINE)}\n" if out.is_terminal else f"{text}\n")


def _as_json(value: object) -> str:
    """Return a time as RFC 3339 in UTC, as the API does."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def complain(error: SidecarError) -> None:
    """Print an error and its cure on stderr."""
    for problem in error.problems if isinstance(error, ConfigError) else [str(error)]:
        remark(f"error: {problem}", "red")
    if error.cure:
        remark(error.cure)
