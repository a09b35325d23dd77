"""The database: raw definitions, raw batches of documents, and raw commands on the way back.

The only module that knows Motor, which is past its end of life: moving to PyMongo's own asyncio client must stay a change
to this file.
"""

import asyncio
import copy
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Self

import pymongo
from bson.timestamp import Timestamp
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import monitoring
from pymongo.errors import PyMongoError

from sidecar.errors import CollectionsChanged, CursorFailed, SnapshotUnavailable, SourceError, SourceStalled
from sidecar.model import Collection, CollectionKind
from sidecar.mongodb import listing
from sidecar.mongodb.driver_errors import translated
from sidecar.runtime.pace import Pace

BATCH_BYTES = 2 << 20  # batches of 1-4 MB cost half the CPU of the server's own 16 MB ones
SERVER_SELECTION_SECONDS = 5
PATIENCE = 30  # an index build or a full count answers once, at its end: so many times the stall limit

_COUNT = [{"$group": {"_id": 1, "documents": {"$sum": 1}}}]


class Database:
    """One database of one deployment. An answer that takes longer than `stall_seconds` is an error that names the limit."""

    def __init__(self, url: str, name: str, *, stall_seconds: float, max_read_mb_s: float | None = None) -> None:
        self.name = name
        self._max_read_mb_s = max_read_mb_s
        self._cluster_times = _ClusterTimes()
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
        return AsyncIOMotorClient(url, event_listeners=[self._cluster_times], **options)

    def of(self, name: str) -> "Database":
        """Another database of the same deployment, over the same connections."""
        other = copy.copy(self)
        other.name = name
        return other

    def close(self) -> None:
        self._client.close()
        self._patient.close()

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

    async def server_version(self) -> str:
        """The version that buildInfo reports. Raises SourceUnavailable where no server answers."""
        return str((await self.command({"buildInfo": 1}))["version"])

    async def sharded(self, database: str, names: Iterable[str]) -> list[str]:
        """Which of these collections are spread over the shards of a cluster. Raises SourceError."""
        hello = await self.command({"hello": 1})
        if hello.get("msg") != "isdbgrid":
            return []
        return [name for name in names if await self._is_sharded(f"{database}.{name}")]

    async def _is_sharded(self, namespace: str) -> bool:
        find = {"find": "collections", "filter": {"_id": namespace}, "limit": 1, "singleBatch": True}
        return bool((await self.command(find, database="config"))["cursor"]["firstBatch"])

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
        return bool(reply["cursor"]["firstBatch"])

    async def data_bytes(self, names: Iterable[str]) -> int:
        """BSON bytes that the server says these collections hold; a collection it cannot say it of counts as 0."""
        return sum([(await _statistics(self._client[self.name], name)).get("size", 0) for name in names])

    @asynccontextmanager
    async def reader(self, *, snapshot: bool, database: str | None = None) -> AsyncIterator["Reader"]:
        """Reads collections: all of them at one cluster time, or with `snapshot=False` each as its cursor finds it."""
        handle, count_handle = self._client[database or self.name], self._patient[database or self.name]
        if not snapshot:
            yield Reader(handle, count_handle, None, self._cluster_times, self._max_read_mb_s)
            return
        with translated("starting a snapshot session"):
            session = await self._client.start_session(snapshot=True)
        async with session:
            yield Reader(handle, handle, session, self._cluster_times, self._max_read_mb_s)

    async def command(
        self,
        command: Mapping[str, Any],
        *,
        database: str | None = None,
        is_slow: bool = False,
        within_seconds: float | None = None,
        otherwise: type[SourceError] = SourceError,
    ) -> dict[str, Any]:
        """Run one command and return its reply. Write errors inside an `ok` reply are the caller's.

        Raises SourceError, as `otherwise` where the server refused the command. `is_slow` waits longer for the answer,
        `within_seconds` for so long in all, also for a server to be found.
        """
        client, action = self._patient if is_slow else self._client, f"running {next(iter(command))}"
        if within_seconds is None:
            with translated(action, otherwise):
                return dict(await client[database or self.name].command(dict(command)))
        limit = f"{within_seconds:g} s"
        try:
            # The driver's own limit frees its thread and connection; ours holds also while all its threads are taken.
            async with asyncio.timeout(within_seconds):
                with translated(action, otherwise, limit=limit), pymongo.timeout(within_seconds):
                    return dict(await client[database or self.name].command(dict(command)))
        except TimeoutError:
            raise SourceStalled(f"{action}: no answer within {limit}") from None


