"""A clock that only goes where a test sends it."""

import asyncio
from datetime import UTC, datetime, timedelta


class FakeClock:
    """`sleep` returns at once and time has passed; `set_to` moves the wall clock alone, as people do."""

    def __init__(self, now: str) -> None:
        self._now = datetime.fromisoformat(now).astimezone(UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        self.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0)

    def advance(self, by: timedelta) -> None:
        self._now += by
        self._monotonic += by.total_seconds()

    def set_to(self, now: datetime) -> None:
        self._now = now
