"""Results go to stdout, everything else to stderr."""

import json
import sys

from rich.console import Console

from sidecar.errors import ConfigError, SidecarError

_WIDTH = None if sys.stdout.isatty() else 180  # a file or a pipe has no width of its own
out = Console(highlight=False, width=_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say_json(value: object) -> None:
    text = json.dumps(value, default=str, ensure_ascii=False)
    if out.is_terminal:
        out.print_json(text)
    else:
        out.file.write(text + "\n")


def say(text: str) -> None:
    out.print(text, markup=False, soft_wrap=True)


def complain(error: SidecarError) -> None:
    """The error in one sentence and its cure, on stderr."""
    for problem in error.problems if isinstance(error, ConfigError) else [str(error)]:
        err.print(f"error: {problem}", style="red", markup=False)
    if error.cure:
        err.print(error.cure, markup=False)
