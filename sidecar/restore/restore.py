"""The restore itself: read `restore` and `put_in_place` as lists of their steps.

Every collection is loaded into a staging collection, gets its indexes, is read back and compared, and only then replaces the
target's collection by one `renameCollection`. Until the first rename the target is untouched. Views and time series, which
MongoDB cannot rename, are made in place at the end.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from sidecar.archive.content import Content
from sidecar.archive.criteria import TypedValue
from sidecar.archive.definition import EMPTY, plain
from sidecar.errors import BackupInvalid, StorageError, TargetUnsuitable, UsageError
from sidecar.logger import Logger
from sidecar.model import BackupId, Collection, CollectionDetails, CollectionKind, Manifest
from sidecar.mongodb import definitions
from sidecar.mongodb.database import Database
from sidecar.restore.staging import Loading, Source
from sidecar.restore.target import Target
from sidecar.rules import compatibility, names
from sidecar.runtime.completion import completed
from sidecar.runtime.threads import in_thread
from sidecar.store.contents import contents
from sidecar.store.durable import Identity
from sidecar.store.files import identity_of
from sidecar.store.local import LocalStore
from sidecar.store.verify import read_manifest, verify

log = Logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Target):
    """What to restore: a backup or a part of it, into which target."""

    store: LocalStore
    backup_id: BackupId
    collections: tuple[str, ...] | None = None  # None: all collections of the backup
    ids: tuple[TypedValue, ...] | None = None  # only the documents with these `_id`s, of one collection
    with_indexes: bool = True


@dataclass(frozen=True, slots=True)
class Chosen:
    """A verified backup, the definitions of the collections to restore, and the source of their documents."""

    manifest: Manifest
    items: Mapping[str, Collection]
    source: Source


@dataclass(frozen=True, slots=True)
class Restored:
    """What the server holds after a restore, read back from it."""

    backup_id: str
    target_db: str
    collections: Mapping[str, CollectionDetails]
    views: tuple[str, ...]
    remarks: tuple[str, ...] = ()  # what had to be left out of definitions, in words
    # for a restore of single documents, how many were `inserted`, `replaced` and `unchanged`; None for whole collections
    documents: Mapping[str, int] | None = None


def require_names(target_db: str | None, collections: Sequence[str] | None) -> None:
    """Raises UsageError if a database or collections cannot have these names."""
    if target_db is not None and (expected := names.database_expected(target_db)):
        raise UsageError(f"the target database {target_db[:80]!r}: expected {expected}")
    if collections is not None and (not collections or any(names.collection_expected(one) for one in collections)):
        raise UsageError("collections: expected names of collections, none of them empty")


async def choose(order: Order, *, is_read_anyway: bool = False) -> Chosen:
    """Verify the backup and read its definitions. Raises BackupNotFound, BackupInvalid, UsageError.

    The checksum is computed here; with `is_read_anyway` it is computed later, while the documents are read.
    """
    manifest = await in_thread(read_manifest, order.store, order.backup_id)
    identity = None if is_read_anyway else await in_thread(_verified, order, manifest)
    items = _as_asked(order, await _definitions(order, manifest))
    open_source = partial(_contents, order, manifest, identity)
    return Chosen(manifest, items, Source(manifest.collections, manifest.collection_details, open_source))


async def obstacles(order: Order, chosen: Chosen) -> list[str]:
    """What the target's server lacks for this backup, and what a restore would lose, in words. Raises SourceError."""
    version = await order.database.server_version()
    found = []
    if compatibility.is_older(version, chosen.manifest.server_version):
        found.append(f"the backup is of a server {chosen.manifest.server_version}, the target is {version}")
    for item in chosen.items.values():
        indexes = [plain(raw) for raw in item.indexes]
        found += compatibility.lacks(item.name, plain(item.options), indexes, version)
    sharded = await order.database.sharded(order.target_db, chosen.items)
    return found + [f"{name} is sharded: it would come back on one shard, to be sharded again" for name in sharded]


async def require_suitable(order: Order, chosen: Chosen) -> None:
    """Raises TargetUnsuitable if there are obstacles and the restore is not forced."""
    if not order.force and (found := await obstacles(order, chosen)):
        raise TargetUnsuitable("; ".join(found))


async def restore(order: Order, chosen: Chosen | None = None) -> Restored:
    """Replace the target's collections by the backup's, and compare the result. Makes no safety backup: see `safety`.

    Raises BackupInvalid and TargetUnsuitable before anything is written, WriteRejected if the server refused a document, an index
    or a collection, and RestoreMismatch if the server's content differs afterwards.
    """
    chosen = chosen or await choose(order)
    await require_suitable(order, chosen)
    return described(order, chosen, await put_in_place(order, chosen.items, chosen.source))


def described(order: Order, chosen: Chosen, loaded: Loading) -> Restored:
    """Return the result of a finished restore, and log it."""
    backup_id = chosen.manifest.backup_id
    log.info("restore.completed", backup_id=backup_id, target_db=order.target_db, collections=len(chosen.items))
    views = tuple(view.name for view in definitions.sources_first(_views(chosen.items)))
    remarks = tuple(loaded.remarks) if order.with_indexes else ("without indexes, as asked for", *loaded.remarks)
    return Restored(backup_id, order.target_db, loaded.restored, views, remarks)


