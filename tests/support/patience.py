"""How long a test waits for a fact: until it is there. The limit is for what never comes, so a busy machine may take its time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

PATIENCE_SECONDS: Final = 120
_POLL_SECONDS: Final = 0.02

T = TypeVar("T")


def wait_for(claim: Callable[[], T], said: Callable[[], object] = lambda: "it never happened") -> T:
    """Poll until the claim holds, and return what it said; `said` is what fails the test where it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := claim()):
        assert time.monotonic() < deadline, said()
        time.sleep(_POLL_SECONDS)
    return answer


@contextmanager
def lateness() -> Iterator[Callable[[], float]]:
    """Tells by how many seconds a thread that only sleeps was late at most: what no program on this machine can be blamed for."""
    longest, over = 0.0, threading.Event()

    def sleep() -> None:
        nonlocal longest
        before = time.monotonic()
        while not over.wait(_POLL_SECONDS):
            now = time.monotonic()
            longest, before = max(longest, now - before - _POLL_SECONDS), now

    thread = threading.Thread(target=sleep)
    thread.start()
    try:
        yield lambda: longest
    finally:
        over.set()
        thread.join()
