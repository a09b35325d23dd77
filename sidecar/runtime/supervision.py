"""Tasks that run as long as the process: a task that dies is logged and started again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from sidecar.logger import Logger
from sidecar.runtime.clock import Clock

PAUSE_SECONDS = 5.0  # before a restart; long enough for a scrape to see it

log = Logger(__name__)


class Supervised:
    """Runs `work` again whenever it ends. If it has not called `beat` for `silence_seconds`, it counts as not running."""

    def __init__(
        self, name: str, work: Callable[["Supervised"], Awaitable[None]], clock: Clock, silence_seconds: float
    ) -> None:
        self.name = name
        self.restarts = 0
        self.error: str | None = None  # why it is not running
        self._work = work
        self._clock = clock
        self._silence_seconds = silence_seconds
        self._beaten_at: float | None = None

    @property
    def is_running(self) -> bool:
        """Whether the work has called `beat` lately."""
        return self._beaten_at is not None and self._clock.monotonic() - self._beaten_at < self._silence_seconds

    def beat(self) -> None:
        """Tell that the work goes on; the work calls this in each round."""
        self._beaten_at = self._clock.monotonic()
        self.error = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Supervised"]:
        """Run the work inside the `with` block."""
        task = asyncio.create_task(self._keep_running(), name=self.name)
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self._beaten_at = None

    async def _keep_running(self) -> None:
        while True:
            try:
                await self._work(self)
                self.error = "it ended"
            except Exception as error:  # the task must go on, whatever went wrong
                self.error = f"{type(error).__name__}: {error}"
                log.exception("task.died", task=self.name)
            self._beaten_at = None
            self.restarts += 1
            await self._clock.sleep(PAUSE_SECONDS)
