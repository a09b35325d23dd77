"""Make a backup: read `make_backup` as the list of its steps. The metadata is written last."""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from sidecar import __version__
from sidecar.archive import framing
from sidecar.archive.codec import Codec
from sidecar.archive.definition import require_sound
from sidecar.archive.manifest import to_bytes
from sidecar.archive.sealing import sealed
from sidecar.backup.choice import chosen, require_unchanged
from sidecar.backup.collection import copy_collection
from sidecar.errors import (
    CollectionsChanged,
    CursorFailed,
    SnapshotTooOld,
    SnapshotUnavailable,
    SourceError,
    SourceUnavailable,
    StorageFull,
)
from sidecar.events import Listener, nobody
from sidecar.logger import Logger
from sidecar.model import (
    FORMAT_VERSION,
    MB,
    METADATA_VERSION,
    BackupSet,
    Collection,
    CollectionDetails,
    Consistency,
    Encryption,
    Manifest,
    Trigger,
)
from sidecar.mongodb import reading
from sidecar.mongodb.database import Database
from sidecar.mongodb.reader import Reader
from sidecar.rules import room, suspicion
from sidecar.runtime.threads import entered, in_thread
from sidecar.store.draft import Draft
from sidecar.store.durable import Identity
from sidecar.store.local import LocalStore
from sidecar.store.lock import Lock

SNAPSHOTS_PER_SET = 2
READS_PER_CHANGED_SET = 2

log = Logger(__name__)


class Fence:
    """Decides right before a backup is published whether it may be: its methods raise to forbid it. This one always allows it."""

    async def require(self) -> None:
        """Raises an error if the backup may not be published. It may ask a server."""

    def check(self) -> None:
        """The last check, without asking a server. Called in a thread."""


