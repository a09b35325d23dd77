"""A backup while it is being written."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from sidecar.archive.stages import Mark, Storing, Writer
from sidecar.archive.streams import Measure
from sidecar.errors import StorageError
from sidecar.model import BackupId, Pin
from sidecar.store.durable import Identity, as_identity, create, move, publish, remove, temporary_of, to_disk
from sidecar.store.lock import Lock
from sidecar.store.reading_back import ReadBack
from sidecar.store.seal import Seal


class Draft:
    """A backup being written: hashed as it passes, read back behind that, invisible until `commit`.

    Leaving `with` without one leaves nothing behind.
    """

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
        self._read_back = self._begin_reading_back()
        self._is_committed = False

    def _begin_reading_back(self) -> ReadBack:
        return ReadBack(self._file, self.filename, self.storing.form, self._writer.own_key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self._writer.abandon, self._read_back.give_up, self._file.close):
            with suppress(OSError, StorageError):  # it is thrown away, or all was read back before the commit
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
            self._read_back.follow(self.stored.size)
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
            self._read_back.give_up()
            self._file.seek(mark.stored.size)
            self._file.truncate()
        except OSError as error:
            raise self._failed("rewinding", error) from error
        self._writer = Writer(self._file, self.storing, mark)
        self._read_back = self._begin_reading_back()  # from the file's beginning

    def _failed(self, action: str, error: OSError) -> StorageError:
        return StorageError.of(error, f"{action} {self.filename}")

    # -- committing ----------------------------------------------------------------------------------------------------

    def commit_data(self) -> None:
        """Make the data durable under its name and read it back from the disk, down to the text."""
        try:
            self._writer.close()
            to_disk(self._file)
            move(temporary_of(self._data), self._data)
            self._require_as_written()
            self.identity = self._require_in_place()
        except OSError as error:
            raise self._failed("committing", error) from error

    def _require_as_written(self) -> None:
        found = self._read_back.end(self.stored.size)
        for read, written in ((found.stored, self.stored), (found.text, self.text)):
            if read.checksum != written.checksum:
                raise StorageError(
                    f"{self.filename} reads back with SHA-256 {read.checksum}, {written.checksum} was written"
                )

    def _require_in_place(self) -> Identity | None:
        """That what was read back is the file that has the name now."""
        read, named = os.fstat(self._file.fileno()), self._data.stat()
        if not os.path.samestat(read, named):
            raise StorageError(f"{self.filename} is another file than the one that was written")
        return as_identity(read)

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
