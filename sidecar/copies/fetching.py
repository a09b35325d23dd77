"""A backup is fetched: space is asked for first, a line that breaks is taken up where it ended, and the hash decides."""

import fcntl
import hashlib
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import structlog

from sidecar.copies.elsewhere import Elsewhere
from sidecar.copies.memory import Held
from sidecar.errors import BackupInvalid, BackupNotFound, CopyDamaged, CopyError, CopyRefused, StorageError, StorageFull
from sidecar.events import Listener, Progressed
from sidecar.model import MB, BackupState, Manifest
from sidecar.store import verify
from sidecar.store.arrival import arriving
from sidecar.store.durable import create, make_private
from sidecar.store.lock import Lock

DIRECTORY: Final = ".fetched"  # below BACKUP_DIR: what is restored or looked at without becoming a backup here
ATTEMPTS: Final = 6  # without a byte of progress
PAUSE_SECONDS: Final = 0.5  # doubled after each
IN_USE: Final = ".in-use"

log = structlog.get_logger(__name__)


def require_room(there: Elsewhere, held: Held, minimum_bytes: int) -> None:
    """Raises StorageFull."""
    free = there.store.free_bytes()
    if free < minimum_bytes + held.backup.size_bytes:
        needed = (minimum_bytes + held.backup.size_bytes) / MB
        raise StorageFull(
            f"{free / MB:.1f} MB are free in {there.store.root}, {needed:.1f} MB are needed for {held.backup.id}"
        )


def download(
    there: Elsewhere,
    held: Held,
    file: IO[bytes],
    listener: Listener,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """The data, hashed on its way. Raises CopyDamaged where it is not what its metadata says."""
    manifest = require_manifest(held)
    name = there.path_of(manifest.filename)
    digest, size, failures = hashlib.sha256(), 0, 0
    while size < manifest.file_size_bytes or not manifest.file_size_bytes:
        begun = size
        try:
            for block in there.place.read(name, size):
                _write(file, block)
                digest.update(block)
                size += len(block)
                listener(Progressed("fetch", "", 0, size, 0))
            if size == begun or size >= manifest.file_size_bytes:
                break
            error: CopyError = CopyDamaged(f"{name} ended after {size} of {manifest.file_size_bytes} bytes")
        except CopyRefused:
            raise
        except CopyError as broken:
            error = broken
        failures = failures + 1 if size == begun else 1
        if failures == ATTEMPTS:
            raise error
        log.warning("copy.fetch_resumed", copy=there.copy.name, name=name, at_bytes=size, error=str(error))
        sleep(PAUSE_SECONDS * 2 ** (failures - 1))
    if digest.hexdigest() != manifest.checksum:
        there.prove(held)  # so that everybody knows
        raise CopyDamaged(
            f"{name} came from {there.copy.where} with {size} bytes and SHA-256 {digest.hexdigest()}, the metadata says "
            f"{manifest.file_size_bytes} and {manifest.checksum}"
        )


def _write(file: IO[bytes], block: bytes) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise StorageError.of(error, "writing what is fetched") from error


def require_manifest(held: Held) -> Manifest:
    """Raises BackupInvalid, BackupNotFound."""
    if held.backup.verdict.state is BackupState.ORPHAN or held.metadata is None:
        raise BackupNotFound(f"{held.backup.id}: {held.backup.verdict.message}")
    if held.backup.manifest is None or held.is_damaged:
        raise BackupInvalid(f"{held.backup.id} is damaged there: {held.backup.verdict.message}")
    return held.backup.manifest


def bring_home(there: Elsewhere, lock: Lock, held: Held, listener: Listener, minimum_bytes: int) -> bool:
    """Make it a backup of this directory; whether it was not one already. `lock` is the set's."""
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
    """The one that lies beside the metadata there."""
    with suppress(BackupNotFound):
        return there.read_small(there.path_of(held.backup.id.signature_name))
    return None


@contextmanager
def borrowed(there: Elsewhere, held: Held, listener: Listener, minimum_bytes: int) -> Iterator[Path]:
    """The path of its data file in a directory of its own, its metadata beside it, while in `with`."""
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
            fcntl.flock(mark, fcntl.LOCK_EX)  # freed by the kernel, however this ends
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
    """Remove what killed processes borrowed."""
    for directory in (root / DIRECTORY).glob("*"):
        try:
            with (directory / IN_USE).open("rb+") as mark:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        except OSError:  # killed before it was marked, or just being made: an empty directory is nobody's loss
            with suppress(OSError):
                directory.rmdir()
            continue
        shutil.rmtree(directory, ignore_errors=True)
