"""Reading a collection so that every document comes exactly once: every reader uses this guard.

Cursors lie: on some servers they end early, return a document twice, or never end. The server's count before and after, and
outside a snapshot every `_id`, are held against what the cursor gave. What fails is read again from its start, in the order
of `_id` where documents came twice; a server that went away is waited for.
"""

import asyncio
from array import array
from collections.abc import Callable
from contextlib import aclosing
from typing import Protocol

from sidecar.archive.bson import id_hashes
from sidecar.archive.definition import keeps_order
from sidecar.errors import CountMismatch, CursorFailed, DuplicateIds, SourceUnavailable
from sidecar.logger import Logger
from sidecar.model import Collection, CollectionKind
from sidecar.mongodb.reader import Reader
from sidecar.mongodb.seen_ids import SeenIds
from sidecar.runtime.threads import entered, in_thread, read_ahead

READS = 3
RETRY_SECONDS = 0.5  # times the number of the attempt
RUNAWAY_FACTOR = 2  # a cursor that gave so many times the documents the server counts is checked at once
RUNAWAY_DOCUMENTS = 10_000  # and so many more, because a collection may grow while it is read

IdHashes = Callable[[bytes], "array[int]"]  # of a batch's documents, as the codecs do it too
Told = Callable[[int], None]  # after every batch, with the number of documents that the server counts

log = Logger(__name__)


class Taker(Protocol):
    """Where documents go. Both methods may block: they are called in a thread."""

    def begin(self) -> None:
        """Forget all documents that came so far: the collection is read from its start."""
        ...

    def take(self, batch: bytes) -> int:
        """Some documents as concatenated BSON. Returns how many they are."""
        ...


def _ignored(_: int) -> None:
    """Nobody wants to know how far it is."""


async def read_collection(  # noqa: PLR0913 - what is read, how, and who wants it
    reader: Reader,
    item: Collection,
    taker: Taker,
    told: Told = _ignored,
    hashes: IdHashes = id_hashes,
    *,
    reads: int = READS,
    by_id: bool = False,
) -> None:
    """Give a whole collection to `taker`; where this raises, what it took is worthless.

    Raises CursorFailed after `reads` attempts, SourceUnavailable for a server that stays away, and at once what else can go
    wrong: SourceError, and what the taker raises. `by_id`: in the order of `_id` at once, where that may be.
    """
    by_id = by_id and item.kind is CollectionKind.COLLECTION and not keeps_order(item)
    for attempt in range(1, reads + 1):
        await in_thread(taker.begin)
        try:
            await _read_once(reader, item, taker, told, hashes, by_id=by_id)
        except (CursorFailed, SourceUnavailable) as error:
            if attempt == reads:
                raise
            # In the order of `_id` no cursor is known to lie; where the order of insertion counts it is no way out.
            by_id = (by_id or isinstance(error, DuplicateIds)) and not keeps_order(item)
            log.warning("collection.read_again", collection=item.name, attempt=attempt, by_id=by_id, error=str(error))
        else:
            return
        await asyncio.sleep(RETRY_SECONDS * attempt)
        await reader.reading.until_available()


async def _read_once(  # noqa: PLR0913 - what the caller gave, as it is
    reader: Reader, item: Collection, taker: Taker, told: Told, hashes: IdHashes, *, by_id: bool
) -> None:
    expected = await reader.count(item)
    is_exact = reader.is_snapshot  # then the count is that of the same cluster time
    remembers = not is_exact and item.kind is CollectionKind.COLLECTION  # a time series has no unique _id
    async with entered(SeenIds(reader.reading.workspace)) as seen:
        check = _Check(item, expected if is_exact else _most(expected), seen if remembers else None)

        def take(batch: bytes) -> None:
            try:
                check.after(taker.take(batch), hashes(batch) if remembers else None)
            except ValueError as error:  # lengths that no document has
                raise CursorFailed(f"reading {item.name}: the server's reply is not BSON: {error}") from error

        async with aclosing(read_ahead(reader.batches(item, by_id=by_id), len)) as batches:
            async for batch in batches:
                await in_thread(take, batch)
                del batch  # not held while the next one comes: it may be of 16 MB
                told(expected)
                if check.is_above_limit:
                    await _require_growth(reader, item, check)
        await in_thread(check.no_repeats)
    await _require_complete(reader, item, check.documents, expected)


async def _require_complete(reader: Reader, item: Collection, documents: int, counted_before: int) -> None:
    """At one cluster time the count is exact; else no fewer than the server counted both before and after."""
    if documents == counted_before or (
        not reader.is_snapshot and documents >= min(counted_before, await reader.count(item))
    ):
        return
    raise CountMismatch(
        f"reading {item.name}: the cursor ended after {documents} documents, the server counts {counted_before}"
    )


async def _require_growth(reader: Reader, item: Collection, check: "_Check") -> None:
    """A collection that was written to as fast as it was read is one that the server counts more documents of by now."""
    await in_thread(check.no_repeats)
    counted = check.limit if reader.is_snapshot else await reader.count(item)
    if reader.is_snapshot or check.documents > _most(counted):
        raise CountMismatch(f"reading {item.name}: {check.documents} documents and no end, the server counts {counted}")
    check.limit = RUNAWAY_FACTOR * check.documents


def _most(counted: int) -> int:
    """So many documents may come of a collection of which the server counted so many."""
    return RUNAWAY_FACTOR * counted + RUNAWAY_DOCUMENTS


class _Check:
    """What came so far, to be doubted above `limit` documents. `seen` is None where no `_id` tells a repeat."""

    def __init__(self, item: Collection, limit: int, seen: SeenIds | None) -> None:
        self.documents = 0
        self.limit = limit
        self._item = item
        self._seen = seen

    @property
    def is_above_limit(self) -> bool:
        return self.documents > self.limit

    def after(self, documents: int, hashes: "array[int] | None") -> None:
        self.documents += documents
        if self._seen is not None and hashes is not None:
            self._seen.add(hashes)

    def no_repeats(self) -> None:
        if self._seen is not None and self._seen.has_repeats():
            raise DuplicateIds(
                f"reading {self._item.name}: the cursor returned an _id twice within {self.documents} documents"
            )
