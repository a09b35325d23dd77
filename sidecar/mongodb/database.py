"""The database: raw definitions, raw batches of documents, and raw commands on the way back.

The only module that knows Motor, which is past its end of life: moving to PyMongo's own asyncio client must stay a change
to this file.
"""

import asyncio
import copy
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import pymongo
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClient

from sidecar.archive.bson import Element
from sidecar.archive.definition import joined
from sidecar.errors import (
    CollectionsChanged,
    SourceError,
    SourceStalled,
    SourceUnavailable,
)
from sidecar.logger import Logger
from sidecar.model import Collection
from sidecar.mongodb import listing
from sidecar.mongodb.driver_errors import translated
from sidecar.mongodb.reader import ClusterTimes, Reader, SharedReading, close, next_of, statistics
from sidecar.mongodb.replies import ServerReply

SERVER_SELECTION_SECONDS = 5
PERSISTENCE = 2  # so many times a read is tried again after the server was away
LOOK_AGAIN_SECONDS = 0.5
PATIENCE = 30  # an index build or a full count answers once, at its end: so many times the stall limit

T = TypeVar("T")

log = Logger(__name__)


class Database:
    """One database of one deployment. An answer that takes longer than `stall_seconds` is an error that names the limit."""

    def __init__(
        self,
        url: str,
        name: str,
        *,
        stall_seconds: float,
        max_read_mb_s: float | None = None,
        workspace: Path | None = None,  # where a read may keep a nameless file; None: the system's own place
    ) -> None:
        self.name = name
        self._stall_seconds = stall_seconds
        self._said: set[str] = set()
        self._reading = SharedReading(ClusterTimes(), self.until_available, max_read_mb_s, workspace)
        with translated("connecting to MongoDB"):
            self._client = self._connect(url, stall_seconds)
            self._patient = self._connect(url, stall_seconds * PATIENCE)

    def _connect(self, url: str, answer_within_seconds: float) -> Any:
        options: dict[str, Any] = {"socketTimeoutMS": int(answer_within_seconds * 1000)}
        if "appname=" not in url.lower():  # what tells our connections from others in the server's log
            options["appname"] = "mongodb-backup-sidecar"
        if (
            "serverselectiontimeoutms" not in url.lower()
        ):  # the driver's own default of 30 s is long for a person who waits
            options["serverSelectionTimeoutMS"] = SERVER_SELECTION_SECONDS * 1000
        return AsyncIOMotorClient(url, event_listeners=[self._reading.cluster_times], **options)

    def of(self, name: str) -> "Database":
        """Another database of the same deployment, over the same connections."""
        other = copy.copy(self)
        other.name = name
        return other

    def close(self) -> None:
        # It first says good-bye to its sessions, which only the first time can fail.
        for client in (self._client, self._patient) * 2:
            try:
                client.close()
            except Exception as error:  # noqa: BLE001 - the driver takes the answer at its word
                log.debug("mongodb.not_closed", error=type(error).__name__)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def ping(self, within_seconds: float) -> None:
        """Raises SourceError where no server answers in time."""
        await self.command({"ping": 1}, within_seconds=within_seconds)

    async def time(self, within_seconds: float) -> datetime | None:
        """What the server's clock says; None where it does not say so in time."""
        try:
            found = (await self.command({"hello": 1}, within_seconds=within_seconds)).get("localTime")
        except SourceError:
            return None
        return found.replace(tzinfo=found.tzinfo or UTC) if isinstance(found, datetime) else None

    def is_new(self, remark: str) -> bool:
        """Whether this has not been said of the server before; from now on it has."""
        is_new = remark not in self._said
        self._said.add(remark)
        return is_new

    async def until_available(self) -> None:
        """Wait for a server that was there before and went away, as a primary does that steps down.

        Raises SourceUnavailable where none answers within the stall limit.
        """
        give_up_at = time.monotonic() + self._stall_seconds
        while True:
            try:
                with translated("waiting for MongoDB to come back"):
                    await self._client.admin.command("ping", read_preference=self._client.read_preference)
                    return
            except SourceUnavailable:
                if time.monotonic() > give_up_at:
                    raise
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def persist(self, read: Callable[[], Awaitable[T]]) -> T:
        """What `read` returns, tried again once the server is back where it went away. Raises what `read` raises."""
        for _ in range(PERSISTENCE):
            with suppress(SourceUnavailable):  # the last try says what it is
                return await read()
            await self.until_available()
        return await read()

    async def server_version(self) -> str:
        """The version that buildInfo reports. Raises SourceUnavailable where no server answers."""
        return (await self.command({"buildInfo": 1})).part("version", str)

    async def sharded(self, database: str, names: Iterable[str]) -> list[str]:
        """Which of these collections are spread over the shards of a cluster. Raises SourceError."""
        hello = await self.command({"hello": 1})
        if hello.get("msg") != "isdbgrid":
            return []
        return [name for name in names if await self._is_sharded(f"{database}.{name}")]

    async def _is_sharded(self, namespace: str) -> bool:
        find = {"find": "collections", "filter": {"_id": namespace}, "limit": 1, "singleBatch": True}
        return bool((await self.command(find, database="config")).documents("cursor.firstBatch"))

    async def collections(self, database: str | None = None) -> listing.Listing:
        """Everything but `system.*` and without indexes, by name in order; of another database if one is named."""
        handle = self._client[database or self.name]
        with translated("listing the collections"):
            return listing.collections(handle, await listing.rows(handle, {"listCollections": 1, "cursor": {}}))

    async def with_indexes(self, item: Collection, database: str | None = None) -> Collection:
        """The same collection with its raw indexes. Raises CollectionsChanged where it is gone by now."""
        if not item.holds_documents:
            return item
        with translated(f"listing the indexes of {item.name}", missing=CollectionsChanged):
            handle = self._client[database or self.name]
            return replace(item, indexes=tuple(await listing.rows(handle, {"listIndexes": item.name, "cursor": {}})))

    async def holds_documents(self, item: Collection) -> bool:
        """Whether there is any document in it. A view has none of its own."""
        if not item.holds_documents:
            return False
        reply = await self.command({"find": item.name, "projection": {"_id": 1}, "limit": 1, "singleBatch": True})
        return bool(reply.documents("cursor.firstBatch"))

    async def document(self, item: Collection, identity: bytes, database: str | None = None) -> bytes | None:
        """The document with this `_id`, given as for `by_id`. Raises SourceError."""
        with translated(f"looking for a document of {item.name}"):
            cursor = self._client[database or self.name][item.name].find_raw_batches(by_id(identity), limit=1)
            try:
                batch = await next_of(cursor)
                return None if batch is None else bytes(batch)
            finally:
                await close(cursor)

    async def data_bytes(self, names: Iterable[str]) -> int:
        """BSON bytes that the server says these collections hold; a collection it cannot say it of counts as 0."""
        return sum([(await statistics(self._client[self.name], name)).get("size", 0) for name in names])

    @asynccontextmanager
    async def reader(self, *, snapshot: bool, database: str | None = None) -> AsyncIterator["Reader"]:
        """Reads collections: all of them at one cluster time, or with `snapshot=False` each as its cursor finds it."""
        handle, count_handle = self._client[database or self.name], self._patient[database or self.name]
        if not snapshot:
            yield Reader(handle, count_handle, None, self._reading)
            return
        with translated("starting a snapshot session"):
            session = await self._client.start_session(snapshot=True)
        async with session:
            yield Reader(handle, handle, session, self._reading)

    async def command(
        self,
        command: Mapping[str, Any],
        *,
        database: str | None = None,
        is_slow: bool = False,
        within_seconds: float | None = None,
        otherwise: type[SourceError] = SourceError,
    ) -> ServerReply:
        """Run one command and return its reply. Write errors inside an `ok` reply are the caller's.

        Raises SourceError, as `otherwise` where the server refused the command. `is_slow` waits longer for the answer,
        `within_seconds` for so long in all, also for a server to be found.
        """
        client, action = self._patient if is_slow else self._client, _named(command)
        if within_seconds is None:
            with translated(action, otherwise):
                return ServerReply(action, await client[database or self.name].command(dict(command)))
        limit = f"{within_seconds:g} s"
        try:
            # The driver's own limit frees its thread and connection; ours holds also while all its threads are taken.
            async with asyncio.timeout(within_seconds):
                with translated(action, otherwise, limit=limit), pymongo.timeout(within_seconds):
                    return ServerReply(action, await client[database or self.name].command(dict(command)))
        except TimeoutError:
            raise SourceStalled(f"{action}: no answer within {limit}") from None


def by_id(identity: bytes) -> RawBSONDocument:
    """A query for the document with this `_id`, of which the type and the value are given as bytes."""
    return RawBSONDocument(joined([Element(identity[0], b"_id", identity[1:])]))


def _named(command: Mapping[str, Any]) -> str:
    """What a command does, and to which collection."""
    name, target = next(iter(command.items()))
    return f"running {name} on {target}" if isinstance(target, str) else f"running {name}"
