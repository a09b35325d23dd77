"""The way back: read `restore` as the list of its steps.

Every collection is loaded beside its target as `<name>.restoring_<run>`, gets its indexes, is read back and compared, and only
then takes its target's place in one `renameCollection`. Until the first rename the target is untouched. What MongoDB cannot
rename, views and time series, is made in place at the end.
"""

import uuid
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import structlog
from bson.raw_bson import RawBSONDocument

from sidecar.engine import definitions
from sidecar.engine.codec import Codec
from sidecar.engine.content import Batch, reading
from sidecar.engine.digest import fingerprint
from sidecar.engine.documents import split
from sidecar.engine.source import Collection, Database
from sidecar.engine.store import LocalStore
from sidecar.engine.tally import Tally
from sidecar.engine.threads import in_thread, read_ahead
from sidecar.engine.verify import read_manifest, verify
from sidecar.errors import BackupInvalid, RestoreMismatch, SourceError, UsageError, WriteRejected
from sidecar.events import Listener, Progressed, nobody
from sidecar.model import BackupId, CollectionDetails, CollectionKind, Manifest

INSERT_BYTES = 12 << 20  # a command is one BSON document of at most 16 MB; one document alone may fill it
INSERT_DOCUMENTS = 50_000  # of 100,000 that a server takes

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which backup goes where."""

    database: Database
    store: LocalStore
    backup_id: BackupId
    codec: Codec
    target_db: str
    collections: tuple[str, ...] | None = None  # None: all that the backup holds
    listener: Listener = nobody


@dataclass(frozen=True, slots=True)
class Planned:
    """One line of a dry run."""

    collection: str
    kind: CollectionKind
    documents: int
    replaces_documents: int | None  # None: there is no such collection


@dataclass(frozen=True, slots=True)
class Restored:
    """What the server holds after a restore, read back from it."""

    backup_id: str
    target_db: str
    collections: Mapping[str, CollectionDetails]
    views: tuple[str, ...]


async def plan(order: Order) -> list[Planned]:
    """What a restore would replace. Verifies the backup first; writes nothing."""
    manifest = await _trusted(order)
    items = _wanted(order, await _definitions(order, manifest))
    there = await order.database.collections(order.target_db)
    async with order.database.reader(snapshot=False, database=order.target_db) as reader:
        counted = {name: await reader.count(there[name]) for name in items if name in there}
    return [Planned(n, item.kind, manifest.collections.get(n, 0), counted.get(n)) for n, item in items.items()]


async def restore(order: Order) -> Restored:
    """Make the target's collections what the backup holds, and prove it.

    Raises BackupInvalid before anything is written, WriteRejected for any document, index or collection that the server did
    not take, RestoreMismatch where it holds something else afterwards.
    """
    manifest = await _trusted(order)
    items = _wanted(order, await _definitions(order, manifest))
    staged = [item for item in items.values() if item.kind is CollectionKind.COLLECTION]
    in_place = [item for item in items.values() if item.kind is CollectionKind.TIMESERIES]
    views = definitions.sources_first({item.name: item for item in items.values() if not item.holds_documents})
    loading = _Loading(order, manifest, await _keeps_empty_timestamps(order.database), uuid.uuid4().hex[:8])
    try:
        await loading.load({item.name: item for item in staged})
        for item in staged:
            await loading.publish(item)
    finally:
        await loading.sweep()
    for item in in_place:
        await loading.make_room(item.name)
    await loading.load({item.name: item for item in in_place}, is_staged=False)
    for view in views:
        await loading.make_room(view.name)
        await loading.run(definitions.commands(view, view.name).create)
    log.info("restore.completed", backup_id=manifest.backup_id, target_db=order.target_db, collections=len(items))
    return Restored(manifest.backup_id, order.target_db, loading.restored, tuple(view.name for view in views))


async def _trusted(order: Order) -> Manifest:
    verdict = await in_thread(verify, order.store, order.backup_id)
    if not verdict.is_valid:
        raise BackupInvalid(f"{order.backup_id} is not restored: {verdict.message}")
    manifest = read_manifest(order.store, order.backup_id)
    log.info("restore.verified", backup_id=manifest.backup_id, checksum=manifest.checksum)
    return manifest


async def _definitions(order: Order, manifest: Manifest) -> dict[str, Collection]:
    """What the collections are to be like: from the backup, or for version 2.x, which stored none, as the target has them."""
    if not manifest.is_legacy:
        with order.store.open_data(order.backup_id) as file, reading(file, manifest, order.codec) as content:
            return dict(content.definitions)
    there = await order.database.collections(order.target_db)
    found = [
        there.get(name, Collection(name, CollectionKind.COLLECTION, None, definitions.EMPTY))
        for name in manifest.collections
    ]
    return {
        item.name: await order.database.with_indexes(item, order.target_db) if item.name in there else item
        for item in found
    }


def _wanted(order: Order, items: Mapping[str, Collection]) -> dict[str, Collection]:
    if order.collections is None:
        return dict(items)
    unknown = [name for name in order.collections if name not in items]
    if unknown:
        raise UsageError(f"{order.backup_id} does not hold {', '.join(unknown)}; it holds {', '.join(items)}")
    return {name: item for name, item in items.items() if name in order.collections}


async def _keeps_empty_timestamps(database: Database) -> bool:
    """Whether inserts may ask that Timestamp(0, 0) be stored as it is: `bypassEmptyTsReplacement`."""
    version = tuple((await database.command({"buildInfo": 1}))["versionArray"][:3])
    return version >= (8, 0, 0) or any(
        first <= version < (first[0], 99) for first in ((5, 0, 29), (6, 0, 17), (7, 0, 13))
    )


class _Loading:
    """Collections on their way into the target database. `restored` is what was read back from there."""

    def __init__(self, order: Order, manifest: Manifest, keeps_empty_timestamps: bool, run: str) -> None:  # noqa: FBT001 - private
        self.restored: dict[str, CollectionDetails] = {}
        self._order = order
        self._manifest = manifest
        self._insert_options: dict[str, Any] = {"bypassEmptyTsReplacement": True} if keeps_empty_timestamps else {}
        self._run = run
        self._stages: set[str] = set()

    async def run(
        self, command: Mapping[str, Any], *, database: str | None = None, is_slow: bool = False
    ) -> dict[str, Any]:
        """Run a command that writes. Raises WriteRejected for what the server refused or could not make durable."""
        target = database or self._order.target_db
        durable = dict(command) | {"writeConcern": {"w": "majority"}}
        reply = await self._order.database.command(durable, database=target, is_slow=is_slow, otherwise=WriteRejected)
        if "writeConcernError" in reply:
            raise WriteRejected(f"{next(iter(command))} is not durable: {reply['writeConcernError'].get('errmsg')}")
        return reply

    async def load(self, items: Mapping[str, Collection], *, is_staged: bool = True) -> None:
        """Create, fill, index and compare these collections, each under its staging name or in place."""
        names = {name: f"{name}.restoring_{self._run}" if is_staged else name for name in items}
        for name, item in items.items():
            if is_staged:
                self._stages.add(names[name])
            await self.run(definitions.commands(item, names[name]).create)
        sent = await self._fill(items, names)
        for name, item in items.items():
            prepared = definitions.commands(item, names[name])
            for command in prepared.indexes:
                await self.run(command, is_slow=True)
            await self._compare(item, names[name], sent[name])
            for command in prepared.expiry:
                await self.run(command, is_slow=True)

    async def _fill(self, items: Mapping[str, Collection], names: Mapping[str, str]) -> dict[str, Tally]:
        sent = {name: Tally() for name in items}
        order = self._order
        with order.store.open_data(order.backup_id) as file, reading(file, self._manifest, order.codec) as content:
            async with aclosing(read_ahead(_one_by_one(content.batches))) as batches:
                async for batch in batches:
                    if batch.collection not in items:
                        continue
                    await self._insert(items[batch.collection], names[batch.collection], batch.bson)
                    tally = sent[batch.collection]
                    tally.add(batch.documents, len(batch.bson), batch.fingerprint, batch.escaped)
                    expected = self._manifest.collections[batch.collection]
                    order.listener(Progressed("restore", batch.collection, tally.documents, tally.bson_bytes, expected))
        self._require_as_described(sent)
        return sent

    def _require_as_described(self, sent: Mapping[str, Tally]) -> None:
        for name, tally in sent.items():
            described = self._manifest.collection_details.get(name, tally.details())
            if (tally.details(), tally.documents) != (described, self._manifest.collections[name]):
                raise BackupInvalid(f"{name}: the data holds {tally.details()}, the metadata says {described}")

    async def _insert(self, item: Collection, name: str, documents: bytes) -> None:
        # Documents that were valid when they were written may not be by today's validator; a time series has none.
        options = self._insert_options | (
            {"bypassDocumentValidation": True} if item.kind is CollectionKind.COLLECTION else {}
        )
        for message in _messages(documents):
            reply = await self.run({"insert": name, "documents": message, "ordered": False} | options)
            if reply.get("writeErrors"):
                raise _rejection(item.name, message, reply["writeErrors"])
            if reply["n"] != len(message):
                raise WriteRejected(f"{item.name}: {len(message)} documents were sent, the server stored {reply['n']}")

    async def _compare(self, item: Collection, name: str, sent: Tally) -> None:
        held = Tally()
        async with (
            self._order.database.reader(snapshot=False, database=self._order.target_db) as reader,
            aclosing(read_ahead(reader.batches(replace(item, name=name)))) as batches,
        ):
            async for batch in batches:
                documents = list(split(batch))
                held.add(len(documents), len(batch), await in_thread(fingerprint, documents))
        if (held.documents, held.fingerprint) != (sent.documents, sent.fingerprint):
            raise RestoreMismatch(
                f"{item.name}: the server holds {held.documents} documents with fingerprint {held.details().fingerprint}, "
                f"the backup {sent.documents} with {sent.details().fingerprint}"
            )
        self.restored[item.name] = held.details()

    async def publish(self, item: Collection) -> None:
        """Let the finished collection take its target's place."""
        stage, target = f"{item.name}.restoring_{self._run}", self._order.target_db
        there = (await self._order.database.collections(target)).get(item.name)
        if there is not None and there.kind is not CollectionKind.COLLECTION:
            await self.make_room(item.name)
        await self.run(
            {"renameCollection": f"{target}.{stage}", "to": f"{target}.{item.name}", "dropTarget": True},
            database="admin",
        )
        self._stages.discard(stage)

    async def make_room(self, name: str) -> None:
        """Drop what cannot be replaced by a rename."""
        if name in await self._order.database.collections(self._order.target_db):
            await self.run({"drop": name})

    async def sweep(self) -> None:
        """Remove what was loaded but not published. A server that is gone keeps it: the names say what they are."""
        for stage in sorted(self._stages):
            try:
                await self.run({"drop": stage})
            except SourceError as error:
                log.warning("restore.leftover", collection=stage, error=str(error))


async def _one_by_one(batches: Iterator[Batch]) -> AsyncGenerator[Batch, None]:
    while (batch := await in_thread(next, batches, None)) is not None:
        yield batch


def _messages(documents: bytes) -> Iterator[list[RawBSONDocument]]:
    """Documents in lists that each fit into one command."""
    message: list[RawBSONDocument] = []
    size = 0
    for document in split(documents):
        if message and (size + len(document) > INSERT_BYTES or len(message) == INSERT_DOCUMENTS):
            yield message
            message, size = [], 0
        message.append(RawBSONDocument(document))
        size += len(document)
    if message:
        yield message


def _rejection(name: str, message: Sequence[RawBSONDocument], errors: Sequence[Mapping[str, Any]]) -> WriteRejected:
    first = errors[0]
    which = message[first["index"]].get("_id")
    return WriteRejected(
        f"{name}: the server refused {len(errors)} documents, the first with _id {which!r}: "
        f"{first.get('errmsg')} (code {first.get('code')})",
        collection=name,
        refused=len(errors),
        server_code=first.get("code"),
    )
