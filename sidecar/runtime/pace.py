"""Limit the average rate of reading or sending by a pause after each step."""

import time
from collections.abc import Callable

from sidecar.events import Listener, Progressed
from sidecar.model import MB


class Pace:
    """Computes the pauses that keep the average at or below a limit in MB per second; None means no limit."""

    def __init__(self, mb_per_second: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds_per_byte = 1 / (mb_per_second * MB) if mb_per_second else 0.0
        self._clock = clock
        self._began = clock()
        self._bytes = 0

    def pause_seconds(self, size_bytes: int) -> float:
        """Return the pause that is due after so many further bytes; 0 if the work is behind the limit."""
        self._bytes += size_bytes
        due = self._bytes * self._seconds_per_byte - (self._clock() - self._began)
        return max(due, 0.0) if self._seconds_per_byte else 0.0


def paced(listener: Listener, pace: Pace, sleep: Callable[[float], None] = time.sleep) -> Listener:
    """Return a listener that also makes the work wait after each step, as `pace` says. The work must run in a thread."""
    last: tuple[tuple[str, str], int] = (("", ""), 0)

    def listen(progress: Progressed) -> None:
        nonlocal last
        step, size = (progress.action, progress.collection), progress.read_bytes or progress.bson_bytes
        before = last[1] if last[0] == step and last[1] <= size else 0
        last = (step, size)
        listener(progress)
        sleep(pace.pause_seconds(size - before))

    return listen
