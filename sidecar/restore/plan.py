"""The plan of a restore, made without writing anything: what it would insert, replace and remove, and what prevents it."""

from collections.abc import Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sidecar.archive import legacy
from sidecar.archive.content import Batch
from sidecar.inspect.compare import Comparison, Difference, FirstSide
from sidecar.model import Collection, CollectionKind
from sidecar.mongodb import definitions
from sidecar.mongodb.reading import read_collection
from sidecar.restore import restore
from sidecar.restore.examine import Examination
from sidecar.restore.validator import Validator
from sidecar.runtime.threads import entered, in_thread, in_turn
from sidecar.store.spill import place_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The plan for one collection: numbers of documents, None where documents were not compared.

    `replaces_documents` is what the target holds, None if it has no such collection.
    """

    collection: str
    kind: CollectionKind
    documents: int
    replaces_documents: int | None
    indexes: int = 0  # without the one on `_id`; a plan cannot tell whether the server will build them
    inserted: int | None = None  # only in the backup
    replaced: int | None = None  # in both, with other content
    unchanged: int | None = None
    removed: int | None = None  # only in the target
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restore would do to each collection, and the obstacles for which it refuses unless it is forced."""

    collections: tuple[Planned, ...]
    obstacles: tuple[str, ...]


async def plan(order: restore.Order, chosen: restore.Chosen | None = None, *, directory: Path | None = None) -> Plan:
    """Verify the backup, and compare all of its documents with the target's. Raises the errors of `choose`, and SourceError.

    If the backup is verified already (`chosen`), documents are only counted, because the restore itself will read them.
    The comparison keeps its hashes in a file below `directory` (default: the backup directory), or in memory for an encrypted
    backup.
    """
    is_compared = chosen is None
    chosen = chosen or await restore.choose(order, is_read_anyway=True)
    there = await order.database.collections(order.target_db)
    async with order.database.reader(snapshot=False, database=order.target_db) as reader:
        held = {name: await reader.count(there[name]) for name in chosen.items if name in there}
    looks = await _compared(order, chosen, there, directory or order.store.root) if is_compared else {}
    obstacles = await restore.obstacles(order, chosen)
    counts = chosen.manifest.collections
    lines = [_line(item, counts.get(name, 0), held.get(name), looks.get(name)) for name, item in chosen.items.items()]
    return Plan(tuple(lines), tuple(obstacles))


@dataclass(frozen=True, slots=True)
class _Look:
    """The comparison of one collection, and the warnings about its documents."""

    difference: Difference
    warnings: tuple[str, ...]


def _line(item: Collection, documents: int, held: int | None, look: _Look | None) -> Planned:
    line = Planned(
        collection=item.name,
        kind=item.kind,
        documents=documents,
        replaces_documents=held,
        indexes=definitions.count_indexes(item),
    )
    if look is None:  # a view, or documents were not compared
        return line
    found = look.difference
    return replace(
        line,
        inserted=found.added,
        replaced=found.changed,
        unchanged=found.right_documents - found.added - found.changed,
        removed=found.removed,
        warnings=look.warnings,
    )


async def _compared(
    order: restore.Order, chosen: restore.Chosen, there: Mapping[str, Collection], directory: Path
) -> dict[str, _Look]:
    items = {name: item for name, item in chosen.items.items() if item.holds_documents}
    now, place = datetime.now(UTC), place_for(directory, chosen.manifest)
    async with AsyncExitStack() as stack:
        comparison = await stack.enter_async_context(entered(await in_thread(Comparison, place)))
        examinations = {
            name: await stack.enter_async_context(entered(await in_thread(Examination, item, now, place)))
            for name, item in items.items()
        }
        validators = {name: Validator(order.database, order.target_db, item) for name, item in items.items()}
        for name in items:
            comparison.note(name)
        async with order.database.reader(snapshot=False, database=order.target_db) as reader:
            for name in items.keys() & there.keys():
                await read_collection(reader, there[name], FirstSide(comparison, name))
        async with entered(chosen.source.open()) as content, aclosing(in_turn(content.batches)) as batches:
            async for batch in batches:
                if batch.collection in items:
                    await in_thread(_look, comparison, examinations[batch.collection], batch)
                    await validators[batch.collection].attempt(batch.bson)
        differences = await in_thread(comparison.result)
        examined = {name: await in_thread(examinations[name].findings) for name in items}
        return {
            name: _Look(differences[name], (*examined[name], *validators[name].findings(), *legacy.remarks(item)))
            for name, item in items.items()
        }


def _look(comparison: Comparison, examination: Examination, batch: Batch) -> None:
    comparison.second(batch.collection, batch.bson)
    examination.add(batch.bson)
