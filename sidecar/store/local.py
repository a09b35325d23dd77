"""Backups in a local directory: durable before visible, and nothing touched that is not ours.

A file becomes visible only by: temporary name → fsync → rename → fsync of the directory → read back and compared. A backup
exists when its metadata does, so the metadata is always the last to come and the first to go.
"""

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BufferedReader
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from sidecar.errors import BackupNotFound, Busy, StorageError, StorageFull
from sidecar.model import BackupId, BackupSet, Confirmation, Pin
from sidecar.store.draft import Draft
from sidecar.store.durable import TEMPORARY, publish, remove, sync_directory
from sidecar.store.lock import SetLock, make_private

BURST = timedelta(minutes=1)  # backups that follow one another faster than the seconds of their names
_PIN_BYTES = 4096
_METADATA_BYTES = 1 << 26  # a metadata file larger than this is not one


Identity = tuple[int, int, int]  # size, mtime in ns, inode


@dataclass(frozen=True, slots=True)
class Files:
    """Which of a backup's files exist, and the identity of its data file as of when it was looked at."""

    id: BackupId
    has_data: bool
    has_metadata: bool
    has_pin: bool
    is_confirmed: bool = False
    size_bytes: int = 0
    identity: Identity | None = None  # of the data file: a verdict on the data is bound to it
    metadata_identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """The file system below the backups, in bytes."""

    free: int
    capacity: int