def _views(items: Mapping[str, Collection]) -> dict[str, Collection]:
    return {item.name: item for item in items.values() if not item.holds_documents}


async def put_in_place(
    target: Target, items: Mapping[str, Collection], source: Source, there: Mapping[str, Collection] | None = None
) -> Loading:
    """Replace these collections of the target by those of `source`, and return what was read back of them.

    `there` are the target's collections; None lists them.
    """
    if there is None:
        there = await target.database.collections(target.target_db)
    loading = Loading(target, source, there)
    by_rename = await _renamable(loading, items)
    in_place = {name: item for name, item in items.items() if item.holds_documents and name not in by_rename}
    try:
        await loading.load(by_rename)
        for item in by_rename.values():
            await _announce(target, item, loading.restored[item.name].fingerprint)
            await loading.publish(item)
    except BaseException:  # whatever ended it, nothing staged stays behind
        await completed(loading.sweep())
        raise
    for item in in_place.values():
        await _announce(target, item)
        await loading.make_room(item.name)
    await loading.load(in_place, is_staged=False)
    for name in in_place:
        await in_thread(target.journal.replace, name, loading.restored[name].fingerprint)
    for view in definitions.sources_first(_views(items)):
        await _announce(target, view)
        await loading.make_room(view.name)
        await loading.make(view, definitions.commands(view, view.name).create)
    await loading.compare_definitions(items)
    return loading


async def _renamable(loading: Loading, items: Mapping[str, Collection]) -> dict[str, Collection]:
    """The collections that can be staged and renamed: no time series, and none whose options the server's rename loses."""
    found = {item.name: item for item in items.values() if item.kind is CollectionKind.COLLECTION}
    if await loading.rename_keeps_options(list(found.values())):
        return found
    return {name: item for name, item in found.items() if item.options == EMPTY}


async def _announce(target: Target, item: Collection, fingerprint: str | None = None) -> None:
    """Run the checks, then note in the journal that the collection is about to be replaced."""
    for check in target.checks:
        await check(item)
    await in_thread(target.journal.replace, item.name, fingerprint)


@contextmanager
def _contents(order: Order, manifest: Manifest, verified: Identity | None = None) -> Iterator[Content]:
    """Open the backup's content. A file other than the `verified` one is refused; None computes the checksum while reading."""
    try:
        with contents(order.store, order.backup_id, manifest, order.codec, verified) as content:
            yield content
    except OSError as error:
        raise StorageError.of(error, f"reading {manifest.filename}") from error
    except BackupInvalid as error:
        if type(error) is not BackupInvalid or str(order.backup_id) in str(error):
            raise
        raise BackupInvalid(f"{order.backup_id}: {error}") from error


def _verified(order: Order, manifest: Manifest) -> Identity:
    """Verify the backup, and return the identity that its data file had just before. Raises BackupInvalid."""
    with order.store.open_data(order.backup_id, manifest.form) as file:
        identity = identity_of(file)
    verdict = verify(order.store, order.backup_id)
    if not verdict.is_valid:
        raise BackupInvalid(f"{order.backup_id} is not restored: {verdict.message}")
    log.info("restore.verified", backup_id=str(order.backup_id))
    return identity


async def _definitions(order: Order, manifest: Manifest) -> dict[str, Collection]:
    """The definitions stored in the backup; for a backup of version 2.x, which stored none, those of the target."""
    if not manifest.is_legacy:
        return await in_thread(_stored_definitions, order, manifest)
    return await as_there(order.database, order.target_db, manifest.collections)


def _stored_definitions(order: Order, manifest: Manifest) -> dict[str, Collection]:
    with _contents(order, manifest) as content:
        return dict(content.definitions)


async def as_there(database: Database, target_db: str, names: Iterable[str]) -> dict[str, Collection]:
    """The target's definitions of these collections; a plain collection for each that the target lacks."""
    there = await database.collections(target_db)
    found = [there.get(name, Collection(name, CollectionKind.COLLECTION, None, EMPTY)) for name in names]
    return {item.name: await database.with_indexes(item, target_db) if item.name in there else item for item in found}


def _wanted(order: Order, items: Mapping[str, Collection]) -> dict[str, Collection]:
    if order.collections is None:
        return dict(items)
    unknown = [name for name in order.collections if name not in items]
    if unknown:
        raise UsageError(f"{order.backup_id} does not hold {', '.join(unknown)}; it holds {', '.join(items)}")
    return {name: item for name, item in items.items() if name in order.collections}


def _as_asked(order: Order, items: Mapping[str, Collection]) -> dict[str, Collection]:
    """The collections that the order names, with or without their indexes."""
    wanted = _wanted(order, items)
    return wanted if order.with_indexes else {n: definitions.without_indexes(item) for n, item in wanted.items()}