class Reader:
    """Reads collections through one session. `cluster_time` is what the server said it read at, None until it did."""

    def __init__(
        self, handle: Any, count_handle: Any, session: Any, cluster_times: "_ClusterTimes", max_read_mb_s: float | None
    ) -> None:
        self._handle = handle
        self._count_handle = count_handle
        self._session = session
        self._cluster_times = cluster_times
        self._max_read_mb_s = max_read_mb_s
        self.cluster_time: Timestamp | None = None

    @property
    def is_snapshot(self) -> bool:
        return self._session is not None

    async def batches(self, item: Collection, *, by_id: bool = False) -> AsyncGenerator[bytes, None]:
        """The collection's documents as concatenated BSON, a few MB at a time; `by_id` reads them in the order of `_id`.

        Raises CursorFailed for whatever breaks: what came before is then worthless. SnapshotTooOld, SnapshotUnavailable,
        SourceStalled and SourceUnavailable say what they mean.
        """
        pace = Pace(self._max_read_mb_s)
        comment = f"backup of {item.name}, read {uuid.uuid4().hex}"
        cursor = await self._find(item, comment, by_id=by_id)
        try:
            batch = await self._next_batch(cursor, item.name)
            self._believe(self._cluster_times.take(comment))
            while batch is not None:
                yield batch
                await asyncio.sleep(pace.pause_seconds(len(batch)))
                batch = await self._next_batch(cursor, item.name)
        finally:
            # Also after a failure: a cursor that failed once ends "normally" if it is asked again.
            await cursor.close()

    async def _find(self, item: Collection, comment: str, *, by_id: bool) -> Any:
        average = (await _statistics(self._handle, item.name)).get("avgObjSize") or 1024
        options: dict[str, Any] = {"batch_size": max(1, BATCH_BYTES // int(average)), "comment": comment}
        if item.kind is CollectionKind.COLLECTION:
            options |= {"sort": [("_id", 1)], "hint": [("_id", 1)]} if by_id else {"hint": [("$natural", 1)]}
        return self._handle[item.name].find_raw_batches({}, session=self._session, **options)

    async def _next_batch(self, cursor: Any, name: str) -> bytes | None:
        with translated(f"reading {name}", CursorFailed, is_snapshot=self.is_snapshot):
            try:
                return bytes(await cursor.next())
            except StopAsyncIteration:
                return None

    def _believe(self, answered_at: Timestamp | None) -> None:
        """Only a reply that carries a cluster time is a snapshot, and only one cluster time is one snapshot."""
        if not self.is_snapshot:
            return
        if answered_at is None:
            raise SnapshotUnavailable("the server accepts snapshot reads but its replies carry no atClusterTime")
        if self.cluster_time not in (None, answered_at):
            raise SnapshotUnavailable(f"the server read at {answered_at}, although asked for {self.cluster_time}")
        self.cluster_time = answered_at

    async def count(self, item: Collection) -> int:
        """The server's own count of the documents, at the reader's cluster time if it has one. Raises SourceError."""
        with translated(f"counting {item.name}", is_snapshot=self.is_snapshot):
            cursor = self._count_handle[item.name].aggregate(_COUNT, session=self._session)
            rows = await cursor.to_list(None)
        return int(rows[0]["documents"]) if rows else 0


class _ClusterTimes(monitoring.CommandListener):
    """What the server's replies to `find` say they were read at: the driver's own session hides a reply that says nothing."""

    def __init__(self) -> None:
        self._asked: dict[int, str] = {}
        self._answered: dict[str, Timestamp | None] = {}

    def take(self, comment: str) -> Timestamp | None:
        return self._answered.pop(comment, None)

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name == "find" and "comment" in event.command:
            self._asked[event.request_id] = event.command["comment"]

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        comment = self._asked.pop(event.request_id, None)
        if comment is not None:
            self._answered[comment] = event.reply["cursor"].get("atClusterTime")

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._asked.pop(event.request_id, None)


async def _statistics(handle: Any, name: str) -> Mapping[str, Any]:
    """What $collStats says, or nothing: a view and some compatible servers have no such thing, and it is only an estimate."""
    try:
        rows = await handle[name].aggregate([{"$collStats": {"storageStats": {}}}]).to_list(None)
    except PyMongoError:
        return {}
    return dict(rows[0].get("storageStats", {})) if rows else {}
