"""Fetch a backup from a copy: check the free space first, then compare the checksum of what arrived."""

import fcntl
import hashlib
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from sidecar.copies import resuming
from sidecar.copies.elsewhere import Elsewhere
from sidecar.copies.memory import Held
from sidecar.errors import BackupInvalid, BackupNotFound, CopyDamaged, StorageError, StorageFull
from sidecar.events import Listener, Progressed
from sidecar.model import BackupState, Manifest, size
from sidecar.store import verify
from sidecar.store.arrival import arriving
from sidecar.store.durable import create, make_private
from sidecar.store.lock import Lock

DIRECTORY: Final = ".fetched"  # below BACKUP_DIR: for backups that are restored or inspected but not kept here
IN_USE: Final = ".in-use"


def require_room(there: Elsewhere, held: Held, minimum_bytes: int) -> None:
    """Raise StorageFull unless the backup fits and `minimum_bytes` stay free."""
    free = there.store.free_bytes()
    if free < minimum_bytes + held.backup.size_bytes:
        needed = size(minimum_bytes + held.backup.size_bytes)
        raise StorageFull(f"{size(free)} are free in {there.store.root}, {needed} are needed for {held.backup.id}")


def download(there: Elsewhere, held: Held, file: IO[bytes], listener: Listener) -> None:
    """Write the data of a backup to a file. Raises CopyDamaged if its checksum is not that of the metadata."""
    manifest = require_manifest(held)
    name = there.path_of(manifest.filename)
    digest, received = hashlib.sha256(), 0
    for block in resuming.whole(there.place, name, manifest.file_size_bytes):
        _write(file, block)
        digest.update(block)
        received += len(block)
        listener(Progressed("fetch", "", 0, received, 0))
    if digest.hexdigest() != manifest.checksum:
        there.prove(held)  # reads it once more, and remembers the verdict for everybody
        raise CopyDamaged(
            f"{name} came from {there.copy.where} with {received} bytes and SHA-256 {digest.hexdigest()}, the metadata says "
            f"{manifest.file_size_bytes} and {manifest.checksum}"
        )


def _write(file: IO[bytes], block: bytes) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise StorageError.of(error, "writing what is fetched") from error


def require_manifest(held: Held) -> Manifest:
    """Return the manifest of a backup in a copy. Raises BackupInvalid if it is damaged there, BackupNotFound."""
    if held.backup.verdict.state is BackupState.ORPHAN or held.metadata is None:
        raise BackupNotFound(f"{held.backup.id}: {held.backup.verdict.message}")
    if held.backup.manifest is None or held.is_damaged:
        raise BackupInvalid(f"{held.backup.id} is damaged there: {held.backup.verdict.message}")
    return held.backup.manifest


def bring_home(there: Elsewhere, lock: Lock, held: Held, listener: Listener, minimum_bytes: int) -> bool:
    """Fetch a backup into this directory, under the set's lock. Return False if a valid one was here already."""
    manifest = require_manifest(held)
    store = there.store
    with suppress(BackupNotFound):
        if store.read_metadata(held.backup.id) and verify.verify(store, held.backup.id).is_valid:
            return False
    require_room(there, held, minimum_bytes)
    with arriving(store, lock, held.backup.id, manifest) as (file, commit):
        download(there, held, file, listener)
        commit(held.metadata or b"", signature_of(there, held), f"from {there.copy.where}")
    return True


def signature_of(there: Elsewhere, held: Held) -> bytes | None:
    """Return the signature that the copy holds for a backup, None if there is none."""
    with suppress(BackupNotFound):
        return there.read_small(there.path_of(held.backup.id.signature_name))
    return None


@contextmanager
def borrowed(there: Elsewhere, held: Held, listener: Listener, minimum_bytes: int) -> Iterator[Path]:
    """Fetch a backup into a directory of its own, and yield the path of its data file; the metadata lies beside it.

    The directory is deleted at the end of the `with` block.
    """
    manifest = require_manifest(held)
    require_room(there, held, minimum_bytes)
    root = there.store.root
    sweep(root)
    directory = root / DIRECTORY / secrets.token_hex(8)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        try:
            make_private(root, directory)
            mark = stack.enter_context((directory / IN_USE).open("wb"))
            fcntl.flock(mark, fcntl.LOCK_EX)  # the kernel frees it even if we are killed
            with create(directory / manifest.filename) as file:
                download(there, held, file, listener)
            for name, content in (
                (held.backup.id.signature_name, signature_of(there, held)),
                (held.backup.id.metadata_name, held.metadata),
            ):
                if content is not None:
                    (directory / name).write_bytes(content)
        except OSError as error:
            raise StorageError.of(error, f"fetching {held.backup.id}") from error
        yield directory / manifest.filename


def sweep(root: Path) -> None:
    """Delete what killed processes had fetched with `borrowed`."""
    for directory in (root / DIRECTORY).glob("*"):
        try:
            with (directory / IN_USE).open("rb+") as mark:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        except OSError:  # killed before it wrote the mark, or just being made: only an empty directory is deleted
            with suppress(OSError):
                directory.rmdir()
            continue
        shutil.rmtree(directory, ignore_errors=True)
