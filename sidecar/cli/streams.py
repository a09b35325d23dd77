"""Keep a command working even if its standard streams are closed or fail."""

import os
import sys
from typing import Any, TextIO

CLOSED = os.devnull


class Sheltered:
    """Wraps a text stream, and keeps its first write error instead of raising it. Everything else is passed on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        if self.failure is None:
            try:
                self._stream.write(text)
            except OSError as error:
                self.failure = error
        return len(text)

    def flush(self) -> None:
        if self.failure is None:
            try:
                self._stream.flush()
            except OSError as error:
                self.failure = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def prepare() -> Sheltered:
    """Make the standard streams safe to write to, and return the new stdout.

    A stream that was closed before we began is opened on /dev/null: otherwise the next file that we open would get its
    number, and our output.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            _occupy(number)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - as long as we live
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr] # a character the terminal lacks is shown as ?
    sys.stdout, sys.stderr = sheltered, _ = Sheltered(sys.stdout), Sheltered(sys.stderr)
    return sheltered


def _occupy(number: int) -> None:
    """Open /dev/null as this descriptor if the descriptor is not open."""
    try:
        os.fstat(number)
    except OSError:
        found = os.open(CLOSED, os.O_RDWR)
        if found != number:
            os.dup2(found, number)
            os.close(found)
