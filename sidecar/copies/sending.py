"""A backup is sent: data first, read back there, metadata last. Only what was read back counts."""

import hashlib
from collections.abc import Iterator
from io import BufferedReader

import structlog

from sidecar.archive.manifest import from_bytes
from sidecar.copies.elsewhere import Elsewhere
from sidecar.copies.memory import Held
from sidecar.errors import BackupInvalid, BackupNotFound, CopyDamaged
from sidecar.events import Listener, Progressed
from sidecar.model import BackupId, Manifest, StoredBackup
from sidecar.store.lock import Lock

_BLOCK_BYTES = 1 << 20

log = structlog.get_logger(__name__)


def send(there: Elsewhere, lock: Lock, backup: StoredBackup, listener: Listener) -> Held:
    """Send a backup and prove it there, over whatever lies there under its name.

    Raises CopyError and its kinds, BackupInvalid where what is here is not what was written, Busy, StorageError.
    """
    store, copy = there.store, there.copy
    content = store.read_metadata(backup.id)
    manifest = from_bytes(content, backup.id, there.set.name)
    data, metadata = there.path_of(manifest.filename), there.path_of(backup.id.metadata_name)
    lock.note_unfinished(str(backup.id))
    there.require_ours()
    with store.open_data(backup.id, manifest.form) as file:
        there.place.put(data, manifest.file_size_bytes, _hashed(file, manifest, listener))
    signature = store.read_signature(backup.id)
    if signature is not None:
        there.place.put(there.path_of(backup.id.signature_name), len(signature), [signature])
    if copy.write_only:
        there.place.create(metadata, content)
    else:
        _require_sent(there, backup.id, manifest, listener)
        there.require_ours()
        if not there.place.create(metadata, content) and there.read_small(metadata) != content:
            there.place.put(
                metadata, len(content), [content]
            )  # what lay there was damaged, or of an upload that ended early
        if there.read_small(metadata) != content:
            raise CopyDamaged(f"{metadata} reads back from {copy.where} differently from what was sent")
    lock.note_unfinished(None)
    log.info("copy.sent", copy=copy.name, backup_id=str(backup.id), size_bytes=manifest.file_size_bytes)
    return there.remember_sent(backup, content)


def clear(there: Elsewhere, lock: Lock) -> None:
    """Take away what a killed upload left: the data of a backup whose metadata never came."""
    there.place.sweep(there.set.prefix)
    unfinished = BackupId.parse(lock.left_unfinished or "")
    if unfinished is None or unfinished.prefix != there.set.prefix or there.copy.write_only:
        return
    try:
        there.read_small(there.path_of(unfinished.metadata_name))  # asked for by its name: a listing may be late
    except BackupNotFound:
        there.require_ours()
        for name in unfinished.file_names:
            there.place.delete(there.path_of(name))
    lock.note_unfinished(None)


def _hashed(file: BufferedReader, manifest: Manifest, listener: Listener) -> Iterator[bytes]:
    """The blocks of a file. One that is not what its metadata says ends the upload before it is complete."""
    digest, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
        size += len(block)
        if size == manifest.file_size_bytes:
            _require_checksum(digest.hexdigest(), manifest)
        listener(Progressed("send", "", 0, size, 0))
        yield block
    _require_checksum(digest.hexdigest(), manifest)


def _require_checksum(found: str, manifest: Manifest) -> None:
    if found != manifest.checksum:
        raise BackupInvalid(f"SHA-256 of {manifest.filename} is {found}, the metadata says {manifest.checksum}")


def _require_sent(there: Elsewhere, backup_id: BackupId, manifest: Manifest, listener: Listener) -> None:
    found = there.hashed(backup_id, manifest.form, listener)
    if found != manifest.checksum:
        raise CopyDamaged(
            f"{manifest.filename} reads back from {there.copy.where} with SHA-256 {found}, {manifest.checksum} was sent"
        )
