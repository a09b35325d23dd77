"""A backup while it is being written."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sidecar.errors import StorageError
from sidecar.model import BackupId, Pin
from sidecar.store.durable import Identity, as_identity, create, move, publish, remove, temporary_of, to_disk
from sidecar.store.lock import Lock


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a draft to come back to: the offset and the state of the digest there."""

    offset: int
    digest: "hashlib._Hash"


class Draft:
    """A backup being written: hashed as it passes, invisible until `commit`. Leaving `with` without one leaves nothing behind."""

    def __init__(self, directory: Path, lock: Lock, backup_id: BackupId) -> None:
        self.id = backup_id
        self.directory = directory
        self.size_bytes = 0
        self.identity: Identity | None = None  # of the data file that was read back
        self._lock = lock
        self._digest = hashlib.sha256()
        self._data = directory / backup_id.data_name
        self._file = create(temporary_of(self._data))
        self._is_committed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(
            OSError
        ):  # what a full disk could not take is being thrown away, or was flushed before the commit
            self._file.close()
        if not self._is_committed:
            self._discard()

    @property
    def checksum(self) -> str:
        return self._digest.hexdigest()

    def write(self, content: bytes) -> None:
        try:
            self._file.write(content)
        except OSError as error:
            raise StorageError.of(error, f"writing {self.id.data_name}") from error
        self._digest.update(content)
        self.size_bytes += len(content)

    def mark(self) -> Mark:
        return Mark(self.size_bytes, self._digest.copy())

    def rewind(self, mark: Mark) -> None:
        """Forget everything written since `mark`."""
        try:
            self._file.seek(mark.offset)
            self._file.truncate()
        except OSError as error:
            raise StorageError.of(error, f"rewinding {self.id.data_name}") from error
        self._digest = mark.digest.copy()
        self.size_bytes = mark.offset

    def commit_data(self) -> None:
        """Make the data durable under its name and read it back from the disk."""
        try:
            to_disk(self._file)
            move(temporary_of(self._data), self._data)
            with self._data.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                stored = hashlib.file_digest(file, "sha256").hexdigest()
                self.identity = as_identity(os.fstat(file.fileno()))
        except OSError as error:
            raise StorageError.of(error, f"committing {self.id.data_name}") from error
        if stored != self.checksum:
            raise StorageError(f"{self.id.data_name} reads back with SHA-256 {stored}, {self.checksum} was written")

    def commit(self, metadata: bytes, *, is_pinned: bool = False, last_look: Callable[[], None] = lambda: None) -> None:
        """Write the metadata: from now on the backup exists. `last_look` forbids it at the last moment by raising."""
        if is_pinned:
            publish(self.directory / self.id.pin_name, Pin().model_dump_json(exclude_none=True).encode())
        publish(self.directory / self.id.metadata_name, metadata, last_look)
        self._is_committed = True
        with suppress(StorageError):  # it exists, and who sweeps sees that
            self._lock.note_unfinished(None)

    def _discard(self) -> None:
        for name in self.id.file_names:
            remove(self.directory / name)
            remove(temporary_of(self.directory / name))
        self._lock.note_unfinished(None)
