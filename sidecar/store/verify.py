"""Whether a stored backup is what was written. Whatever cannot be understood is invalid, with the reason.

What cannot be read is an error of the storage, which may pass: it says nothing of the backup.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from io import BufferedReader

from sidecar.archive import legacy
from sidecar.archive.codec import Codec
from sidecar.archive.manifest import from_bytes
from sidecar.archive.sealing import opened
from sidecar.archive.tally import Tally
from sidecar.errors import BackupInvalid, BackupNotFound, IdentityRequired
from sidecar.events import Listener, Progressed, nobody
from sidecar.model import VERIFIED, BackupId, BackupState, Manifest, Verdict
from sidecar.store.contents import contents
from sidecar.store.files import identity_of
from sidecar.store.local import LocalStore

NOT_CHECKED = "encrypted for others: content not checked here"
_BLOCK_BYTES = 1 << 20  # small enough to be told to stop between two, also on a slow disk


def read_manifest(store: LocalStore, backup_id: BackupId) -> Manifest:
    """The metadata of a backup, with what a key opens of it. Raises BackupNotFound, BackupInvalid, StorageError."""
    content = store.read_metadata(backup_id)
    if store.seal.signing.is_on and (
        objection := store.seal.signing.objection(content, store.read_signature(backup_id))
    ):
        raise BackupInvalid(objection)
    return opened(from_bytes(content, backup_id, store.set.name), store.keyring)


def verify(store: LocalStore, backup_id: BackupId, listener: Listener = nobody) -> Verdict:
    """Compare the SHA-256 of the stored bytes with the metadata. Raises StorageError, Busy, and what `listener` raises."""

    def check() -> list[str]:
        manifest = read_manifest(store, backup_id)
        _require_checksum(store, manifest, backup_id, listener)
        return [NOT_CHECKED] if manifest.is_sealed else []

    return _judged(check)


def verify_deep(store: LocalStore, backup_id: BackupId, codec: Codec, listener: Listener = nobody) -> Verdict:
    """Also decode every document and compare counts, BSON bytes and fingerprints with the metadata.

    Definitions are looked at too; the message says what of them a restore may have to change. Raises IdentityRequired where
    the stored bytes are right and no key opens them.
    """

    def check() -> list[str]:
        manifest = read_manifest(store, backup_id)
        _require_size(store, manifest, backup_id)
        try:
            return _require_content(store, manifest, backup_id, codec, listener)
        except (BackupInvalid, IdentityRequired):  # that other bytes stand there says it better, if they do
            _require_checksum(store, manifest, backup_id, listener)
            raise

    return _judged(check)


def _judged(check: Callable[[], list[str]]) -> Verdict:
    try:
        remarks = check()
    except BackupNotFound as error:
        return Verdict(BackupState.MISSING, f"Data file missing: {error}")
    except BackupInvalid as error:
        return Verdict(BackupState.INVALID, str(error))
    return Verdict(BackupState.VALID, "; ".join([VERIFIED.message, *remarks])) if remarks else VERIFIED


def _require_checksum(store: LocalStore, manifest: Manifest, backup_id: BackupId, listener: Listener) -> None:
    _require_size(store, manifest, backup_id)
    with store.open_data(backup_id, manifest.form) as file:
        digest = _hashed(file, listener)
    if digest != manifest.checksum:
        raise BackupInvalid(f"SHA-256 of the data is {digest}, the metadata says {manifest.checksum}")


def _require_size(store: LocalStore, manifest: Manifest, backup_id: BackupId) -> None:
    """Before anything is read: a sparse file may pretend to be of any size."""
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


def _require_content(
    store: LocalStore, manifest: Manifest, backup_id: BackupId, codec: Codec, listener: Listener
) -> list[str]:
    """What a restore may have to change of the definitions. Raises BackupInvalid."""
    found: dict[str, Tally] = {}
    read: Counter[str] = Counter()
    with contents(store, backup_id, manifest, codec) as content:
        remarks = [f"{name}: {said}" for name, item in content.definitions.items() for said in legacy.remarks(item)]
        for batch in content.batches:
            tally = found.setdefault(batch.collection, Tally())
            tally.add(batch.documents, len(batch.bson), batch.fingerprint, batch.escaped)
            read[batch.collection] += batch.text_bytes
            name, expected = batch.collection, manifest.collections.get(batch.collection, 0)
            listener(Progressed("verify", name, tally.documents, tally.bson_bytes, expected, read[name]))
            del batch  # not held while the next one is read
    counts = {name: tally.documents for name, tally in found.items()}
    if counts != manifest.collections:
        raise BackupInvalid(f"the data holds {counts} documents, the metadata says {manifest.collections}")
    for name, described in manifest.collection_details.items():
        held = found[name].details()
        if held != described:
            raise BackupInvalid(f"{name}: the data holds {held}, the metadata says {described}")
    return remarks
