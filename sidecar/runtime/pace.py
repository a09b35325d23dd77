"""Gentle reading: an average rate in bytes per second that is kept by pausing after each piece."""

import time
from collections.abc import Callable

from sidecar.events import Listener, Progressed
from sidecar.model import MB


class Pace:
    """How long to pause so that the average stays at or below a limit in MB per second; None is no limit."""

    def __init__(self, mb_per_second: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds_per_byte = 1 / (mb_per_second * MB) if mb_per_second else 0.0
        self._clock = clock
        self._began = clock()
        self._bytes = 0

    def pause_seconds(self, size_bytes: int) -> float:
        """The pause that is due after so many further bytes; 0 if there is time to make up for."""
        self._bytes += size_bytes
        due = self._bytes * self._seconds_per_byte - (self._clock() - self._began)
        return max(due, 0.0) if self._seconds_per_byte else 0.0


def paced(listener: Listener, pace: Pace, sleep: Callable[[float], None] = time.sleep) -> Listener:
    """A listener for work in a thread that makes it wait as long as `pace` says after each step that it announces."""
    last: tuple[tuple[str, str], int] = (("", ""), 0)

    def listen(progress: Progressed) -> None:
        nonlocal last
        step, size = (progress.action, progress.collection), progress.read_bytes or progress.bson_bytes
        before = last[1] if last[0] == step and last[1] <= size else 0
        last = (step, size)
        listener(progress)
        sleep(pace.pause_seconds(size - before))

    return listen
