"""What a restore would do, found out without writing anything: documents compared one by one, and what stands in its way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bson.raw_bson import RawBSONDocument

from sidecar.archive import legacy
from sidecar.archive.bson import split
from sidecar.archive.content import Batch
from sidecar.archive.definition import DOCUMENT, EMPTY, fields, operators, text
from sidecar.errors import SourceError
from sidecar.inspect.compare import Comparison, Difference
from sidecar.model import Collection, CollectionKind
from sidecar.mongodb.database import Database
from sidecar.restore import restore
from sidecar.restore.examine import Examination
from sidecar.runtime.threads import in_thread

TRIED_BYTES = 8 << 20  # of documents in one command
_JAVASCRIPT = frozenset({"$where", "$function", "$accumulator"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One collection. Numbers of documents; None where they were not compared, or there is no such collection."""

    collection: str
    kind: CollectionKind
    documents: int
    replaces_documents: int | None
    inserted: int | None = None  # only in the backup
    replaced: int | None = None  # in both, with other content
    unchanged: int | None = None
    removed: int | None = None  # only in the target
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What would become of each collection, and why it will not be done without force, if so."""

    collections: tuple[Planned, ...]
    obstacles: tuple[str, ...]


async def plan(order: restore.Order, *, compare: bool = True) -> Plan:
    """Verify the backup and look at the target. `compare` reads both from end to end. Raises what a restore raises first."""
    chosen = await restore.choose(order)
    there = await order.database.collections(order.target_db)
    async with order.database.reader(snapshot=False, database=order.target_db) as reader:
        held = {name: await reader.count(there[name]) for name in chosen.items if name in there}
    counts = chosen.manifest.collections
    planned = {n: (item.kind, counts.get(n, 0), held.get(n)) for n, item in chosen.items.items()}
    obstacles = tuple(await restore.obstacles(order, chosen))
    if not compare:
        lines = [Planned(collection=n, kind=k, documents=d, replaces_documents=h) for n, (k, d, h) in planned.items()]
        return Plan(tuple(lines), obstacles)
    looks = await _compared(order, chosen, there)
    return Plan(tuple(_line(name, *planned[name], looks) for name in planned), obstacles)


@dataclass(frozen=True, slots=True)
class _Looks:
    differences: Mapping[str, Difference]
    warnings: Mapping[str, list[str]]


def _line(name: str, kind: CollectionKind, documents: int, held: int | None, looks: _Looks) -> Planned:
    found = looks.differences.get(name)
    if found is None:  # a view
        return Planned(collection=name, kind=kind, documents=documents, replaces_documents=held)
    return Planned(
        collection=name,
        kind=kind,
        documents=documents,
        replaces_documents=held,
        inserted=found.added,
        replaced=found.changed,
        unchanged=found.right_documents - found.added - found.changed,
        removed=found.removed,
        warnings=tuple(looks.warnings[name]),
    )


async def _compared(order: restore.Order, chosen: restore.Chosen, there: Mapping[str, Collection]) -> _Looks:
    items = {name: item for name, item in chosen.items.items() if item.holds_documents}
    now = datetime.now(UTC)
    examinations = {name: Examination(item, now) for name, item in items.items()}
    validators = {name: _Validator(order.database, order.target_db, item) for name, item in items.items()}
    with Comparison() as comparison:
        for name in items:
            comparison.note(name)
        async with order.database.reader(snapshot=False, database=order.target_db) as reader:
            for name in items.keys() & there.keys():
                async for bson_bytes in reader.batches(there[name]):
                    await in_thread(comparison.left, name, bson_bytes)
        with chosen.source.open() as content:
            while (batch := await in_thread(next, content.batches, None)) is not None:
                if batch.collection in items:
                    await in_thread(_look, comparison, examinations[batch.collection], batch)
                    await validators[batch.collection].attempt(batch.bson)
        differences = await in_thread(comparison.result)
    warnings = {
        name: examinations[name].findings() + validators[name].findings() + legacy.remarks(items[name])
        for name in items
    }
    for examination in examinations.values():
        examination.close()
    return _Looks(differences, warnings)


def _look(comparison: Comparison, examination: Examination, batch: Batch) -> None:
    comparison.right(batch.collection, batch.bson)
    examination.add(batch.bson)


class _Validator:
    """Asks the server which documents its validator would refuse, without writing any.

    The validator comes out of a file: one that brings JavaScript along is not tried, and one that computes is said to have been.
    """

    def __init__(self, database: Database, target_db: str, item: Collection) -> None:
        options = fields(item.options)
        found = options.get("validator")
        is_tried = found is not None and found.kind == DOCUMENT and text(options.get("validationLevel")) != "off"
        stored = found.value if found is not None and is_tried else EMPTY
        used = operators(stored)
        self._code = sorted(used & _JAVASCRIPT)
        self._computes = "$expr" in used
        self._validator = None if self._code or stored == EMPTY else RawBSONDocument(stored)
        self._database = database
        self._target_db = target_db
        self._refused = 0
        self._error: str | None = None

    async def attempt(self, documents: bytes) -> None:
        if self._validator is None or self._error or not documents:
            return
        message: list[RawBSONDocument] = []
        size = 0
        for document in split(documents):
            if message and size + len(document) > TRIED_BYTES:
                await self._ask(message)
                message, size = [], 0
            message.append(RawBSONDocument(document))
            size += len(document)
        await self._ask(message)

    async def _ask(self, message: list[RawBSONDocument]) -> None:
        pipeline: list[dict[str, Any]] = [
            {"$documents": {"$literal": message}},
            {"$match": {"$nor": [self._validator]}},
            {"$count": "refused"},
        ]
        try:
            reply = await self._database.command(
                {"aggregate": 1, "pipeline": pipeline, "cursor": {}}, database=self._target_db
            )
        except SourceError as error:
            self._error = str(error)
            return
        self._refused += sum(row["refused"] for row in reply["cursor"]["firstBatch"])

    def findings(self) -> list[str]:
        if self._code:
            return [f"its validator was not tried: it runs JavaScript of the backup ({', '.join(self._code)})"]
        if self._error:
            return [f"its validator could not be tried ({self._error})"]
        found = ["its validator computes ($expr): the server ran it to try it"] if self._computes else []
        if self._refused:
            found.append(f"{self._refused:,} documents are not valid by its validator; they are restored all the same")
        return found
