"""Load collections into staging collections of the target database, compare them, and only then rename them into place."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, replace
from typing import Any

from sidecar.archive.codec import Codec
from sidecar.archive.content import Batch, Content
from sidecar.archive.definition import EMPTY, keeps_order
from sidecar.archive.tally import Tally
from sidecar.errors import BackupInvalid, IndexRejected, RestoreMismatch, SourceError, WriteRejected
from sidecar.events import Progressed
from sidecar.logger import Logger
from sidecar.model import Collection, CollectionDetails, CollectionKind, documents_in_words
from sidecar.mongodb import definitions
from sidecar.mongodb.database import Database
from sidecar.mongodb.reading import read_collection
from sidecar.mongodb.replies import ServerReply
from sidecar.restore.inserting import AtOnce, insert, insert_options
from sidecar.restore.target import Target
from sidecar.restore.writing import write
from sidecar.runtime.threads import AHEAD_BYTES, entered, in_thread, in_turn, read_ahead

INSERTS_AT_ONCE = 4

log = Logger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """Documents that can be opened and read several times, with their expected numbers and details by collection."""

    documents: Mapping[str, int]
    details: Mapping[str, CollectionDetails]
    open: Callable[[], AbstractContextManager[Content]]


class Loading:
    """Loads collections into the target database. `restored` is what was read back, by collection."""

    def __init__(self, target: Target, source: Source, there: Mapping[str, Collection]) -> None:
        self.restored: dict[str, CollectionDetails] = {}
        self.remarks: list[str] = []  # what had to be left out of definitions, in words
        self._target = target
        self._source = source
        self._there = there  # the target's collections before the restore
        self._stages: dict[str, str] = {}  # collection → its staging collection that is on the server
        self._options: Mapping[str, Any] | None = None
        self._converted: dict[str, set[str | None]] = {}
        self._left_out: dict[str, set[str | None]] = {}

    async def run(
        self, command: Mapping[str, Any], *, database: str | None = None, is_slow: bool = False
    ) -> ServerReply:
        return await write(self._target, command, database=database, is_slow=is_slow)

    async def make(self, item: Collection, making: definitions.Making, *, is_slow: bool = False) -> None:
        """Run a command that makes a definition. If the server refuses an old one, run its modern form and add a remark."""
        try:
            await self.run(making.command, is_slow=is_slow)
        except WriteRejected as error:
            if making.instead is None or error.details.get("server_code") is None:
                raise
            log.warning("restore.definition_converted", collection=item.name, index=making.index, error=str(error))
            await self.run(making.instead, is_slow=is_slow)
            self._converted.setdefault(item.name, set()).add(making.index)
            said = [f"{item.name}: {remark}" for remark in making.remarks]
            self.remarks += [remark for remark in said if remark not in self.remarks]

    async def rename_keeps_options(self, items: Sequence[Collection]) -> bool:
        """Whether `renameCollection` keeps a collection's options, found by trying: some compatible servers lose them."""
        model = next((item for item in items if item.options != EMPTY), None)
        if model is None:
            return True
        target = self._target.target_db
        first, second = (await self._stage(["a probe", "a probe renamed"])).values()
        try:
            await self.make(model, definitions.commands(replace(model, indexes=()), first).create)
            await self.run({"renameCollection": f"{target}.{first}", "to": f"{target}.{second}"}, database="admin")
            there = (await self._target.database.collections(target)).get(second)
        finally:
            await self.sweep()
        converted = self._converted.get(model.name, ())
        return there is not None and not definitions.differences(replace(model, indexes=()), there, converted)

    async def compare_definitions(self, items: Mapping[str, Collection]) -> None:
        """Compare the server's definitions with the backup's. Raises RestoreMismatch."""
        there = await self._target.database.collections(self._target.target_db)
        for name, item in items.items():
            if name not in there:
                raise RestoreMismatch(f"{name}: restored, but the server does not list it")
            held = await self._target.database.with_indexes(there[name], self._target.target_db)
            wanted = definitions.without_indexes(item, self._left_out.get(name, ()))
            if lost := definitions.differences(wanted, held, self._converted.get(name, ())):
                raise RestoreMismatch(
                    f"{name}: its documents are restored, but the server did not keep {', '.join(lost)}"
                )

    async def load(self, items: Mapping[str, Collection], *, is_staged: bool = True) -> None:
        """Create, fill, index and compare these collections, as staging collections or under their own names."""
        if not items:  # filling nothing would still decode the whole backup
            return
        names = await self._stage(items) if is_staged else {name: name for name in items}
        for name, item in items.items():
            await self.make(item, definitions.commands(item, names[name]).create)
        sent = await self._fill(items, names)
        for name, item in items.items():
            prepared = definitions.commands(item, names[name])
            for making in prepared.indexes:
                await self._index(item, making)
            await self._compare(item, names[name], sent[name])
            for making in prepared.expiry:
                await self._index(item, making)

    async def _index(self, item: Collection, making: definitions.Making) -> None:
        """Build an index, or set the expiry. If the server refuses and the restore is forced, leave it out with a remark.

        Raises IndexRejected if the restore is not forced.
        """
        try:
            await self.make(item, making, is_slow=True)
        except WriteRejected as error:
            if error.details.get("server_code") is None:  # not refused by the server
                raise
            what = making.index or definitions.EXPIRY
            said = f"{item.name}: the server does not {f'build the index {what}' if making.index else f'take {what}'}: {error}"
            if not self._target.force:
                raise IndexRejected(said, collection=item.name, index=what, **error.details) from error
            log.warning("restore.index_left_out", collection=item.name, index=what, error=str(error))
            self._left_out.setdefault(item.name, set()).add(making.index)
            self.remarks.append(f"{said}; restored without it")

    async def _stage(self, names: Iterable[str]) -> dict[str, str]:
        stages = await in_thread(self._target.journal.stage, names)
        self._stages |= stages
        return stages

    async def _fill(self, items: Mapping[str, Collection], names: Mapping[str, str]) -> dict[str, Tally]:
        sent = {name: Tally() for name in items}
        async with (
            entered(self._source.open()) as content,
            aclosing(read_ahead(in_turn(content.batches), lambda batch: len(batch.bson))) as batches,
            AtOnce(INSERTS_AT_ONCE) as inserts,
        ):
            async for batch in batches:
                if (item := items.get(batch.collection)) is None:
                    continue
                size, tally = len(batch.bson), sent[item.name]
                tally.add(batch.documents, size, batch.fingerprint, batch.escaped)
                is_alone = keeps_order(item) or size > AHEAD_BYTES
                if is_alone:
                    await inserts.end()
                await inserts.begin(self._insert(item, names[item.name], batch))
                del batch  # it may have 16 MB, and must not stay in memory while the next one is read
                if is_alone:
                    await inserts.end()
                expected = self._source.documents[item.name]
                self._target.listener(Progressed("restore", item.name, tally.documents, tally.bson_bytes, expected))
        self._require_as_described(sent)
        return sent

    def _require_as_described(self, sent: Mapping[str, Tally]) -> None:
        for name, tally in sent.items():
            described = self._source.details.get(name, tally.details())
            if (tally.details(), tally.documents) != (described, self._source.documents[name]):
                raise BackupInvalid(f"{name}: the data holds {tally.details()}, the metadata says {described}")

    async def _insert(self, item: Collection, name: str, batch: Batch) -> None:
        if self._options is None:
            self._options = await insert_options(self._target.database)
        await insert(self.run, item, name, batch, self._options)

    async def _compare(self, item: Collection, name: str, sent: Tally) -> None:
        held = await read_back(
            self._target.database, self._target.target_db, replace(item, name=name), self._target.codec
        )
        if (held.documents, held.fingerprint) != (sent.documents, sent.fingerprint):
            raise RestoreMismatch(
                f"{item.name}: the server holds {documents_in_words(held.documents)} with fingerprint "
                f"{held.details().fingerprint}, "
                f"the backup {sent.documents} with {sent.details().fingerprint}"
            )
        self.restored[item.name] = held.details()

    async def publish(self, item: Collection) -> None:
        """Rename the finished staging collection to its target's name, which drops the target's collection."""
        stage, target = self._stages[item.name], self._target.target_db
        there = self._there.get(item.name)
        if there is not None and there.kind is not CollectionKind.COLLECTION:
            await self.make_room(item.name)
        await self.run(
            {"renameCollection": f"{target}.{stage}", "to": f"{target}.{item.name}", "dropTarget": True},
            database="admin",
        )
        del self._stages[item.name]

    async def make_room(self, name: str) -> None:
        """Drop the target's collection or view of this name, if there was one before the restore."""
        if name in self._there:
            await self.run({"drop": name})

    async def sweep(self) -> None:
        """Drop the staging collections that were not published. Those of an unreachable server stay, and are logged."""
        try:
            there = await self._target.database.collections(self._target.target_db) if self._stages else {}
            for stage in there.keys() & set(self._stages.values()):
                await self.run({"drop": stage})
        except SourceError as error:
            log.warning("restore.leftovers", collections=list(self._stages.values()), error=str(error))
        self._stages.clear()


async def read_back(database: Database, database_name: str, item: Collection, codec: Codec) -> Tally:
    """Read all documents of a collection, and return their number, size and fingerprint. Raises SourceError."""
    held = _Held(codec)
    async with database.reader(snapshot=False, database=database_name) as reader:
        await read_collection(reader, item, held, hashes=codec.id_hashes)
    return held.tally


class _Held:
    """A receiver that counts documents and does not keep them."""

    def __init__(self, codec: Codec) -> None:
        self.tally = Tally()
        self._codec = codec

    def begin(self) -> None:
        self.tally = Tally()

    def take(self, batch: bytes) -> int:
        counted = self._codec.count(batch)
        self.tally.add(counted.documents, len(batch), counted.fingerprint)
        return counted.documents