class LocalStore:
    """The directory of one backup set. All methods block; errors are StorageError and its kinds."""

    def __init__(self, root: Path, backup_set: BackupSet) -> None:
        self.root = root
        self.set = backup_set
        self.directory = root / backup_set.directory

    # -- looking -------------------------------------------------------------------------------------------------------

    def scan(self) -> list[Files]:
        """What there is, newest first. Symbolic links, directories and names that are not ours are left out."""
        names = self._regular_files()
        ids = {found for name in names if (found := self._id_of(name)) is not None}
        return [self._files(backup_id, names) for backup_id in sorted(ids, reverse=True)]

    def _regular_files(self) -> Mapping[str, os.stat_result]:
        try:
            with os.scandir(self.directory) as entries:
                return {e.name: e.stat(follow_symlinks=False) for e in entries if e.is_file(follow_symlinks=False)}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageError.of(error, f"listing {self.directory}") from error

    def _id_of(self, name: str) -> BackupId | None:
        stem = name.removesuffix(".json")
        found = BackupId.parse(stem.removesuffix(".meta")) if stem != name else None
        return found if found is not None and found.prefix == self.set.prefix else None

    @staticmethod
    def _files(backup_id: BackupId, names: Mapping[str, os.stat_result]) -> Files:
        data, metadata = names.get(backup_id.data_name), names.get(backup_id.metadata_name)
        return Files(
            backup_id,
            has_data=data is not None,
            has_metadata=metadata is not None,
            has_pin=backup_id.pin_name in names,
            is_confirmed=backup_id.confirmation_name in names,
            size_bytes=data.st_size if data else 0,
            identity=_identity(data),
            metadata_identity=_identity(metadata),
        )

    def free_bytes(self) -> int:
        """What an ordinary user may still write."""
        return self.space().free

    def space(self) -> Space:
        """Asked of the nearest directory that exists. Raises StorageError."""
        directory = self.directory
        while not directory.exists() and directory != directory.parent:
            directory = directory.parent
        try:
            usage = shutil.disk_usage(directory)
            return Space(usage.free, usage.total)
        except OSError as error:
            raise StorageError.of(error, f"asking for the free space of {directory}") from error

    def is_writable(self) -> bool:
        """Whether its mode, its owner and its mount let us write, as far as that can be told without writing."""
        directory = self.directory if self.directory.exists() else self.root
        return os.access(directory, os.W_OK | os.X_OK)

    def draft_bytes(self) -> int:
        """What the unfinished files of a backup under way take."""
        found = self._regular_files().items()
        return sum(stat.st_size for name, stat in found if name.startswith(".") and name.endswith(TEMPORARY))

    def read_metadata(self, backup_id: BackupId) -> bytes:
        """The bytes of the metadata file. Raises BackupNotFound, StorageError."""
        with self._open(backup_id.metadata_name) as file:
            return file.read(_METADATA_BYTES)

    @contextmanager
    def open_data(self, backup_id: BackupId) -> Iterator[BufferedReader]:
        """The data file, protected from deletion while it is open. Raises BackupNotFound, StorageError."""
        with self._open(backup_id.data_name) as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield file

    @contextmanager
    def _open(self, name: str) -> Iterator[BufferedReader]:
        try:
            # Non-blocking, because a named pipe would else be waited for.
            descriptor = os.open(self.directory / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            raise BackupNotFound(f"there is no file {name} in {self.directory}") from None
        except OSError as error:
            raise StorageError.of(error, f"opening {name}") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise BackupNotFound(f"{name} in {self.directory} is not a file")
        with os.fdopen(descriptor, "rb") as file:
            yield file

    def is_being_read(self, backup_id: BackupId) -> bool:
        try:
            with self._open(backup_id.data_name) as file:
                _claim(file, backup_id)
        except BackupNotFound:
            return False
        except Busy:
            return True
        return False

    # -- writing, under the set's lock ---------------------------------------------------------------------------------

    @contextmanager
    def locked(self, purpose: str) -> Iterator[SetLock]:
        """Be the only one who writes to the set; what a killed owner left behind is gone. Raises Busy, StorageError."""
        with SetLock(self.root, self.set.name, purpose) as lock:
            self._sweep(lock)
            yield lock

    def _sweep(self, lock: SetLock) -> None:
        names = self._regular_files()
        for name in names:
            if name.startswith(".") and name.endswith(TEMPORARY) and self._id_of(name[1 : -len(TEMPORARY)]):
                self._remove(name)
        unfinished = BackupId.parse(lock.left_unfinished or "")
        if unfinished is not None and unfinished.prefix == self.set.prefix and unfinished.metadata_name not in names:
            self._remove(unfinished.data_name)
            self._remove(unfinished.pin_name)
            self._remove(unfinished.confirmation_name)
        if lock.left_unfinished:
            lock.note_unfinished(None)

    def begin(self, lock: SetLock, moment: datetime) -> Draft:
        """A new backup's files, under the first second from `moment` on that no file has."""
        try:
            make_private(self.root, self.directory)
        except OSError as error:
            raise StorageError.of(error, f"making {self.directory}") from error
        backup_id = BackupId.at(self.set.prefix, moment)
        newest = max((files.id for files in self.scan()), default=backup_id)
        if timedelta() <= newest.taken_at - backup_id.taken_at < BURST:
            backup_id = newest  # a second that a deletion freed would put the newest backup behind older ones
        while any(
            os.path.lexists(self.directory / name)
            for name in (backup_id.data_name, backup_id.metadata_name, backup_id.pin_name)
        ):
            backup_id = backup_id.next_second()
        lock.note_unfinished(str(backup_id))
        return Draft(self.directory, lock, backup_id)

    def delete(self, lock: SetLock, backup_id: BackupId) -> None:
        """Remove a backup, metadata first. The caller has made sure that it may go. Raises Busy while somebody reads it."""
        with ExitStack() as stack:
            with suppress(BackupNotFound):
                _claim(stack.enter_context(self._open(backup_id.data_name)), backup_id)
            with suppress(
                StorageFull
            ):  # deleting is what makes room; a killed deletion then leaves an orphan, which is seen
                lock.note_unfinished(str(backup_id))
            for name in (
                backup_id.metadata_name,
                backup_id.data_name,
                backup_id.pin_name,
                backup_id.confirmation_name,
            ):
                self._remove(name)
            sync_directory(self.directory)
            lock.note_unfinished(None)

    def _remove(self, name: str) -> None:
        remove(self.directory / name)

    def pin(self, lock: SetLock, backup_id: BackupId, until: datetime | None = None) -> None:
        """Keep a backup whatever the retention rules say, for ever or until then. Raises StorageError."""
        del lock
        publish(self.directory / backup_id.pin_name, Pin(until=until).model_dump_json(exclude_none=True).encode())

    def unpin(self, lock: SetLock, backup_id: BackupId) -> None:
        del lock
        self._remove(backup_id.pin_name)
        sync_directory(self.directory)

    def confirm(self, lock: SetLock, backup_id: BackupId, confirmation: Confirmation) -> None:
        """Say that what a suspect backup lost was meant to go. Raises StorageError."""
        del lock
        publish(self.directory / backup_id.confirmation_name, confirmation.model_dump_json().encode())

    def read_pin(self, backup_id: BackupId) -> Pin | None:
        """The pin of a backup. One that cannot be read holds for ever."""
        try:
            with self._open(backup_id.pin_name) as file:
                return Pin.model_validate_json(file.read(_PIN_BYTES))
        except BackupNotFound:
            return None
        except (StorageError, OSError, ValidationError):
            return Pin()


def identity_of(file: IO[bytes]) -> Identity:
    """What a file is as long as nobody changes or replaces it."""
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns, found.st_ino


def _identity(status: os.stat_result | None) -> Identity | None:
    return (status.st_size, status.st_mtime_ns, status.st_ino) if status else None


def _claim(file: IO[bytes], backup_id: BackupId) -> None:
    """Be the only one who has the data file open for reading, for as long as it is open."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy(f"{backup_id} is being read") from None
