"""A backup while it is being written."""

import os
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Self

from sidecar.archive.stages import Mark, Storing, Writer, text_of
from sidecar.archive.streams import Measure, Measured
from sidecar.errors import StorageError
from sidecar.model import BackupId, Form, Pin
from sidecar.store.durable import Identity, as_identity, create, move, publish, remove, temporary_of, to_disk
from sidecar.store.lock import Lock
from sidecar.store.seal import Seal

_BLOCK_BYTES = 1 << 20


class Draft:
    """A backup being written: hashed as it passes, invisible until `commit`. Leaving `with` without one leaves nothing behind."""

    def __init__(self, directory: Path, lock: Lock, backup_id: BackupId, storing: Storing, seal: Seal) -> None:
        self.id = backup_id
        self.directory = directory
        self.storing = storing
        self._seal = seal
        self.identity: Identity | None = None  # of the data file that was read back
        self._lock = lock
        self._data = directory / backup_id.data_name_in(storing.form)
        self._file = create(temporary_of(self._data))
        self._writer = Writer(self._file, storing)
        self._is_committed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self._writer.abandon, self._file.close):
            with suppress(OSError):  # what a full disk could not take is thrown away, or was flushed before the commit
                end()
        if not self._is_committed:
            self._discard()

    @property
    def filename(self) -> str:
        return self._data.name

    @property
    def stored(self) -> Measure:
        """Of the data file; of all of it once it is committed."""
        return self._writer.stored

    @property
    def text(self) -> Measure:
        return self._writer.text

    # -- writing -------------------------------------------------------------------------------------------------------

    def write(self, content: bytes) -> None:
        try:
            self._writer.write(content)
        except OSError as error:
            raise self._failed("writing", error) from error

    def mark(self) -> Mark:
        try:
            return self._writer.mark()
        except OSError as error:
            raise self._failed("writing", error) from error

    def can_rewind(self, mark: Mark) -> bool:
        """Whether it can go back there: to its beginning it always can."""
        return self._writer.can_go_back(mark)

    def rewind(self, mark: Mark) -> None:
        """Forget everything written since `mark`. Raises ValueError where it cannot go back there."""
        if self.text.size == mark.text.size:
            return
        if not self.can_rewind(mark):
            raise ValueError(f"{self.filename} is encrypted: it can only be begun again")
        try:
            with suppress(OSError):  # what could not be written is forgotten too
                self._writer.abandon()
            self._file.seek(mark.stored.size)
            self._file.truncate()
        except OSError as error:
            raise self._failed("rewinding", error) from error
        self._writer = Writer(self._file, self.storing, mark)

    def _failed(self, action: str, error: OSError) -> StorageError:
        return StorageError.of(error, f"{action} {self.filename}")

    # -- committing ----------------------------------------------------------------------------------------------------

    def commit_data(self) -> None:
        """Make the data durable under its name and read it back from the disk, down to the text."""
        try:
            self._writer.close()
            to_disk(self._file)
            move(temporary_of(self._data), self._data)
            with self._data.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                self._require_as_written(file)
                self.identity = as_identity(os.fstat(file.fileno()))
        except OSError as error:
            raise self._failed("committing", error) from error

    def _require_as_written(self, file: BufferedReader) -> None:
        own_key, form = self._writer.own_key, self.storing.form
        stored = text = Measured(file)
        try:
            with text_of(stored, form, [own_key] if own_key else []) as content:
                text = text if form is Form.PLAIN else Measured(content)
                while text.read(_BLOCK_BYTES):
                    pass
        except ValueError as error:
            raise StorageError(f"{self.filename} reads back damaged: {error}") from error
        for read, written in ((stored.measure, self.stored), (text.measure, self.text)):
            if read.checksum != written.checksum:
                raise StorageError(
                    f"{self.filename} reads back with SHA-256 {read.checksum}, {written.checksum} was written"
                )

    def commit(self, metadata: bytes, *, is_pinned: bool = False, last_look: Callable[[], None] = lambda: None) -> None:
        """Write the metadata: from now on the backup exists. `last_look` forbids it at the last moment by raising."""
        if is_pinned:
            publish(self.directory / self.id.pin_name, Pin().model_dump_json(exclude_none=True).encode())
        self._seal.apply(self.id, metadata, checksum=self.stored.checksum, pinned=is_pinned)
        publish(self.directory / self.id.metadata_name, metadata, last_look)
        self._is_committed = True
        with suppress(StorageError):  # it exists, and who sweeps sees that
            self._lock.note_unfinished(None)

    def _discard(self) -> None:
        for name in self.id.file_names:
            remove(self.directory / name)
            remove(temporary_of(self.directory / name))
        self._seal.settle(self.id, is_there=False)
        self._lock.note_unfinished(None)
