"""The way back: read `restore` as the list of its steps.

Every collection is loaded beside its target as `<name>.restoring_<run>`, gets its indexes, is read back and compared, and only
then takes its target's place in one `renameCollection`. Until the first rename the target is untouched. What MongoDB cannot
rename, views and time series, is made in place at the end.
"""

import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import bson
import structlog

from sidecar.archive.codec import Codec
from sidecar.archive.content import Content, reading
from sidecar.errors import BackupInvalid, TargetUnsuitable, UsageError
from sidecar.events import Listener, nobody
from sidecar.model import BackupId, Collection, CollectionDetails, CollectionKind, Manifest
from sidecar.mongodb import definitions
from sidecar.mongodb.database import Database
from sidecar.restore.staging import Backup, Loading
from sidecar.rules import compatibility
from sidecar.runtime.threads import in_thread
from sidecar.store.local import LocalStore
from sidecar.store.verify import read_manifest, verify

log = structlog.get_logger(__name__)


Check = Callable[[Collection], Awaitable[None]]


class Journal:
    """Is told what a restore is about to replace, so that what a killed one did can be undone. This one forgets it."""

    def protected(self, existing: Iterable[str], safety: str | None, late: Mapping[str, str]) -> None:
        """Which collections the target had and in which backups they are; `late`, by collection, goes before `safety`."""

    def replacing(self, name: str, fingerprint: str | None) -> None:
        """Called before a collection is replaced by one of this content; None for a view or what is filled in place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where collections are put in place, and who is asked and told."""

    database: Database
    target_db: str
    listener: Listener = nobody
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])  # what it stages is named after it
    checks: tuple[Check, ...] = ()  # awaited just before a collection is replaced, which does not happen if one raises
    journal: Journal = field(default_factory=Journal)
    replaced: list[str] = field(default_factory=list)  # grows: what the target does not hold any more as it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Target):
    """Which backup goes where."""

    store: LocalStore
    backup_id: BackupId
    codec: Codec
    collections: tuple[str, ...] | None = None  # None: all that the backup holds
    force: bool = False  # try it in spite of all obstacles


@dataclass(frozen=True, slots=True)
class Chosen:
    """What an order comes to: a verified backup, and those of its collections that are asked for."""

    manifest: Manifest
    items: Mapping[str, Collection]
    backup: Backup


@dataclass(frozen=True, slots=True)
class Restored:
    """What the server holds after a restore, read back from it."""

    backup_id: str
    target_db: str
    collections: Mapping[str, CollectionDetails]
    views: tuple[str, ...]


async def choose(order: Order) -> Chosen:
    """Verify the backup and read its definitions. Raises BackupNotFound, BackupInvalid, UsageError."""
    manifest = await _trusted(order)
    items = _wanted(order, await _definitions(order, manifest))
    backup = Backup(manifest.collections, manifest.collection_details, partial(_contents, order, manifest))
    return Chosen(manifest, items, backup)


async def obstacles(order: Order, chosen: Chosen) -> list[str]:
    """What the target's server lacks of what the backup needs, and what it would lose, in words. Raises SourceError."""
    version = await order.database.server_version()
    found = []
    if compatibility.is_older(version, chosen.manifest.server_version):
        found.append(f"the backup is of a server {chosen.manifest.server_version}, the target is {version}")
    for item in chosen.items.values():
        indexes = [bson.decode(raw) for raw in item.indexes]
        found += compatibility.lacks(item.name, bson.decode(item.options), indexes, version)
    sharded = await order.database.sharded(order.target_db, chosen.items)
    return found + [f"{name} is sharded: it would come back on one shard, to be sharded again" for name in sharded]


async def restore(order: Order) -> Restored:
    """Make the target's collections what the backup holds, and prove it.

    Raises BackupInvalid and TargetUnsuitable before anything is written, WriteRejected for any document, index or collection that
    the server did not take, RestoreMismatch where it holds something else afterwards.
    """
    chosen = await choose(order)
    if not order.force and (found := await obstacles(order, chosen)):
        raise TargetUnsuitable("; ".join(found))
    manifest, items, backup = chosen.manifest, chosen.items, chosen.backup
    restored = await put_in_place(order, items, backup)
    log.info("restore.completed", backup_id=manifest.backup_id, target_db=order.target_db, collections=len(items))
    views = tuple(view.name for view in definitions.sources_first(_views(items)))
    return Restored(manifest.backup_id, order.target_db, restored, views)


def _views(items: Mapping[str, Collection]) -> dict[str, Collection]:
    return {item.name: item for item in items.values() if not item.holds_documents}


async def put_in_place(
    target: Target, items: Mapping[str, Collection], backup: Backup
) -> Mapping[str, CollectionDetails]:
    """Make these collections of the target what `backup` holds; return what was read back of them."""
    staged = [item for item in items.values() if item.kind is CollectionKind.COLLECTION]
    in_place = [item for item in items.values() if item.kind is CollectionKind.TIMESERIES]
    loading = Loading(target.database, target.target_db, backup, target.run_id, target.listener)
    if not await loading.rename_keeps_options(staged):
        in_place += [item for item in staged if item.options != definitions.EMPTY]
        staged = [item for item in staged if item.options == definitions.EMPTY]
    try:
        await loading.load({item.name: item for item in staged})
        for item in staged:
            await _announce(target, item, loading.restored[item.name].fingerprint)
            await loading.publish(item)
    finally:
        await loading.sweep()
    for item in in_place:
        await _announce(target, item)
        await loading.make_room(item.name)
    await loading.load({item.name: item for item in in_place}, is_staged=False)
    for view in definitions.sources_first(_views(items)):
        await _announce(target, view)
        await loading.make_room(view.name)
        await loading.run(definitions.commands(view, view.name).create)
    await loading.compare_definitions(items)
    return loading.restored


async def _announce(target: Target, item: Collection, fingerprint: str | None = None) -> None:
    """From here on the target does not hold this any more as it was."""
    for check in target.checks:
        await check(item)
    await in_thread(target.journal.replacing, item.name, fingerprint)
    target.replaced.append(item.name)


@contextmanager
def _contents(order: Order, manifest: Manifest) -> Iterator[Content]:
    with order.store.open_data(order.backup_id) as file, reading(file, manifest, order.codec) as content:
        yield content


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
        with _contents(order, manifest) as content:
            return dict(content.definitions)
    return await as_there(order.database, order.target_db, manifest.collections)


async def as_there(database: Database, target_db: str, names: Iterable[str]) -> dict[str, Collection]:
    """These collections as the target has them; a plain one where it has none."""
    there = await database.collections(target_db)
    found = [there.get(name, Collection(name, CollectionKind.COLLECTION, None, definitions.EMPTY)) for name in names]
    return {item.name: await database.with_indexes(item, target_db) if item.name in there else item for item in found}


def _wanted(order: Order, items: Mapping[str, Collection]) -> dict[str, Collection]:
    if order.collections is None:
        return dict(items)
    unknown = [name for name in order.collections if name not in items]
    if unknown:
        raise UsageError(f"{order.backup_id} does not hold {', '.join(unknown)}; it holds {', '.join(items)}")
    return {name: item for name, item in items.items() if name in order.collections}
