"""Making a backup: read `make_backup` as the list of its steps. The metadata comes last."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from sidecar import __version__
from sidecar.archive import framing
from sidecar.archive.codec import Codec
from sidecar.archive.manifest import to_bytes
from sidecar.backup.collection import copy_collection
from sidecar.errors import (
    CollectionsChanged,
    NothingToBackUp,
    SnapshotTooOld,
    SnapshotUnavailable,
    SourceError,
    StorageFull,
)
from sidecar.events import Listener, nobody
from sidecar.model import (
    FORMAT_VERSION,
    MB,
    METADATA_VERSION,
    BackupSet,
    Collection,
    CollectionDetails,
    Consistency,
    Manifest,
    Trigger,
)
from sidecar.mongodb.database import Database
from sidecar.mongodb.listing import Listing
from sidecar.rules import room, suspicion
from sidecar.rules.names import is_ours
from sidecar.runtime.threads import entered, in_thread
from sidecar.store.draft import Draft
from sidecar.store.durable import Identity
from sidecar.store.local import LocalStore
from sidecar.store.lock import Lock

SNAPSHOTS_PER_SET = 2
READS_PER_CHANGED_SET = 2

log = structlog.get_logger(__name__)


class Fence:
    """Is asked right before a backup is published, and forbids it by raising. This one never does."""

    async def require(self) -> None:
        """Ask whoever knows, wherever that is."""

    def check(self) -> None:
        """Look once more, at what can be seen at once; called in a thread."""


def _nobody(_manifest: Manifest, _identity: Identity) -> None:
    """For when nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupOrder:
    """What is to be backed up, from where to where, and the limits that hold for it."""

    database: Database
    store: LocalStore
    codec: Codec
    mongo_host: str
    min_free_bytes: int
    trigger: Trigger = Trigger.MANUAL
    is_pinned: bool = False
    text_per_bson: float = room.TEXT_PER_BSON
    baseline: Mapping[str, int] = field(default_factory=dict)  # documents that recent backups hold, by collection
    listener: Listener = nobody
    fence: Fence = field(default_factory=Fence)
    committed: Callable[[Manifest, Identity], None] = _nobody  # told, in a thread, what the commit has proven

    @property
    def set(self) -> BackupSet:
        return self.store.set


@dataclass(frozen=True, slots=True)
class _Content:
    """What was written to a draft and how it was read."""

    details: Mapping[str, CollectionDetails]
    missing: tuple[str, ...]
    cluster_time: tuple[int, int] | None
    server_version: str
    notes: tuple[str, ...]


async def make_backup(order: BackupOrder, lock: Lock) -> Manifest:
    """Back up one set and return its metadata, which is on the disk by then.

    The caller holds the set's lock. Raises StorageError, SourceError and what the fence raises; then nothing of the attempt
    is left and everything that was there before still is.
    """
    began, clock = datetime.now(UTC), time.monotonic()
    await _require_space(order)
    async with entered(order.store.begin(lock, began)) as draft:
        content = await _write_set(order, draft)
        await in_thread(draft.commit_data)
        manifest = _describe(order, draft, content, began, time.monotonic() - clock)
        await order.fence.require()
        await in_thread(draft.commit, to_bytes(manifest), is_pinned=order.is_pinned, last_look=order.fence.check)
        if draft.identity is not None:
            await in_thread(order.committed, manifest, draft.identity)
    log.info(
        "backup.committed",
        backup_id=manifest.backup_id,
        size_bytes=manifest.file_size_bytes,
        checksum=manifest.checksum,
    )
    if manifest.suspicions:
        log.warning("backup.suspect", backup_id=manifest.backup_id, lost=manifest.suspicions)
    return manifest


async def _require_space(order: BackupOrder) -> None:
    predicted = await predicted_bytes(order.database, order.set, order.text_per_bson)
    needed, free = room.Room(order.min_free_bytes, predicted), await in_thread(order.store.free_bytes)
    if shortage := needed.shortage(free, str(order.store.directory)):
        raise StorageFull(shortage, free_bytes=free, needed_bytes=needed.needed_bytes)


async def predicted_bytes(database: Database, backup_set: BackupSet, text_per_bson: float) -> int:
    """How large a backup of the set would be now. Raises SourceError."""
    items, _ = _chosen(backup_set, await database.collections())
    return room.predicted_bytes(await database.data_bytes(items), text_per_bson)


# -- one set -----------------------------------------------------------------------------------------------------------


