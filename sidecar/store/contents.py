"""Read the documents and definitions of a stored backup from its data file."""

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
    """Yield the content of a backup, which is protected from deletion for the `with` block.

    `verified` is the identity that the file had when its checksum was verified; a file that has changed since is refused.
    With None the checksum is verified while reading. Raises BackupNotFound, BackupInvalid, IdentityRequired, StorageError.
    """
    with store.open_data(backup_id, manifest.form) as file:
        if verified is not None and identity_of(file) != verified:
            raise BackupInvalid(f"{backup_id} has changed since it was verified")
        with reading(file, manifest, codec, store.keyring, is_verified=verified is not None) as content:
            yield content


@contextmanager
def text(store: LocalStore, backup_id: BackupId, manifest: Manifest) -> Iterator[IO[bytes]]:
    """Yield the text of a backup, decrypted and decompressed.

    Raises the same errors as `contents`; reading damaged data raises ValueError.
    """
    with store.open_data(backup_id, manifest.form) as file, archived.text(file, manifest, store.keyring) as read:
        yield read
