"""Verify that a stored backup is what was written. A backup that cannot be understood is invalid, with the reason.

A backup that cannot be read is no verdict but a StorageError, which may pass.
"""

import hashlib
from collections.abc import Callable
from io import BufferedReader

from sidecar.archive.manifest import from_bytes
from sidecar.archive.sealing import opened
from sidecar.errors import BackupInvalid, BackupNotFound, UsageError
from sidecar.events import Listener, Progressed, nobody
from sidecar.model import VERIFIED, BackupId, BackupState, Manifest, Verdict
from sidecar.store.files import identity_of
from sidecar.store.local import LocalStore

NOT_CHECKED = "encrypted for others: content not checked here"
_BLOCK_BYTES = 1 << 20  # small, because a stop is obeyed between two blocks, also on a slow disk


def read_manifest(store: LocalStore, backup_id: BackupId) -> Manifest:
    """Return the metadata of a backup, its encrypted parts opened if a key fits.

    Raises BackupNotFound, BackupInvalid (also for a bad signature), StorageError.
    """
    content = store.read_metadata(backup_id)
    if store.seal.signing.is_on and (
        objection := store.seal.signing.objection(content, store.read_signature(backup_id))
    ):
        raise BackupInvalid(objection)
    return opened(from_bytes(content, backup_id, store.set.name), store.keyring)


def require_held(manifest: Manifest, collection: str) -> None:
    """Raises UsageError if the backup does not hold the collection."""
    if collection not in manifest.collections:
        held = ", ".join(manifest.collections)
        raise UsageError(f"{manifest.backup_id} does not hold {collection!r}; it holds {held}")


def verify(store: LocalStore, backup_id: BackupId, listener: Listener = nobody) -> Verdict:
    """Compare the SHA-256 of the stored bytes with the metadata. Raises StorageError, Busy, and what `listener` raises."""

    def check() -> list[str]:
        manifest = read_manifest(store, backup_id)
        require_checksum(store, manifest, backup_id, listener)
        return [NOT_CHECKED] if manifest.is_sealed else []

    return judged(check)


def judged(check: Callable[[], list[str]]) -> Verdict:
    """Run a check, and return its remarks or its error as a verdict."""
    try:
        remarks = check()
    except BackupNotFound as error:
        return Verdict(BackupState.MISSING, f"Data file missing: {error}")
    except BackupInvalid as error:
        return Verdict(BackupState.INVALID, str(error))
    return Verdict(BackupState.VALID, "; ".join([VERIFIED.message, *remarks])) if remarks else VERIFIED


def require_checksum(store: LocalStore, manifest: Manifest, backup_id: BackupId, listener: Listener) -> None:
    """Raise BackupInvalid unless the data file has the size and the SHA-256 of the metadata."""
    require_size(store, manifest, backup_id)
    with store.open_data(backup_id, manifest.form) as file:
        digest = _hashed(file, listener)
    if digest != manifest.checksum:
        raise BackupInvalid(f"SHA-256 of the data is {digest}, the metadata says {manifest.checksum}")


def require_size(store: LocalStore, manifest: Manifest, backup_id: BackupId) -> None:
    """Raise BackupInvalid unless the data file has the size of the metadata.

    This comes before reading, because a sparse file could be endlessly large.
    """
    with store.open_data(backup_id, manifest.form) as file:
        size, _, _ = identity_of(file)
    if size != manifest.file_size_bytes:
        raise BackupInvalid(f"the data has {size} bytes, the metadata says {manifest.file_size_bytes}")


def _hashed(file: BufferedReader, listener: Listener) -> str:
    digest, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
        size += len(block)
        listener(Progressed("hash", "", 0, size, 0))
    return digest.hexdigest()
