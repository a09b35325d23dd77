"""Read an object to its end over an unreliable connection: after an error, reading resumes where it stopped."""

import time
from collections.abc import Callable, Iterator
from typing import Final

from sidecar.copies.remote import Remote
from sidecar.errors import CopyError, CopyRefused, CopyUnreachable
from sidecar.logger import Logger
from sidecar.runtime.backoff import pause_seconds

ATTEMPTS: Final = 6  # in a row that read no byte
FIRST_SECONDS = 0.5
MOST_SECONDS: Final = 16.0

log = Logger(__name__)


def whole(place: Remote, name: str, size: int, sleep: Callable[[float], None] = time.sleep) -> Iterator[bytes]:
    """Yield the content. It is shorter than `size` if the object itself is: the caller has to check that.

    Raises CopyError and its kinds, BackupNotFound.
    """
    at, failures = 0, 0
    while True:
        begun = at
        try:
            for block in place.read(name, at):
                at += len(block)
                yield block
            if at >= size or at == begun:
                return
            error: CopyError = CopyUnreachable(f"{name} ended after {at} of {size} bytes")
        except CopyRefused:
            raise
        except CopyError as broken:
            error = broken
        failures = failures + 1 if at == begun else 1
        if failures == ATTEMPTS:
            raise error
        log.warning("copy.read_resumed", where=place.where, name=name, at_bytes=at, error=str(error))
        sleep(pause_seconds(failures, FIRST_SECONDS, MOST_SECONDS))
