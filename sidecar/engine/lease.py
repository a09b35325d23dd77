"""One owner at a time for a piece of work on a database, across machines that share nothing else.

A document in the database itself: inserting it takes the lease, since `_id` is unique; a heartbeat keeps it. Whoever waits
watches the heartbeat by a clock of its own, so clocks need not agree, and takes over with a compare-and-set when it has
stood still for long enough. Only `insert`, `update`, `delete` and `find` are needed, and rights on this database alone.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from sidecar.engine.source import LEASES, Database
from sidecar.errors import LeaseLost, SourceError

DUPLICATE_KEY = 11000
WRITE_CONCERN = {"w": "majority"}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """How often the owner says that it lives, and how long it may be silent before another takes over."""

    beat_seconds: float = 2.0
    silence_seconds: float = 20.0


@dataclass(slots=True)
class Lease:
    """Held inside `hold`. `require` says whether it still is."""

    database: Database
    name: str
    timing: Timing = Timing()
    _owner: str = field(default_factory=lambda: uuid.uuid4().hex)
    _beats: int = 0

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Wait until the lease is ours and keep it. Raises SourceError."""
        await self._take()
        beating = asyncio.create_task(self._keep_beating(), name=f"lease {self.name}")
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.wait({beating})
            with suppress(SourceError):  # it lapses by itself
                await self._write("delete", deletes=[{"q": self._mine, "limit": 1}])

    async def require(self) -> None:
        """Raises LeaseLost where somebody else took over because we were silent for too long."""
        if not await self._beat():
            raise LeaseLost(f"the lease {self.name} was taken over: this process was silent for too long")

    @property
    def _mine(self) -> dict[str, Any]:
        return {"_id": self.name, "owner": self._owner}

    async def _take(self) -> None:
        seen, silent_since = None, self._now()
        while not await self._insert():
            held = await self._held()
            if held != seen:
                seen, silent_since = held, self._now()
            elif held and self._now() - silent_since > self.timing.silence_seconds and await self._replace(held):
                log.warning("lease.taken_over", lease=self.name, silent_seconds=self.timing.silence_seconds)
                return
            await asyncio.sleep(self.timing.beat_seconds)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _insert(self) -> bool:
        reply = await self._write("insert", documents=[self._mine | {"beats": self._beats}])
        errors = reply.get("writeErrors", [])
        if errors and errors[0].get("code") != DUPLICATE_KEY:
            raise SourceError(f"taking the lease {self.name}: {errors[0].get('errmsg')}")
        return not errors

    async def _held(self) -> tuple[str, int] | None:
        find = {"find": LEASES, "filter": {"_id": self.name}, "limit": 1}
        rows = (await self.database.command(find))["cursor"]["firstBatch"]
        return (str(rows[0]["owner"]), int(rows[0]["beats"])) if rows else None

    async def _replace(self, held: tuple[str, int]) -> bool:
        owner, beats = held
        return await self._update({"_id": self.name, "owner": owner, "beats": beats}, {"owner": self._owner})

    async def _beat(self) -> bool:
        self._beats += 1
        return await self._update(self._mine, {"beats": self._beats})

    async def _update(self, query: dict[str, Any], values: dict[str, Any]) -> bool:
        reply = await self._write("update", updates=[{"q": query, "u": {"$set": values}}])
        return bool(reply["n"])

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(self.timing.beat_seconds)
            with suppress(SourceError):  # `require` tells whether it mattered
                await self._beat()

    async def _write(self, command: str, **what: Any) -> dict[str, Any]:
        return await self.database.command({command: LEASES, **what, "writeConcern": WRITE_CONCERN})
