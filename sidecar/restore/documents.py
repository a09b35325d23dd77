"""Restore chosen documents of a backup into a collection and leave its other documents as they are.

The backup is read to its end and the documents are held in memory before anything is written. One command inserts each
document, or replaces the document that has its `_id`; then the document is read back and compared byte for byte. A restore that
is killed has written some of the documents, each of them whole: running the same command again writes the rest.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bson.raw_bson import RawBSONDocument

from sidecar.archive.bson import document_id
from sidecar.archive.criteria import TypedValue, by_ids, id_key
from sidecar.archive.definition import keeps_order
from sidecar.archive.tally import Tally
from sidecar.errors import DocumentChanged, DocumentNotFound, RestoreMismatch, UsageError, WriteRejected
from sidecar.inspect.compare import readable
from sidecar.inspect.documents import Now, find, since
from sidecar.logger import Logger
from sidecar.model import Collection, CollectionKind
from sidecar.mongodb.database import by_id
from sidecar.restore import restore as engine
from sidecar.restore.inserting import insert_options
from sidecar.restore.plan import Plan, Planned
from sidecar.restore.writing import as_ours, write
from sidecar.runtime.completion import completed
from sidecar.runtime.threads import in_thread

MOST_DOCUMENTS = 1000
MOST_BYTES = 32 << 20

log = Logger(__name__)


@dataclass(frozen=True, slots=True)
class Pair:
    """A document of the backup, and the target's document with the same `_id` (None if there is none)."""

    identity: bytes
    stored: bytes
    live: bytes | None

    @property
    def now(self) -> Now:
        """How the target's document compares with the backup's."""
        return since(self.stored, self.live)


@dataclass(frozen=True, slots=True)
class Paired:
    """The documents of an order, each beside the target's document, and the target's collection."""

    item: Collection
    pairs: tuple[Pair, ...]

    @property
    def replaces(self) -> bool:
        """Whether any document of the target is replaced, so that a safety backup is needed."""
        return any(pair.now is Now.CHANGED for pair in self.pairs)


async def pair(order: engine.Order) -> Paired:
    """Verify the backup, find the documents in it, and read the target's documents with the same `_id`s.

    Raises DocumentNotFound, UsageError, and the errors of reading a backup and a server.
    """
    name, values = _asked(order)
    found = await in_thread(_stored, order, name, values)
    there = (await order.database.collections(order.target_db)).get(name)
    item = _suitable(there, name, order.target_db)
    pairs = []
    for document in found:
        identity = document_id(document)
        if identity is None:
            raise UsageError(f"a document of {name} has no _id: it can only be restored with the whole collection")
        pairs.append(Pair(identity, document, await order.database.document(item, identity, order.target_db)))
    return Paired(item, tuple(pairs))


def planned(paired: Paired) -> Plan:
    """Return how many of the documents would be inserted, replaced and left unchanged."""
    counts = [one.now for one in paired.pairs]
    there = len(counts) - counts.count(Now.GONE)
    line = Planned(
        collection=paired.item.name,
        kind=paired.item.kind,
        documents=len(counts),
        replaces_documents=there or None,
        inserted=counts.count(Now.GONE),
        replaced=counts.count(Now.CHANGED),
        unchanged=counts.count(Now.SAME),
        removed=0,
    )
    return Plan((line,), ())


async def put_back(order: engine.Order, paired: Paired) -> engine.Restored:
    """Write the documents that differ, then read all of them back and compare. `safety` backs up what is replaced.

    Raises DocumentChanged if somebody wrote to a document since it was paired, WriteRejected and RestoreMismatch; the message
    says what became of the documents written before the failure.
    """
    writing = _Writing(order, paired.item)
    try:
        for one in paired.pairs:
            if one.now is not Now.SAME:
                await writing.write(one)
        for one in paired.pairs:
            await writing.require_there(one)
    except (Exception, asyncio.CancelledError) as error:
        raise as_ours(error).with_more(await completed(writing.undo())) from error
    plan = planned(paired).collections[0]
    log.info("restore.documents", backup_id=str(order.backup_id), collection=paired.item.name, documents=plan.documents)
    counts = {"inserted": plan.inserted or 0, "replaced": plan.replaced or 0, "unchanged": plan.unchanged or 0}
    details = _tally(order, paired).details()
    return engine.Restored(str(order.backup_id), order.target_db, {paired.item.name: details}, (), documents=counts)


def _asked(order: engine.Order) -> tuple[str, Sequence[TypedValue]]:
    values = order.ids or ()
    if len(order.collections or ()) != 1:
        raise UsageError("a restore of single documents needs the name of their collection: expected exactly one")
    (name,) = order.collections or ()
    if len(values) > MOST_DOCUMENTS:
        raise UsageError(f"{len(values)} documents: expected at most {MOST_DOCUMENTS} at a time")
    return name, values


