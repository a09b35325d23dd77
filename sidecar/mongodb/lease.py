"""A lease: one owner at a time for work on a database, among machines that share only that database.

The lease is a document in the database. Inserting it takes the lease, because `_id` is unique; a heartbeat counter keeps it. A
process that waits measures with its own clock how long the counter stands still, so clocks need not agree, and then takes over
by a compare-and-set. The owner measures from the moment it sends a heartbeat, with a shorter limit: by its own clock it loses
the lease before another may take it. Each owner gets a new number, the term. Needed are only `find`, `insert` and `update` on
this one collection.
"""

import asyncio
import math
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

from sidecar.errors import LeaseLost, SourceError
from sidecar.logger import Logger
from sidecar.mongodb.database import Database
from sidecar.mongodb.replies import ServerReply, understood
from sidecar.rules.names import LEASES

DUPLICATE_KEY = 11000
WRITE_CONCERN = {"w": "majority"}
MARGIN = 0.25  # the share of the silence by which the owner gives up earlier than others may take over
LEAST_PATIENCE_SECONDS, MOST_PATIENCE_SECONDS = 1.0, 3.0  # a process that is told to stop has ten seconds in all

log = Logger(__name__)


def since_boot() -> float:
    """Seconds on a clock that cannot be set and also counts while the machine sleeps, where the system has one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True, slots=True)
class Timing:
    """How often the owner sends a heartbeat, and after how long a silence another process takes over."""

    beat_seconds: float = 2.0
    silence_seconds: float = 20.0

    @classmethod
    def of(cls, silence_seconds: float) -> Self:
        """The timing with ten heartbeats in this silence, so that a few of them may be lost."""
        return cls(silence_seconds / 10, silence_seconds)

    @property
    def held_seconds(self) -> float:
        """How long a heartbeat keeps the lease, by the owner's own clock."""
        return self.silence_seconds * (1 - MARGIN)

    @property
    def patience_seconds(self) -> float:
        """How long to wait for the server's answer."""
        return min(max(self.silence_seconds / 5, LEAST_PATIENCE_SECONDS), MOST_PATIENCE_SECONDS)


@dataclass(frozen=True, slots=True)
class Holding:
    """The lease's document as it was read. `notes` are values that the owner stores for the next owner."""

    owner: str | None
    term: int
    beats: int
    silence_seconds: float
    notes: Mapping[str, Any]


