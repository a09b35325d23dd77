"""Send a backup to a copy: first the data, which is read back, and the metadata last. Only what was read back counts."""

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
    """Sends backups under the lock of a copy, and notes in the lock file which uploads have begun and not ended."""

    def __init__(self, there: Elsewhere, lock: Lock) -> None:
        self._there = there
        self._lock = lock
        left = "" if there.copy.write_only else lock.left_unfinished or ""  # write-only credentials cannot delete
        found = map(BackupId.parse, left.split())
        self._unfinished = {one for one in found if one is not None and one.prefix == there.set.prefix}

    @property
    def unfinished(self) -> list[BackupId]:
        """Backups whose upload began but did not end, in this process or a killed one: data without metadata."""
        return sorted(self._unfinished)

    def send(self, backup: StoredBackup, listener: Listener) -> Held:
        """Send a backup and read it back, replacing what the copy holds under its name. Return its entry.

        Raises CopyError and its kinds, BackupInvalid if the local data does not match its metadata, Busy, StorageError.
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
        """Delete the files of an upload that did not end; a backup that has its metadata stays."""
        there = self._there
        try:
            there.read_small(there.path_of(backup_id.metadata_name))  # by name: a listing may be out of date
        except BackupNotFound:
            there.require_ours()
            for name in backup_id.file_names:
                there.place.delete(there.path_of(name))
        self._note(self._unfinished - {backup_id})

    def _note(self, unfinished: set[BackupId]) -> None:
        self._lock.note_unfinished(" ".join(map(str, sorted(unfinished))) or None)
        self._unfinished = unfinished


def _publish(there: Elsewhere, name: str, metadata: bytes) -> None:
    """Write the metadata, which makes the backup complete. Raises CopyDamaged if it reads back differently."""
    there.require_ours()
    if not there.place.create(name, metadata) and not _lies_there(there, name, metadata):
        there.place.put(name, len(metadata), [metadata])  # metadata that differs: damaged, or of a broken upload
    if not _lies_there(there, name, metadata):
        raise CopyDamaged(f"{name} reads back from {there.copy.where} differently from what was sent")


def _lies_there(there: Elsewhere, name: str, metadata: bytes) -> bool:
    try:
        return there.read_small(name) == metadata
    except CopyDamaged:  # it is too large to be metadata
        return False


def _hashed(file: BufferedReader, manifest: Manifest, listener: Listener) -> Iterator[bytes]:
    """Yield the blocks of a data file. Raises BackupInvalid, before the upload is complete, if the checksum is wrong."""
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
