"""One cursor after the other: raw batches of documents, and the server's own counts.

Whoever reads documents goes by `reading.read_collection`, which holds what a cursor gives against what the server counts.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bson.timestamp import Timestamp
from pymongo import monitoring
from pymongo.errors import ConnectionFailure, PyMongoError

from sidecar.errors import CursorFailed, SnapshotUnavailable, SourceError
from sidecar.logger import Logger
from sidecar.model import Collection, CollectionKind
from sidecar.mongodb.driver_errors import translated
from sidecar.mongodb.raw_replies import leave_documents_closed
from sidecar.runtime.pace import Pace

BATCH_BYTES = 2 << 20  # batches of 1-4 MB cost half the CPU of the server's own 16 MB ones

_MOST_COUNTS, _MOST_SHARDS = 2, 10_000  # rows that are taken of a reply
_MOST_EMPTY_REPLIES = 100  # one after the other
_LARGEST = 1 << 60

log = Logger(__name__)

_COUNT = [{"$group": {"_id": 1, "documents": {"$sum": 1}}}]


class ClusterTimes(monitoring.CommandListener):
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
            cursor = event.reply.get("cursor")
            said = cursor.get("atClusterTime") if isinstance(cursor, Mapping) else None
            self._answered[comment] = said if isinstance(said, Timestamp) else None

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._asked.pop(event.request_id, None)


@dataclass(frozen=True, slots=True)
class SharedReading:
    """What all readers of a deployment share."""

    cluster_times: ClusterTimes
    until_available: Callable[[], Awaitable[None]]
    max_read_mb_s: float | None
    workspace: Path | None  # where a nameless file may lie; None: the system's own place


class Reader:
    """Reads collections through one session. `cluster_time` is what the server said it read at, None until it did."""

    def __init__(self, handle: Any, count_handle: Any, session: Any, reading: SharedReading) -> None:
        self.reading = reading
        self._handle = handle
        self._count_handle = count_handle
        self._session = session
        self.cluster_time: Timestamp | None = None

    @property
    def is_snapshot(self) -> bool:
        return self._session is not None

    async def batches(self, item: Collection, *, by_id: bool = False) -> AsyncGenerator[bytes, None]:
        """The collection's documents as concatenated BSON, a few MB at a time; `by_id` reads them in the order of `_id`.

        Raises CursorFailed for whatever breaks: what came before is then worthless. SnapshotTooOld, SnapshotUnavailable,
        SourceStalled and SourceUnavailable say what they mean.
        """
        pace = Pace(self.reading.max_read_mb_s)
        comment = f"backup of {item.name}, read {uuid.uuid4().hex}"
        cursor = await self._find(item, comment, by_id=by_id)
        try:
            batch = await self._next_batch(cursor, item.name)
            self._believe(self.reading.cluster_times.take(comment))
            while batch is not None:
                size_bytes = len(batch)
                yield batch
                batch = None  # not held while the next one comes: it may be of 16 MB
                await asyncio.sleep(pace.pause_seconds(size_bytes))
                batch = await self._next_batch(cursor, item.name)
        finally:
            # Also after a failure: a cursor that failed once ends "normally" if it is asked again.
            await close(cursor)

    async def _find(self, item: Collection, comment: str, *, by_id: bool) -> Any:
        average = (await statistics(self._handle, item.name)).get("avgObjSize") or 1024
        options: dict[str, Any] = {"batch_size": max(1, BATCH_BYTES // int(average)), "comment": comment}
        if item.kind is CollectionKind.COLLECTION:
            options |= {"sort": [("_id", 1)], "hint": [("_id", 1)]} if by_id else {"hint": [("$natural", 1)]}
        cursor = self._handle[item.name].find_raw_batches({}, session=self._session, **options)
        leave_documents_closed(cursor)
        return cursor

    async def _next_batch(self, cursor: Any, name: str) -> bytes | None:
        with translated(f"reading {name}", CursorFailed, is_snapshot=self.is_snapshot):
            batch = await next_of(cursor)
            return None if batch is None else bytes(batch)

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
            rows = await first_of(cursor, _MOST_COUNTS)
            found = rows[0]["documents"] if rows else 0
            if isinstance(found, bool) or not isinstance(found, int) or found < 0 or len(rows) > 1:
                raise SourceError(
                    f"counting {item.name}: the server says {found!r:.100}: expected a number of documents"
                )
            return found


async def next_of(cursor: Any) -> Any | None:
    """What a cursor gives next, None at its end.

    Motor takes a reply without documents for the end, also where the server says that the cursor goes on: what comes after
    would be missing, and nobody told. Raises PyMongoError for a cursor that goes on giving nothing.
    """
    for _ in range(_MOST_EMPTY_REPLIES):
        try:
            return await cursor.next()
        except StopAsyncIteration:
            if not cursor.alive:
                return None
    raise PyMongoError(f"the cursor has given {_MOST_EMPTY_REPLIES} replies without documents and does not end")


async def first_of(cursor: Any, most: int) -> list[Any]:
    """The first rows that a cursor gives, at most so many."""
    rows: list[Any] = []
    while len(rows) < most and (row := await next_of(cursor)) is not None:
        rows.append(row)
    return rows


async def close(cursor: Any) -> None:
    """Let the server forget a cursor. Where it cannot be told, the cursor ends by itself after ten minutes."""
    try:
        await cursor.close()
    except Exception as error:  # noqa: BLE001 - the driver takes the id of a cursor at its word; nothing depends on it
        log.debug("cursor.not_closed", error=type(error).__name__)


async def statistics(handle: Any, name: str) -> Mapping[str, Any]:
    """What $collStats says, or nothing: a view and some compatible servers have no such thing, and it is only an estimate."""
    try:
        rows = await first_of(handle[name].aggregate([{"$collStats": {"storageStats": {}}}]), _MOST_SHARDS)
        found = rows[0].get("storageStats") if rows else None
    except ConnectionFailure:  # the server went away: that is no answer, and whoever asks waits for it
        with translated(f"asking for the size of {name}"):
            raise
    except PyMongoError:
        return {}
    except Exception as error:  # noqa: BLE001 - the driver takes replies at their word, and this is only an estimate
        log.debug("statistics.not_understood", collection=name, error=type(error).__name__)
        return {}
    return {name: value for name, value in found.items() if _is_size(value)} if isinstance(found, Mapping) else {}


def _is_size(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LARGEST
