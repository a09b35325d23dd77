"""One collection on its way from a cursor into a draft."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

import structlog

from sidecar.archive.codec import Codec
from sidecar.archive.tally import Tally
from sidecar.backup.seen_ids import SeenIds
from sidecar.errors import CountMismatch, CursorFailed, DuplicateIds
from sidecar.events import Listener, Progressed
from sidecar.model import Collection, CollectionDetails, CollectionKind
from sidecar.mongodb.database import Reader
from sidecar.runtime.threads import entered, in_thread, read_ahead
from sidecar.store.draft import Draft

READS = 3
RETRY_SECONDS = 0.5  # times the number of the attempt
RUNAWAY_FACTOR = 2  # a cursor that gave so many times the documents the server counts is checked for repeats at once
RUNAWAY_DOCUMENTS = 10_000  # and so many more, because a collection may grow while it is read

log = structlog.get_logger(__name__)


async def copy_collection(
    reader: Reader, item: Collection, draft: Draft, codec: Codec, listener: Listener
) -> CollectionDetails:
    """Read a collection into a draft, from its start again if its cursor fails: nothing half-read is ever kept.

    Raises CursorFailed after `READS` attempts, and at once what else can go wrong: SourceError, StorageError.
    """
    start = draft.mark()
    by_id = False
    for attempt in range(1, READS + 1):
        try:
            section = _Section(item, draft, codec, is_exact=reader.is_snapshot)
            return await _copy_once(reader, section, listener, by_id=by_id)
        except CursorFailed as error:
            if attempt == READS:
                raise
            by_id = by_id or isinstance(error, DuplicateIds)
            log.warning(
                "backup.collection_read_again", collection=item.name, attempt=attempt, by_id=by_id, error=str(error)
            )
        await in_thread(draft.rewind, start)
        await asyncio.sleep(RETRY_SECONDS * attempt)
    raise AssertionError("the last attempt returns or raises")


async def _copy_once(reader: Reader, section: "_Section", listener: Listener, *, by_id: bool) -> CollectionDetails:
    item, tally = section.item, section.tally
    expected = await reader.count(item)
    async with entered(section.expecting(expected)):
        async with aclosing(read_ahead(reader.batches(item, by_id=by_id))) as batches:
            async for batch in batches:
                await in_thread(section.write, batch)
                listener(Progressed("backup", item.name, tally.documents, tally.bson_bytes, expected))
        await in_thread(section.end)
    await _require_complete(reader, item, tally.documents, expected)
    return tally.details()


async def _require_complete(reader: Reader, item: Collection, documents: int, counted_before: int) -> None:
    """At one cluster time the count is exact; else no fewer than the server counted both before and after."""
    if documents == counted_before or (
        not reader.is_snapshot and documents >= min(counted_before, await reader.count(item))
    ):
        return
    raise CountMismatch(
        f"reading {item.name}: the cursor ended after {documents} documents, the server counts {counted_before}"
    )


class _Section:
    """The documents of one collection on their way into a draft.

    `is_exact`: the server's count is that of the same cluster time. Otherwise every `_id` is remembered, to find one that
    comes twice, and a cursor that gives far more than was counted is suspected of never ending.
    """

    def __init__(self, item: Collection, draft: Draft, codec: Codec, *, is_exact: bool) -> None:
        self.item = item
        self.tally = Tally()
        self._draft = draft
        self._codec = codec
        self._is_exact = is_exact
        self._expected = self._suspicious_above = 0
        self._seen: SeenIds | None = None

    @contextmanager
    def expecting(self, documents: int) -> Iterator[None]:
        """While documents are written; so many are expected."""
        self._expected = documents
        self._suspicious_above = documents if self._is_exact else RUNAWAY_FACTOR * documents + RUNAWAY_DOCUMENTS
        if self._is_exact or self.item.kind is not CollectionKind.COLLECTION:  # a time series has no unique _id
            yield
            return
        with SeenIds(self._draft.directory) as self._seen:
            yield

    def write(self, batch: bytes) -> None:
        encoded = self._codec.encode(batch)
        if self.tally.documents and encoded.documents:
            self._draft.write(b",\n")
        self._draft.write(encoded.text)
        self.tally.add(encoded.documents, len(batch), encoded.fingerprint, encoded.escaped)
        if self._seen is not None:
            self._seen.add(self._codec.id_hashes(batch))
        if self.tally.documents > self._suspicious_above:
            self._check_runaway()

    def _check_runaway(self) -> None:
        documents = self.tally.documents
        if self._seen is None:
            counted = f"the server counts {self._expected}"
            raise CountMismatch(f"reading {self.item.name}: {documents} documents and no end, {counted}")
        self._require_no_repeats(self._seen)
        self._suspicious_above = RUNAWAY_FACTOR * documents

    def end(self) -> None:
        """After the last document: close its line, and be sure that none came twice."""
        if self._seen is not None:
            self._require_no_repeats(self._seen)
        if self.tally.documents:
            self._draft.write(b"\n")

    def _require_no_repeats(self, seen: SeenIds) -> None:
        if seen.has_repeats():
            documents = self.tally.documents
            raise DuplicateIds(
                f"reading {self.item.name}: the cursor returned an _id twice within {documents} documents"
            )