def _stored(order: engine.Order, name: str, values: Sequence[TypedValue]) -> list[bytes]:
    """Return the documents as the backup holds them.

    Raises DocumentNotFound if a value matches no document, UsageError if a value matches several or they are too large together.
    """
    found = find(
        order.store, order.backup_id, order.codec, name, [by_ids(values)], most=MOST_DOCUMENTS, most_bytes=MOST_BYTES
    )
    if not found.is_whole:
        raise UsageError(f"the documents have more than {MOST_BYTES >> 20} MiB together: restore fewer at a time")
    keys = {id_key(document) for document in found.documents}
    if missing := [value.text for value in values if not value.keys & keys]:
        raise DocumentNotFound(f"{order.backup_id} holds no document of {name} with the _id {', '.join(missing)}")
    for value in values:
        if len(value.keys & keys) > 1:
            raise UsageError(
                f"the _id {value.text} matches several documents of {name}: expected Extended JSON, for a string "
                f'"{value.text}" in double quotes, for an ObjectId {{"$oid": "{value.text}"}}'
            )
    return found.documents


def _suitable(item: Collection | None, name: str, target_db: str) -> Collection:
    """Return the target's collection. Raises UsageError if single documents cannot be restored into it."""
    if item is None:
        wrong = f"{target_db} has no collection {name}"
    elif item.kind is CollectionKind.VIEW:
        wrong = f"{name} is a view in {target_db}: it has no documents of its own"
    elif item.kind is CollectionKind.TIMESERIES:
        wrong = f"{name} is a time series in {target_db}, whose documents cannot be replaced one by one"
    elif keeps_order(item):
        wrong = f"{name} is a capped collection in {target_db}, which keeps its documents in insertion order"
    else:
        return item
    raise UsageError(f"{wrong}: expected a collection that holds documents by _id; restore {name} as a whole instead")


def _tally(order: engine.Order, paired: Paired) -> Tally:
    tally = Tally()
    for one in paired.pairs:
        tally.add(1, len(one.stored), order.codec.count(one.stored).fingerprint)
    return tally


class _Writing:
    """Writes documents into one collection of the target, and can undo what it wrote."""

    def __init__(self, order: engine.Order, item: Collection) -> None:
        self._order = order
        self._item = item
        self._written: list[Pair] = []
        self._options: dict[str, Any] | None = None

    async def write(self, one: Pair) -> None:
        """Write a document. Raises DocumentChanged if the target's document is no longer the one that was paired."""
        if await self._live(one) != one.live:
            raise DocumentChanged(
                f"the document {readable(one.identity)} of {self._item.name} was written to meanwhile"
            )
        self._written.append(one)
        await self._put(one.identity, one.stored, is_new=one.live is None)

    async def require_there(self, one: Pair) -> None:
        """Raises RestoreMismatch if the target does not hold the document exactly as the backup does."""
        if await self._live(one) != one.stored:
            raise RestoreMismatch(
                f"{self._item.name}: after the restore the server does not hold the document {readable(one.identity)} as it is "
                "in the backup"
            )

    async def undo(self) -> str:
        """Make each written document what it was, unless somebody wrote to it since. Return the outcome in words."""
        if not self._written:
            return "nothing had been written"
        try:
            for one in reversed(self._written):
                if await self._live(one) == one.stored != one.live:
                    await self._undo_one(one)
        except Exception as error:  # noqa: BLE001 - any failure of the undo must appear in the message
            return (
                f"the documents written before could not be put back as they were ({as_ours(error)}): "
                "compare the collection with the backup to find them"
            )
        return "the documents written before were put back as they were"

    async def _undo_one(self, one: Pair) -> None:
        if one.live is None:
            await self._run("delete", deletes=[{"q": by_id(one.identity), "limit": 1}])
        else:
            await self._put(one.identity, one.live, is_new=False)

    async def _live(self, one: Pair) -> bytes | None:
        return await self._order.database.document(self._item, one.identity, self._order.target_db)

    async def _put(self, identity: bytes, document: bytes, *, is_new: bool) -> None:
        options = await self._how()
        raw = RawBSONDocument(document)
        if is_new:
            await self._run("insert", documents=[raw], **options)
        else:
            await self._run("update", updates=[{"q": by_id(identity), "u": raw}], **options)

    async def _run(self, name: str, **parts: Any) -> None:
        """Run a command that writes one document. Raises WriteRejected unless exactly one was written."""
        reply = await write(self._order, {name: self._item.name, **parts})
        if "writeErrors" in reply and (errors := reply.documents("writeErrors")):
            raise WriteRejected(
                f"{self._item.name}: the server refused to {name} a document: {errors[0].get('errmsg')}",
                server_code=errors[0].get("code"),
            )
        if reply.count("n") != 1:
            raise WriteRejected(f"{self._item.name}: {name} wrote {reply.count('n')} documents: expected one")

    async def _how(self) -> dict[str, Any]:
        """Return the options of insert and update that make the server store a document unchanged."""
        # a document that was valid when it was backed up may violate the validator of today
        if self._options is None:
            self._options = {"bypassDocumentValidation": True, **await insert_options(self._order.database)}
        return self._options
