"""Collections on their way into a target database: loaded beside their targets, compared, and only then renamed into place."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, replace
from typing import Any, Self

import structlog
from bson.raw_bson import RawBSONDocument

from sidecar.archive.bson import split
from sidecar.archive.content import Batch, Content
from sidecar.archive.fingerprint import fingerprint
from sidecar.archive.tally import Tally
from sidecar.errors import BackupInvalid, RestoreMismatch, SourceError, WriteRejected
from sidecar.events import Listener, Progressed
from sidecar.model import Collection, CollectionDetails, CollectionKind
from sidecar.mongodb import definitions
from sidecar.mongodb.database import Database
from sidecar.runtime.threads import in_thread, read_ahead

INSERT_BYTES = 12 << 20  # a command is one BSON document of at most 16 MB; one document alone may fill it
INSERT_DOCUMENTS = 50_000  # of 100,000 that a server takes
INSERTS_AT_ONCE = 4
SETTLE_SECONDS = 3.0  # a process that is told to stop has ten

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Backup:
    """Documents that can be read from their start as often as needed, and what is known of them by collection."""

    documents: Mapping[str, int]
    details: Mapping[str, CollectionDetails]
    open: Callable[[], AbstractContextManager[Content]]


class Loading:
    """Collections on their way into the target database. `restored` is what was read back from there."""

    def __init__(self, database: Database, target_db: str, backup: Backup, run_id: str, listener: Listener) -> None:
        self.restored: dict[str, CollectionDetails] = {}
        self._database = database
        self._target_db = target_db
        self._backup = backup
        self._listener = listener
        self._run_id = run_id
        self._stages: set[str] = set()
        self._options: dict[str, Any] | None = None

    async def run(
        self, command: Mapping[str, Any], *, database: str | None = None, is_slow: bool = False
    ) -> dict[str, Any]:
        """Run a command that writes. Raises WriteRejected for what the server refused or could not make durable."""
        target = database or self._target_db
        durable = dict(command) | {"writeConcern": {"w": "majority"}}
        reply = await _settled(
            self._database.command(durable, database=target, is_slow=is_slow, otherwise=WriteRejected)
        )
        if "writeConcernError" in reply:
            raise WriteRejected(f"{next(iter(command))} is not durable: {reply['writeConcernError'].get('errmsg')}")
        return reply

    async def rename_keeps_options(self, items: Sequence[Collection]) -> bool:
        """MongoDB's does; some compatible servers' makes a plain collection of whatever is renamed. Tried, never assumed."""
        model = next((item for item in items if item.options != definitions.EMPTY), None)
        if model is None:
            return True
        target, first, second = self._target_db, f"probe.restoring_{self._run_id}", f"probed.restoring_{self._run_id}"
        self._stages |= {first, second}
        try:
            await self.run(definitions.commands(replace(model, indexes=()), first).create)
            await self.run({"renameCollection": f"{target}.{first}", "to": f"{target}.{second}"}, database="admin")
            there = (await self._database.collections(target)).get(second)
        finally:
            await self.sweep()
        return there is not None and not definitions.differences(replace(model, indexes=()), there)

    async def compare_definitions(self, items: Mapping[str, Collection]) -> None:
        """What the server says its collections are like, against what the backup says."""
        there = await self._database.collections(self._target_db)
        for name, item in items.items():
            if name not in there:
                raise RestoreMismatch(f"{name}: restored, but the server does not list it")
            held = await self._database.with_indexes(there[name], self._target_db)
            if lost := definitions.differences(item, held):
                raise RestoreMismatch(
                    f"{name}: its documents are restored, but the server did not keep {', '.join(lost)}"
                )

    async def load(self, items: Mapping[str, Collection], *, is_staged: bool = True) -> None:
        """Create, fill, index and compare these collections, each under its staging name or in place."""
        if not items:  # filling nothing would still decode the whole backup
            return
        names = {name: f"{name}.restoring_{self._run_id}" if is_staged else name for name in items}
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
        with self._backup.open() as content:
            async with (
                aclosing(read_ahead(_one_by_one(content.batches))) as batches,
                _AtOnce(INSERTS_AT_ONCE) as inserts,
            ):
                async for batch in batches:
                    if batch.collection not in items:
                        continue
                    item = items[batch.collection]
                    await inserts.begin(self._insert(item, names[item.name], batch.bson))
                    if definitions.keeps_order(item):
                        await inserts.end()
                    tally = sent[batch.collection]
                    tally.add(batch.documents, len(batch.bson), batch.fingerprint, batch.escaped)
                    expected = self._backup.documents[batch.collection]
                    self._listener(Progressed("restore", batch.collection, tally.documents, tally.bson_bytes, expected))
        self._require_as_described(sent)
        return sent

    def _require_as_described(self, sent: Mapping[str, Tally]) -> None:
        for name, tally in sent.items():
            described = self._backup.details.get(name, tally.details())
            if (tally.details(), tally.documents) != (described, self._backup.documents[name]):
                raise BackupInvalid(f"{name}: the data holds {tally.details()}, the metadata says {described}")

    async def _insert(self, item: Collection, name: str, documents: bytes) -> None:
        # Documents that were valid when they were written may not be by today's validator; a time series has none.
        options = {**await self._insert_options(), "ordered": False}
        if item.kind is CollectionKind.COLLECTION:
            options["bypassDocumentValidation"] = True
        for message in _messages(documents):
            reply = await self.run({"insert": name, "documents": message} | options)
            if reply.get("writeErrors"):
                raise _rejection(item.name, message, reply["writeErrors"])
            if reply["n"] != len(message):
                raise WriteRejected(f"{item.name}: {len(message)} documents were sent, the server stored {reply['n']}")

    async def _insert_options(self) -> Mapping[str, Any]:
        """That Timestamp(0, 0) be stored as it is, where the server can be asked for it."""
        if self._options is None:
            version = tuple((await self._database.command({"buildInfo": 1}))["versionArray"][:3])
            branches = ((5, 0, 29), (6, 0, 17), (7, 0, 13))
            is_known = version >= (8, 0, 0) or any(first <= version < (first[0], 99) for first in branches)
            self._options = {"bypassEmptyTsReplacement": True} if is_known else {}
        return self._options

    async def _compare(self, item: Collection, name: str, sent: Tally) -> None:
        held = await read_back(self._database, self._target_db, replace(item, name=name))
        if (held.documents, held.fingerprint) != (sent.documents, sent.fingerprint):
            raise RestoreMismatch(
                f"{item.name}: the server holds {held.documents} documents with fingerprint {held.details().fingerprint}, "
                f"the backup {sent.documents} with {sent.details().fingerprint}"
            )
        self.restored[item.name] = held.details()

    async def publish(self, item: Collection) -> None:
        """Let the finished collection take its target's place."""
        stage, target = f"{item.name}.restoring_{self._run_id}", self._target_db
        there = (await self._database.collections(target)).get(item.name)
        if there is not None and there.kind is not CollectionKind.COLLECTION:
            await self.make_room(item.name)
        await self.run(
            {"renameCollection": f"{target}.{stage}", "to": f"{target}.{item.name}", "dropTarget": True},
            database="admin",
        )
        self._stages.discard(stage)

    async def make_room(self, name: str) -> None:
        """Drop what cannot be replaced by a rename."""
        if name in await self._database.collections(self._target_db):
            await self.run({"drop": name})

    async def sweep(self) -> None:
        """Remove what was loaded but not published. A server that is gone keeps it: the names say what they are."""
        try:
            there = await self._database.collections(self._target_db) if self._stages else {}
            for stage in sorted(self._stages & there.keys()):
                await self.run({"drop": stage})
        except SourceError as error:
            log.warning("restore.leftovers", collections=sorted(self._stages), error=str(error))
        self._stages.clear()


