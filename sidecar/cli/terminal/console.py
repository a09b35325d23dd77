"""Results go to stdout, everything else to stderr. No text is read as markup, and none reaches the terminal's controls."""

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
    """Any text as it is."""
    return Text(printable(text, keep="\n"), style)


def say(text: str, style: str = "") -> None:
    """A result, on stdout."""
    out.print(shown(text, style), soft_wrap=True)


def remark(text: str, style: str = "") -> None:
    """What is not the result, on stderr."""
    err.print(shown(text, style))


def say_json(value: object) -> None:
    indent = 2 if out.is_terminal else None
    text = json.dumps(value, default=_as_json, ensure_ascii=False, indent=indent)
    out.file.write(f"{printable(text, keep=_NEWLINE)}\n" if out.is_terminal else f"{text}\n")


def _as_json(value: object) -> str:
    """Moments as RFC 3339 in UTC, as the models write them."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def complain(error: SidecarError) -> None:
    """The error in one sentence and its cure, on stderr."""
    for problem in error.problems if isinstance(error, ConfigError) else [str(error)]:
        remark(f"error: {problem}", "red")
    if error.cure:
        remark(error.cure)
