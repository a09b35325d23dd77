"""A backup is sent: data first, read back there, metadata last. Only what was read back counts."""

import hashlib
from collections.abc import Iterator
from io import BufferedReader

from sidecar.archive.manifest import from_bytes
from sidecar.copies.elsewhere import Elsewhere
from sidecar.copies.memory import Held
from sidecar.errors import BackupInvalid, BackupNotFound, CopyDamaged
from sidecar.events import Listener, Progressed
from sidecar.logger import Logger
from sidecar.model import BackupId, Manifest, StoredBackup
from sidecar.store.lock import Lock

_BLOCK_BYTES = 1 << 20

log = Logger(__name__)


class Sender:
    """Whoever holds the lock of a copy, and the notes there of what was begun and is not whole."""

    def __init__(self, there: Elsewhere, lock: Lock) -> None:
        self._there = there
        self._lock = lock
        left = "" if there.copy.write_only else lock.left_unfinished or ""  # what it left it could not take away
        found = map(BackupId.parse, left.split())
        self._unfinished = {one for one in found if one is not None and one.prefix == there.set.prefix}

    @property
    def unfinished(self) -> list[BackupId]:
        """What was begun, by this process or one that was killed, and may lie there without its metadata."""
        return sorted(self._unfinished)

    def send(self, backup: StoredBackup, listener: Listener) -> Held:
        """Send a backup and prove it there, over whatever lies there under its name.

        Raises CopyError and its kinds, BackupInvalid where what is here is not what was written, Busy, StorageError.
        """
        there, store = self._there, self._there.store
        content = store.read_metadata(backup.id)
        manifest = from_bytes(content, backup.id, there.set.name)
        self._note(self._unfinished | {backup.id})
        there.require_ours()
        with store.open_data(backup.id, manifest.form) as file:
            blocks = _hashed(file, manifest, listener)
            there.place.put(there.path_of(manifest.filename), manifest.file_size_bytes, blocks)
        signature = store.read_signature(backup.id)
        if signature is not None:
            there.place.put(there.path_of(backup.id.signature_name), len(signature), [signature])
        if there.copy.write_only:
            there.place.create(there.path_of(backup.id.metadata_name), content)
        else:
            _require_sent(there, manifest, listener)
            _publish(there, there.path_of(backup.id.metadata_name), content)
        self._note(self._unfinished - {backup.id})
        log.info("copy.sent", copy=there.copy.name, backup_id=str(backup.id), size_bytes=manifest.file_size_bytes)
        return there.remember_sent(backup, content)

    def clear(self, backup_id: BackupId) -> None:
        """Take away what lies there of a backup whose metadata never came."""
        there = self._there
        try:
            there.read_small(there.path_of(backup_id.metadata_name))  # asked for by its name: a listing may be late
        except BackupNotFound:
            there.require_ours()
            for name in backup_id.file_names:
                there.place.delete(there.path_of(name))
        self._note(self._unfinished - {backup_id})

    def _note(self, unfinished: set[BackupId]) -> None:
        self._lock.note_unfinished(" ".join(map(str, sorted(unfinished))) or None)
        self._unfinished = unfinished


def _publish(there: Elsewhere, name: str, metadata: bytes) -> None:
    """The metadata, which makes a backup of the data."""
    there.require_ours()
    if not there.place.create(name, metadata) and not _lies_there(there, name, metadata):
        there.place.put(name, len(metadata), [metadata])  # what lay there was damaged, or of an upload that ended early
    if not _lies_there(there, name, metadata):
        raise CopyDamaged(f"{name} reads back from {there.copy.where} differently from what was sent")


def _lies_there(there: Elsewhere, name: str, metadata: bytes) -> bool:
    try:
        return there.read_small(name) == metadata
    except CopyDamaged:  # it is larger than any metadata
        return False


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


def _require_sent(there: Elsewhere, manifest: Manifest, listener: Listener) -> None:
    found = there.hashed(manifest, listener)
    if found != manifest.checksum:
        raise CopyDamaged(
            f"{manifest.filename} reads back from {there.copy.where} with SHA-256 {found}, {manifest.checksum} was sent"
        )
