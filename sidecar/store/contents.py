"""What a stored backup holds, read from its data file."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from sidecar.archive import content as archived
from sidecar.archive.codec import Codec
from sidecar.archive.content import Content, reading
from sidecar.errors import BackupInvalid
from sidecar.model import BackupId, Manifest
from sidecar.store.durable import Identity
from sidecar.store.files import identity_of
from sidecar.store.local import LocalStore


@contextmanager
def contents(
    store: LocalStore, backup_id: BackupId, manifest: Manifest, codec: Codec, verified: Identity | None = None
) -> Iterator[Content]:
    """Protected from deletion while it is read.

    `verified` is what the file was when it was hashed; another one is refused. None: it is hashed now. Raises BackupNotFound,
    BackupInvalid, IdentityRequired, StorageError.
    """
    with store.open_data(backup_id, manifest.form) as file:
        if verified is not None and identity_of(file) != verified:
            raise BackupInvalid(f"{backup_id} has changed since it was verified")
        with reading(file, manifest, codec, store.keyring, is_verified=verified is not None) as content:
            yield content


@contextmanager
def text(store: LocalStore, backup_id: BackupId, manifest: Manifest) -> Iterator[IO[bytes]]:
    """The text of a backup, decrypted and decompressed. Raises what `contents` raises; reads raise ValueError for damage."""
    with store.open_data(backup_id, manifest.form) as file, archived.text(file, manifest, store.keyring) as read:
        yield read