async def _write_set(order: BackupOrder, draft: Draft) -> _Content:
    """Read the whole set at one cluster time; where the server cannot, say so and read collection by collection."""
    start = draft.mark()
    notes: list[str] = []
    snapshots = changes = 0
    while True:
        try:
            return await _write_set_once(order, draft, notes, snapshot=not notes)
        except SnapshotTooOld as error:
            snapshots += 1
            if snapshots == SNAPSHOTS_PER_SET:
                notes.append(f"no snapshot: {error}")
            log.warning("backup.snapshot_too_old", set=order.set.name, snapshots=snapshots, error=str(error))
        except SnapshotUnavailable as error:
            notes.append(f"no snapshot: {error}")
            log.warning("backup.no_snapshot", set=order.set.name, error=str(error))
        except CollectionsChanged as error:
            changes += 1
            if changes == READS_PER_CHANGED_SET:
                raise
            log.warning("backup.collections_changed", set=order.set.name, error=str(error))
        await in_thread(draft.rewind, start)


async def _write_set_once(order: BackupOrder, draft: Draft, notes: list[str], *, snapshot: bool) -> _Content:
    server_version = await order.database.server_version()
    before = await order.database.collections()
    chosen, missing = _chosen(order.set, before)
    if missing:
        log.warning("backup.collections_missing", set=order.set.name, missing=missing)
    items = {name: await order.database.with_indexes(item) for name, item in chosen.items()}
    await in_thread(draft.write, _header(order, draft, items))
    details: dict[str, CollectionDetails] = {}
    async with order.database.reader(snapshot=snapshot) as reader:
        for item in items.values():
            if item.holds_documents:
                await in_thread(draft.write, framing.opening(item.name, is_first=not details))
                details[item.name] = await copy_collection(reader, item, draft, order.codec, order.listener)
                await in_thread(draft.write, framing.CLOSING)
    await in_thread(draft.write, framing.FOOTER)
    _require_unchanged(order.set, before, await order.database.collections())
    at = reader.cluster_time
    return _Content(details, missing, (at.time, at.inc) if at else None, server_version, tuple(notes))


def _header(order: BackupOrder, draft: Draft, items: Mapping[str, Collection]) -> bytes:
    try:
        return framing.header(draft.id, order.set.name, order.database.name, items, order.codec)
    except ValueError as error:  # what the server listed is no BSON, or too much of it
        raise SourceError(f"the definitions of the set {order.set.name}: {error}") from error


def _chosen(backup_set: BackupSet, found: Listing) -> tuple[dict[str, Collection], tuple[str, ...]]:
    """The set's collections that can be read, and the others by name with the reason. Raises NothingToBackUp."""
    if backup_set.takes_all:
        there = sorted(found.keys() | found.unreadable.keys())
        names = [name for name in there if name not in backup_set.exclude and not is_ours(name)]
    else:
        names = list(backup_set.collections)
    chosen = {name: found[name] for name in names if name in found}
    missing = tuple(
        f"{name} ({found.unreadable[name]})" if name in found.unreadable else name
        for name in names
        if name not in chosen
    )
    if not chosen:
        raise NothingToBackUp(
            f"none of the collections of the set {backup_set.name} exists: {', '.join(missing) or 'the database is empty'}"
        )
    return chosen, missing


def _require_unchanged(
    backup_set: BackupSet, before: Mapping[str, Collection], after: Mapping[str, Collection]
) -> None:
    names = sorted((before.keys() | after.keys()) if backup_set.takes_all else backup_set.collections)
    changed = [
        name
        for name in names
        if name not in backup_set.exclude
        and not is_ours(name)
        and _identity(before.get(name)) != _identity(after.get(name))
    ]
    if changed:
        raise CollectionsChanged(f"created, dropped, renamed or re-created during the backup: {', '.join(changed)}")


def _identity(item: Collection | None) -> tuple[object, ...] | None:
    return (item.kind, item.uuid) if item else None


def _describe(order: BackupOrder, draft: Draft, content: _Content, began: datetime, seconds: float) -> Manifest:
    counts = {name: detail.documents for name, detail in content.details.items()}
    return Manifest(
        backup_id=str(draft.id),
        backup_type=order.set.name,
        filename=draft.id.data_name,
        timestamp=began,
        checksum=draft.checksum,
        checksum_algorithm="SHA256",
        file_size_bytes=draft.size_bytes,
        file_size_mb=round(draft.size_bytes / MB, 2),
        collections=counts,
        mongo_url=order.mongo_host,
        db_name=order.database.name,
        version=METADATA_VERSION,
        format_version=FORMAT_VERSION,
        sidecar_version=__version__,
        trigger=order.trigger,
        duration_seconds=round(seconds, 3),
        consistency=Consistency.SNAPSHOT if content.cluster_time else Consistency.PER_COLLECTION,
        cluster_time=content.cluster_time,
        codec=order.codec.name,
        server_version=content.server_version,
        missing_collections=content.missing,
        notes=content.notes,
        suspicions=suspicion.losses(order.baseline, counts),
        collection_details=dict(content.details),
    )
