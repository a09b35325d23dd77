"""Store a backup that was fetched from a copy, durably and under its own name, replacing a damaged one."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import file_digest
from pathlib import Path
from typing import IO

from sidecar.errors import StorageError
from sidecar.model import BackupId, Manifest
from sidecar.store.durable import create, move, publish, remove, temporary_of, to_disk
from sidecar.store.ledger import Event
from sidecar.store.local import LocalStore
from sidecar.store.lock import Lock

Commit = Callable[[bytes, bytes | None, str], None]  # takes the metadata, the signature, and words for their origin


@contextmanager
def arriving(
    store: LocalStore, lock: Lock, backup_id: BackupId, manifest: Manifest
) -> Iterator[tuple[IO[bytes], Commit]]:
    """Yield a file for the data, and a function that commits the backup once the data is whole.

    If it is not called inside the `with` block, nothing changes. Raises StorageError.
    """
    store.volume.claim()
    data, metadata = store.directory / manifest.filename, store.directory / backup_id.metadata_name
    temporary = temporary_of(data)
    remove(temporary)
    with create(temporary) as file:

        def commit(content: bytes, signature: bytes | None, origin: str) -> None:
            is_new = not metadata.exists()
            if not data.exists():  # else the old or the new data is there, even if we are killed
                lock.note_unfinished(str(backup_id))
            try:
                to_disk(file)
                move(temporary, data)
                _require_as_written(data, manifest)
            except OSError as error:
                raise StorageError.of(error, f"committing {data.name}") from error
            if signature is not None:
                publish(store.directory / backup_id.signature_name, signature)
            if store.seal.ledger.is_on:
                store.seal.note(Event.CREATED if is_new else Event.HEALED, backup_id, origin)
            publish(metadata, content)
            lock.note_unfinished(None)

        try:
            yield file, commit
        finally:
            with suppress(StorageError):
                remove(temporary)


def _require_as_written(path: Path, manifest: Manifest) -> None:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        found = file_digest(file, "sha256").hexdigest()
    if found != manifest.checksum:
        raise StorageError(f"{path.name} reads back with SHA-256 {found}, {manifest.checksum} was written")