async def read_back(database: Database, database_name: str, item: Collection) -> Tally:
    """What the server holds of a collection, from its first document to its last."""
    held = Tally()
    async with (
        database.reader(snapshot=False, database=database_name) as reader,
        aclosing(read_ahead(reader.batches(item))) as batches,
    ):
        async for batch in batches:
            documents = list(split(batch))
            held.add(len(documents), len(batch), await in_thread(fingerprint, documents))
    return held


class _AtOnce:
    """Some pieces of work at once, and no more; the first that fails ends it. None goes on after the `with` block."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, at: object) -> None:
        try:
            if kind is None:
                await self.end()
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Returns when there is room for it. Raises what an earlier one raised."""
        self._tasks.add(asyncio.create_task(work))
        if len(self._tasks) >= self._limit:
            await self._some(asyncio.FIRST_COMPLETED)

    async def end(self) -> None:
        """Until all have ended."""
        while self._tasks:
            await self._some(asyncio.FIRST_EXCEPTION)

    async def _some(self, until: str) -> None:
        done, self._tasks = await asyncio.wait(self._tasks, return_when=until)
        for task in done:
            task.result()


async def _settled(command: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """The reply. When called off, what is on its way to the server is waited for a little: undoing it must come after it."""
    task = asyncio.ensure_future(command)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=SETTLE_SECONDS)
        task.cancel()
        raise


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