@dataclass(slots=True)
class Lease:
    """A lease of one process. `hold` waits for it and keeps it; a caller with its own loop uses `attempt` and `renew`."""

    database: Database
    name: str
    timing: Timing = Timing()
    clock: Callable[[], float] = since_boot
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)  # the id of this process
    term: int = 0  # 0 while this process does not own the lease
    seen: Holding | None = None
    _beats: int = 0
    _held_until: float = -math.inf
    _silent_since: float = 0.0

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Wait until this process owns the lease, and keep it during the `async with` block. Raises SourceError."""
        while not await self.attempt():  # noqa: ASYNC110 - another machine gives it up, which cannot signal us
            await asyncio.sleep(self.timing.beat_seconds)
        beating = asyncio.create_task(self._keep_beating(), name=f"lease {self.name}")
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.wait({beating})
            await self.release()

    # -- one step at a time --------------------------------------------------------------------------------------------

    async def attempt(self) -> bool:
        """Read the lease, and take it if it is free. Return whether this process owns it now. Raises SourceError."""
        found = await self._read()
        if found != self.seen:
            self.seen, self._silent_since = found, self.clock()
        if found is not None and not self._is_free(found):
            return False
        sent = self.clock()
        if not await (self._insert() if found is None else self._take_over(found)):
            return False
        if found is not None and found.owner not in (None, self.owner):
            log.warning("lease.taken_over", lease=self.name, silent_seconds=round(sent - self._silent_since, 3))
        self.term, self._beats = (found.term + 1, found.beats + 1) if found else (1, 0)
        self._held_until = sent + self.timing.held_seconds
        return True

    async def renew(self, notes: Mapping[str, Any] | None = None) -> None:
        """Send a heartbeat, with notes for the next owner.

        Raises LeaseLost if another process owns the lease, SourceError if that could not be found out.
        """
        term, sent = self.term, self.clock()
        self._beats += 1
        values = {"beats": self._beats} | ({"notes": dict(notes)} if notes is not None else {})
        if not await self._update(self._mine(term), values):
            if term == self.term:
                self.drop()
            raise LeaseLost(f"the lease {self.name} was taken over or removed: this process was silent for too long")
        if term == self.term:
            self._held_until = max(self._held_until, sent + self.timing.held_seconds)

    async def require(self, term: int | None = None) -> None:
        """Renew the lease, then check it by the clock. `term`: it must be of this term. Raises LeaseLost, SourceError."""
        self._require_term(term)
        await self.renew()
        self.check(term)

    def check(self, term: int | None = None) -> None:
        """Check by the clock alone that this process owns the lease. Raises LeaseLost."""
        self._require_term(term)
        if not self.is_held:
            raise LeaseLost(f"the lease {self.name} ran out: it could not be renewed in time")

    @property
    def is_held(self) -> bool:
        """Whether this process certainly owns the lease, by its own clock."""
        return self.clock() < self._held_until

    @property
    def remaining_seconds(self) -> float:
        """How long this process owns the lease if it is not renewed."""
        return max(self._held_until - self.clock(), 0.0)

    def drop(self) -> None:
        """Treat the lease as lost, without freeing it for others: the protected work may take a moment to end."""
        self.term, self._held_until = 0, -math.inf

    async def release(self) -> None:
        """Free the lease for others at once. If the server cannot be reached, it runs out by itself."""
        term = self.term
        self.drop()
        if term:
            with suppress(SourceError):
                await self._update(self._mine(term), {"owner": None})

    def _require_term(self, term: int | None) -> None:
        if not self.term or term not in (None, self.term):
            raise LeaseLost(f"the lease {self.name} is not this process's any more")

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(self.timing.beat_seconds)
            with suppress(SourceError):  # `require` finds out if the lease was lost
                await self.renew()

    def _is_free(self, found: Holding) -> bool:
        if found.owner in (None, self.owner):  # released, or taken by us in a write whose answer was lost
            return True
        silent_seconds = self.clock() - self._silent_since
        return silent_seconds > max(found.silence_seconds, self.timing.silence_seconds)

    # -- the document --------------------------------------------------------------------------------------------------

    def _mine(self, term: int) -> dict[str, Any]:
        return {"_id": self.name, "owner": self.owner, "term": term}

    async def _read(self) -> Holding | None:
        find = {"find": LEASES, "filter": {"_id": self.name}, "limit": 1}
        rows = (await self._run(find)).documents("cursor.firstBatch")
        return self._understood(rows[0]) if rows else None

    def _understood(self, row: Mapping[str, Any]) -> Holding:
        with understood(f"reading the lease {self.name}"):
            silence = float(row.get("silence_seconds", self.timing.silence_seconds))
            return Holding(
                row["owner"], int(row.get("term", 0)), int(row["beats"]), silence, dict(row.get("notes", {}))
            )

    async def _insert(self) -> bool:
        document = self._mine(1) | {"beats": 0, "silence_seconds": self.timing.silence_seconds}
        reply = await self._run({"insert": LEASES, "documents": [document], "writeConcern": WRITE_CONCERN})
        errors = reply.documents("writeErrors") if "writeErrors" in reply else []
        if errors and errors[0].get("code") != DUPLICATE_KEY:
            raise SourceError(f"taking the lease {self.name}: {errors[0].get('errmsg')}")
        return not errors

    async def _take_over(self, found: Holding) -> bool:
        unchanged = {"_id": self.name, "owner": found.owner, "beats": found.beats}
        ours = {"owner": self.owner, "term": found.term + 1, "beats": found.beats + 1}
        return await self._update(unchanged, ours | {"silence_seconds": self.timing.silence_seconds})

    async def _update(self, query: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
        update = {"q": query, "u": {"$set": values}}
        reply = await self._run({"update": LEASES, "updates": [update], "writeConcern": WRITE_CONCERN})
        return bool(reply.count("n"))

    async def _run(self, command: Mapping[str, Any]) -> ServerReply:
        """Run a command. Raises SourceError, also for a write that was not acknowledged by a majority."""
        reply = await self.database.command(command, within_seconds=self.timing.patience_seconds)
        if (doubt := reply.get("writeConcernError")) is not None:
            raise SourceError(f"the lease {self.name}: {doubt}")
        return reply