def _nobody(_manifest: Manifest, _identity: Identity) -> None:
    """Do nothing: the caller does not need to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupOrder:
    """What to back up, from where to where, and its limits."""

    database: Database
    store: LocalStore
    codec: Codec
    mongo_host: str
    min_free_bytes: int
    trigger: Trigger = Trigger.MANUAL
    is_pinned: bool = False
    stored_per_bson: float = room.TEXT_PER_BSON
    baseline: Mapping[str, int] = field(default_factory=dict)  # collection → number of documents in recent backups
    listener: Listener = nobody
    fence: Fence = field(default_factory=Fence)
    committed: Callable[[Manifest, Identity], None] = _nobody  # called in a thread after the commit

    @property
    def set(self) -> BackupSet:
        return self.store.set


@dataclass(frozen=True, slots=True)
class _Content:
    """The collections that were written to a draft, and how they were read."""

    details: Mapping[str, CollectionDetails]
    missing: tuple[str, ...]
    cluster_time: tuple[int, int] | None
    server_version: str
    notes: tuple[str, ...]


async def make_backup(order: BackupOrder, lock: Lock) -> Manifest:
    """Back up one set, and return its metadata after it is on the disk.

    The caller holds the set's lock. Raises StorageError, SourceError and the fence's errors. After an error nothing of the
    attempt is left, and earlier backups are unchanged.
    """
    began, clock = datetime.now(UTC), time.monotonic()
    await _require_space(order)
    async with entered(order.store.begin(lock, began)) as draft:
        content = await _write_set(order, draft)
        await in_thread(draft.commit_data)
        manifest = sealed(_describe(order, draft, content, began, time.monotonic() - clock))
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
    predicted = await predicted_bytes(order.database, order.set, order.stored_per_bson)
    needed, free = room.RoomNeeded(order.min_free_bytes, predicted), await in_thread(order.store.free_bytes)
    if shortage := needed.shortage(free, str(order.store.directory)):
        raise StorageFull(shortage, free_bytes=free, needed_bytes=needed.needed_bytes)


async def predicted_bytes(database: Database, backup_set: BackupSet, stored_per_bson: float) -> int:
    """The estimated size of a backup of the set in bytes. Raises SourceError, NothingToBackUp."""
    items, _ = chosen(backup_set, await database.collections())
    return room.predicted_bytes(await database.data_bytes(items), stored_per_bson)


# -- one set -----------------------------------------------------------------------------------------------------------


async def _write_set(order: BackupOrder, draft: Draft) -> _Content:
    """Read the set at one cluster time. If the server cannot do that, note it and read each collection on its own."""
    start, attempts = await in_thread(draft.mark), _Attempts(order)
    while True:
        try:
            return await _write_set_once(order, draft, attempts)
        except (SnapshotTooOld, SnapshotUnavailable, CollectionsChanged, CursorFailed, SourceUnavailable) as error:
            attempts.failed(error)
        await asyncio.sleep(reading.RETRY_SECONDS * attempts.breaks)
        await in_thread(draft.rewind, start)


async def _write_set_once(order: BackupOrder, draft: Draft, attempts: "_Attempts") -> _Content:
    database = order.database
    server_version = await database.persist(database.server_version)
    before = await database.persist(database.collections)
    items, missing = chosen(order.set, before)
    if missing:
        log.warning("backup.collections_missing", set=order.set.name, missing=missing)
    whole = {name: await database.persist(partial(database.with_indexes, item)) for name, item in items.items()}
    await in_thread(draft.write, _header(order, draft, whole))
    async with database.reader(snapshot=attempts.wants_snapshot) as reader:
        details = await _write_documents(order, draft, reader, whole, by_id=attempts.breaks > 0)
    require_unchanged(order.set, before, await database.persist(database.collections))
    at = reader.cluster_time
    return _Content(details, missing, (at.time, at.inc) if at else None, server_version, tuple(attempts.notes))


def _header(order: BackupOrder, draft: Draft, items: Mapping[str, Collection]) -> bytes:
    try:
        require_sound(items, [item.name for item in items.values() if item.holds_documents])
        salt = secrets.token_hex() if draft.storing.form.is_encrypted else None
        return framing.header(draft.id, order.set.name, order.database.name, items, order.codec, salt=salt)
    except ValueError as error:  # the server's definitions are malformed, too large, or cannot be restored
        raise SourceError(f"the definitions of the set {order.set.name}: {error}") from error


async def _write_documents(
    order: BackupOrder, draft: Draft, reader: Reader, items: Mapping[str, Collection], *, by_id: bool
) -> dict[str, CollectionDetails]:
    details: dict[str, CollectionDetails] = {}
    for item in items.values():
        if item.holds_documents:
            await in_thread(draft.write, framing.opening(item.name, is_first=not details))
            details[item.name] = await copy_collection(reader, item, draft, order.codec, order.listener, by_id=by_id)
            await in_thread(draft.write, framing.CLOSING)
    await in_thread(draft.write, framing.FOOTER)
    return details


@dataclass(slots=True)
class _Attempts:
    """Counts the failed attempts to read a set, and decides how to try again. `notes` go into the metadata."""

    order: BackupOrder
    wants_snapshot: bool = True
    notes: list[str] = field(default_factory=list)
    breaks: int = 0  # attempts that broke off; an encrypted file can only be begun again
    _snapshots: int = 0
    _changes: int = 0

    def failed(self, error: SourceError) -> None:
        """Count a failed attempt. Raises `error` if there is nothing left to try."""
        set_name, why = self.order.set.name, str(error)
        match error:
            case SnapshotTooOld():
                self._snapshots += 1
                log.warning("backup.snapshot_too_old", set=set_name, snapshots=self._snapshots, error=why)
                if self._snapshots == SNAPSHOTS_PER_SET:
                    self._do_without(why)
            case SnapshotUnavailable():
                say = log.warning if self.order.database.is_new(why) else log.debug  # the same at every run: warn once
                say("backup.no_snapshot", set=set_name, error=why)
                self._do_without(why)
            case CursorFailed() | SourceUnavailable():
                self.breaks += 1
                # without encryption each collection has already been read again
                if self.breaks == reading.READS or not self.order.set.recipients:
                    raise error
                log.warning("backup.restarted", set=set_name, attempt=self.breaks, error=why)
            case CollectionsChanged():
                self._changes += 1
                if self._changes == READS_PER_CHANGED_SET:
                    raise error
                log.warning("backup.collections_changed", set=set_name, error=why)

    def _do_without(self, why: str) -> None:
        self.wants_snapshot = False
        self.notes.append(f"no snapshot: {why}")


def _describe(order: BackupOrder, draft: Draft, content: _Content, began: datetime, seconds: float) -> Manifest:
    counts = {name: detail.documents for name, detail in content.details.items()}
    return Manifest(
        backup_id=str(draft.id),
        backup_type=order.set.name,
        filename=draft.filename,
        timestamp=began,
        checksum=draft.stored.checksum,
        checksum_algorithm="SHA256",
        file_size_bytes=draft.stored.size,
        file_size_mb=round(draft.stored.size / MB, 2),
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
        content_checksum=draft.text.checksum,
        content_size_bytes=draft.text.size,
        compression="zstd" if draft.storing.form.is_compressed else None,
        encryption=Encryption(recipients=tuple(draft.storing.recipients)) if draft.storing.recipients else None,
    )
