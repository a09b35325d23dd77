"""A file that is being written, read back from the disk a little behind its writer.

Syncing and reading a whole file at its end would wait for the disk twice. Instead a thread syncs what was written so far,
drops it from the page cache and reads it from the disk, down to the text, while more is written.
"""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from io import BufferedRandom
from threading import Condition
from typing import IO, Final, NamedTuple, cast

from sidecar.archive.keys import AgeIdentity
from sidecar.archive.stages import text_of
from sidecar.archive.streams import Measure, Measured
from sidecar.errors import StorageError
from sidecar.model import Form

STEP_BYTES: Final = 32 << 20  # is synced and read at once; whole steps, because only whole pages leave the page cache
_BLOCK_BYTES: Final = 1 << 20


class BytesRead(NamedTuple):
    """Size and SHA-256 of the stored bytes and of their text, as read from the disk."""

    stored: Measure
    text: Measure


class ReadBack:
    """Reads a file back behind its only writer. Each method raises errors of the reading thread: OSError, StorageError."""

    def __init__(self, file: BufferedRandom, name: str, form: Form, own_key: AgeIdentity | None) -> None:
        self._file = file
        self._disk = _Disk(file.fileno())
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="read-back")
        self._found: Future[BytesRead] = self._thread.submit(_read, self._disk, name, form, own_key)

    def follow(self, size: int) -> None:
        """Tell how many bytes the file has now. They must not change any more unless `give_up` is called first."""
        if self._found.done():
            self._found.result()
        if size - self._disk.written >= STEP_BYTES:
            self._file.flush()
            self._disk.tell(size - size % STEP_BYTES)

    def end(self, size: int) -> BytesRead:
        """Read the rest and return the result. The whole file is synced, and `size` is its size in bytes."""
        self._disk.tell(size, is_whole=True)
        self._thread.shutdown()
        return self._found.result()

    def give_up(self) -> None:
        """Stop reading, and wait for the thread to end. An earlier error of syncing or reading is still raised."""
        self._disk.give_up()
        self._thread.shutdown()
        with suppress(_GivenUp):
            self._found.result()


class _GivenUp(Exception):
    """The reading was stopped by `give_up`."""


class _Disk:
    """The synced part of a file as a forward-only stream. A read waits until the writer has written more."""

    def __init__(self, descriptor: int) -> None:
        self.written = 0
        self._descriptor = descriptor
        self._news = Condition()
        self._is_whole = self._is_given_up = False
        self._synced = self._at = 0

    def tell(self, written: int, *, is_whole: bool = False) -> None:
        with self._news:
            self.written, self._is_whole = written, is_whole
            self._news.notify()

    def give_up(self) -> None:
        with self._news:
            self._is_given_up = True
            self._news.notify()

    def read(self, size: int) -> bytes:
        if self._at == self._synced:
            self._sync_more()
        content = os.pread(self._descriptor, min(size, self._synced - self._at), self._at)
        self._at += len(content)
        return content

    def _sync_more(self) -> None:
        with self._news:
            self._news.wait_for(lambda: self._is_whole or self._is_given_up or self.written > self._synced)
            if self._is_given_up:
                raise _GivenUp
            written, is_whole = self.written, self._is_whole
        if not is_whole:
            os.fdatasync(self._descriptor)
        os.posix_fadvise(self._descriptor, self._synced, written - self._synced, os.POSIX_FADV_DONTNEED)
        self._synced = written


def _read(disk: _Disk, name: str, form: Form, own_key: AgeIdentity | None) -> BytesRead:
    stored = text = Measured(cast("IO[bytes]", disk))
    try:
        with text_of(stored, form, [own_key] if own_key else []) as content:
            text = text if form is Form.PLAIN else Measured(content)
            while text.read(_BLOCK_BYTES):
                pass
    except ValueError as error:
        raise StorageError(f"{name} reads back damaged: {error}") from error
    return BytesRead(stored.measure, text.measure)
