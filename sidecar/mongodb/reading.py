"""Read a collection so that every document comes exactly once. All reads of collections go through this check.

Cursors are not reliable: on some servers they end early, return a document twice, or never end. The documents are compared with
the server's count before and after, and outside a snapshot every `_id` is checked for repeats. After a failure the collection is
read again from its start, in `_id` order if a document came twice. If the server is unavailable, the reader waits for it.
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
RETRY_SECONDS = 0.5  # multiplied by the number of the attempt
# A cursor that returns more than FACTOR × the server's count + DOCUMENTS is checked at once. A collection may grow meanwhile.
RUNAWAY_FACTOR = 2
RUNAWAY_DOCUMENTS = 10_000

IdHashes = Callable[[bytes], "array[int]"]  # hashes of the `_id`s of a batch, like Codec.id_hashes
Told = Callable[[int], None]  # called after every batch with the server's count of documents

log = Logger(__name__)


class Taker(Protocol):
    """Receives the documents of a collection. Both methods may block: they are called in a thread."""

    def begin(self) -> None:
        """Discard all documents received so far: the collection is read from its start."""
        ...

    def take(self, batch: bytes) -> int:
        """Receive some documents as concatenated BSON. Return their number."""
        ...


def _ignored(_: int) -> None:
    """Do nothing: the caller does not show progress."""


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
    """Give all documents of a collection to `taker`. If this raises, the documents it received are worthless.

    Raises CursorFailed or SourceUnavailable after `reads` attempts, and other SourceErrors and the taker's errors at once.
    `by_id`: read in `_id` order from the first attempt on, if the collection allows that.
    """
    by_id = by_id and item.kind is CollectionKind.COLLECTION and not keeps_order(item)
    for attempt in range(1, reads + 1):
        await in_thread(taker.begin)
        try:
            await _read_once(reader, item, taker, told, hashes, by_id=by_id)
        except (CursorFailed, SourceUnavailable) as error:
            if attempt == reads:
                raise
            # No cursor in `_id` order is known to repeat documents. A capped collection must be read in insertion order.
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
    is_exact = reader.is_snapshot  # the count is then of the same cluster time as the documents
    remembers = not is_exact and item.kind is CollectionKind.COLLECTION  # `_id` is not unique in a time series
    async with entered(SeenIds(reader.reading.workspace)) as seen:
        check = _Check(item, expected if is_exact else _most(expected), seen if remembers else None)

        def take(batch: bytes) -> None:
            try:
                check.after(taker.take(batch), hashes(batch) if remembers else None)
            except ValueError as error:  # an impossible length
                raise CursorFailed(f"reading {item.name}: the server's reply is not BSON: {error}") from error

        async with aclosing(read_ahead(reader.batches(item, by_id=by_id), len)) as batches:
            async for batch in batches:
                await in_thread(take, batch)
                del batch  # it may have 16 MB, and must not stay in memory while the next one is read
                told(expected)
                if check.is_above_limit:
                    await _require_growth(reader, item, check)
        await in_thread(check.no_repeats)
    await _require_complete(reader, item, check.documents, expected)


async def _require_complete(reader: Reader, item: Collection, documents: int, counted_before: int) -> None:
    """Raises CountMismatch if documents are missing.

    In a snapshot the number must be the server's count, else at least the smaller of its counts before and after.
    """
    if documents == counted_before or (
        not reader.is_snapshot and documents >= min(counted_before, await reader.count(item))
    ):
        return
    raise CountMismatch(
        f"reading {item.name}: the cursor ended after {documents} documents, the server counts {counted_before}"
    )


async def _require_growth(reader: Reader, item: Collection, check: "_Check") -> None:
    """Double the limit if the collection has grown while it was read. Raises CountMismatch if it has not, DuplicateIds."""
    await in_thread(check.no_repeats)
    counted = check.limit if reader.is_snapshot else await reader.count(item)
    if reader.is_snapshot or check.documents > _most(counted):
        raise CountMismatch(f"reading {item.name}: {check.documents} documents and no end, the server counts {counted}")
    check.limit = RUNAWAY_FACTOR * check.documents


def _most(counted: int) -> int:
    """The most documents that may come from a collection of which the server counted so many."""
    return RUNAWAY_FACTOR * counted + RUNAWAY_DOCUMENTS


class _Check:
    """Counts the documents received, and looks for repeated `_id`s. `seen` is None if `_id`s cannot show repeats."""

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
