"""The database: list definitions and read documents as raw BSON, and run commands.

Only this module uses Motor, which is past its end of life, so that a move to PyMongo's own asyncio client changes this file only.
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
PERSISTENCE = 2  # how many times a read is tried again after the server was unavailable
LOOK_AGAIN_SECONDS = 0.5
PATIENCE = 30  # the limit for slow commands, as a multiple of the stall limit: an index build answers only at its end

T = TypeVar("T")

log = Logger(__name__)


class Database:
    """One database of one deployment. An answer that takes longer than `stall_seconds` raises SourceStalled."""

    def __init__(
        self,
        url: str,
        name: str,
        *,
        stall_seconds: float,
        max_read_mb_s: float | None = None,
        workspace: Path | None = None,  # the directory for temporary files of a read; None: the system's
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
        if "appname=" not in url.lower():  # the server's log then shows which connections are ours
            options["appname"] = "mongodb-backup-sidecar"
        if "serverselectiontimeoutms" not in url.lower():  # the driver's default of 30 s is long for a person who waits
            options["serverSelectionTimeoutMS"] = SERVER_SELECTION_SECONDS * 1000
        return AsyncIOMotorClient(url, event_listeners=[self._reading.cluster_times], **options)

    def of(self, name: str) -> "Database":
        """Return another database of the same deployment, which shares the connections."""
        other = copy.copy(self)
        other.name = name
        return other

    def close(self) -> None:
        # Twice: the driver first ends its sessions, and if that fails the connections stay open until the second call.
        for client in (self._client, self._patient) * 2:
            try:
                client.close()
            except Exception as error:  # noqa: BLE001 - a malformed reply makes the driver raise anything
                log.debug("mongodb.not_closed", error=type(error).__name__)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def ping(self, within_seconds: float) -> None:
        """Raises SourceError if no server answers in time."""
        await self.command({"ping": 1}, within_seconds=within_seconds)

    async def time(self, within_seconds: float) -> datetime | None:
        """The time on the server's clock; None if it does not answer in time or its reply has no time."""
        try:
            found = (await self.command({"hello": 1}, within_seconds=within_seconds)).get("localTime")
        except SourceError:
            return None
        return found.replace(tzinfo=found.tzinfo or UTC) if isinstance(found, datetime) else None

    def is_new(self, remark: str) -> bool:
        """Whether this remark was not made before about the server. The next call with the same remark returns False."""
        is_new = remark not in self._said
        self._said.add(remark)
        return is_new

    async def until_available(self) -> None:
        """Wait until a server answers again, for example after a primary stepped down.

        Raises SourceUnavailable if none answers within the stall limit.
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
        """Return what `read` returns. If the server is unavailable, wait for it and try again. Raises the errors of `read`."""
        for _ in range(PERSISTENCE):
            with suppress(SourceUnavailable):  # the last try, below, raises it
                return await read()
            await self.until_available()
        return await read()

    async def server_version(self) -> str:
        """The version that buildInfo reports. Raises SourceError, for example SourceUnavailable if no server answers."""
        return (await self.command({"buildInfo": 1})).part("version", str)

    async def sharded(self, database: str, names: Iterable[str]) -> list[str]:
        """Return those of the collections that are sharded. Raises SourceError."""
        hello = await self.command({"hello": 1})
        if hello.get("msg") != "isdbgrid":
            return []
        return [name for name in names if await self._is_sharded(f"{database}.{name}")]

    async def _is_sharded(self, namespace: str) -> bool:
        find = {"find": "collections", "filter": {"_id": namespace}, "limit": 1, "singleBatch": True}
        return bool((await self.command(find, database="config")).documents("cursor.firstBatch"))

    async def collections(self, database: str | None = None) -> listing.Listing:
        """List all collections and views except `system.*`, without their indexes, ordered by name. Raises SourceError.

        `database` names another database of the deployment.
        """
        handle = self._client[database or self.name]
        with translated("listing the collections"):
            return listing.collections(handle, await listing.rows(handle, {"listCollections": 1, "cursor": {}}))

    async def with_indexes(self, item: Collection, database: str | None = None) -> Collection:
        """Return the collection with its raw indexes. Raises CollectionsChanged if it does not exist any more, SourceError."""
        if not item.holds_documents:
            return item
        with translated(f"listing the indexes of {item.name}", missing=CollectionsChanged):
            handle = self._client[database or self.name]
            return replace(item, indexes=tuple(await listing.rows(handle, {"listIndexes": item.name, "cursor": {}})))

    async def holds_documents(self, item: Collection) -> bool:
        """Whether the collection holds any document; False for a view. Raises SourceError."""
        if not item.holds_documents:
            return False
        reply = await self.command({"find": item.name, "projection": {"_id": 1}, "limit": 1, "singleBatch": True})
        return bool(reply.documents("cursor.firstBatch"))

    async def document(self, item: Collection, identity: bytes, database: str | None = None) -> bytes | None:
        """The document with this `_id` (as for `by_id`) as BSON; None if there is none. Raises SourceError."""
        with translated(f"looking for a document of {item.name}"):
            cursor = self._client[database or self.name][item.name].find_raw_batches(by_id(identity), limit=1)
            try:
                batch = await next_of(cursor)
                return None if batch is None else bytes(batch)
            finally:
                await close(cursor)

    async def data_bytes(self, names: Iterable[str]) -> int:
        """The size of these collections in BSON bytes by the server's statistics. One without statistics counts as 0."""
        return sum([(await statistics(self._client[self.name], name)).get("size", 0) for name in names])

    @asynccontextmanager
    async def reader(self, *, snapshot: bool, database: str | None = None) -> AsyncIterator["Reader"]:
        """Open a reader: with `snapshot` it reads all collections at one cluster time, else each as its cursor finds it."""
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
        """Run one command and return its reply. The caller must check for write errors inside a reply that is `ok`.

        Raises SourceError, or `otherwise` if the server refused the command. `is_slow` allows more time for the answer;
        `within_seconds` limits the whole call, including the search for a server.
        """
        client, action = self._patient if is_slow else self._client, _named(command)
        if within_seconds is None:
            with translated(action, otherwise):
                return ServerReply(action, await client[database or self.name].command(dict(command)))
        limit = f"{within_seconds:g} s"
        try:
            # The driver's own limit frees its thread and connection. The outer limit also holds while all its threads are busy.
            async with asyncio.timeout(within_seconds):
                with translated(action, otherwise, limit=limit), pymongo.timeout(within_seconds):
                    return ServerReply(action, await client[database or self.name].command(dict(command)))
        except TimeoutError:
            raise SourceStalled(f"{action}: no answer within {limit}") from None


def by_id(identity: bytes) -> RawBSONDocument:
    """The query for the document with this `_id`, given as its BSON type byte and the bytes of its value."""
    return RawBSONDocument(joined([Element(identity[0], b"_id", identity[1:])]))


def _named(command: Mapping[str, Any]) -> str:
    """A description of a command for messages: its name and its collection."""
    name, target = next(iter(command.items()))
    return f"running {name} on {target}" if isinstance(target, str) else f"running {name}"
