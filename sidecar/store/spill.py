"""What a comparison remembers of millions of documents: on the disk of the backups, nameless, gone however its process ends.

SQLite's own temporary databases go to /tmp, which a container with a read-only root does not have.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from sidecar.errors import StorageError, StorageFull
from sidecar.model import Manifest
from sidecar.store.durable import make_private

DIRECTORY = ".spill"
CACHE_KB = 16 << 10  # so much stays in memory

_NO_WAITING = ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "temp_store = MEMORY")


class Spill:
    """A table or more below `root`, while in `with`. A directory that cannot be written leaves the system's own place for such.

    Without a `root` everything stays in memory, however much it is.

    Methods block, may be called from any thread, one at a time, and raise StorageError.
    """

    def __init__(self, root: Path | None, *tables: str, cache_kb: int = CACHE_KB) -> None:
        with _translated(), _place(root) as place:
            self._database = sqlite3.connect(place, check_same_thread=False)
            for pragma in (*_NO_WAITING, f"cache_size = -{cache_kb}"):
                self._database.execute(f"PRAGMA {pragma}")
            for table in tables:
                self._database.execute(f"CREATE TABLE {table}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        with _translated():
            self._database.executemany(statement, rows)

    def row(self, statement: str, values: Sequence[Any]) -> Sequence[Any] | None:
        """The first one, or the only one that the statement changed."""
        return next(iter(list(self.rows(statement, values))), None)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> Iterator[Sequence[Any]]:
        with _translated():
            yield from self._database.execute(statement, values)


@contextmanager
def _place(root: Path | None) -> Iterator[str | Path]:
    """What SQLite calls it: a new file, which has lost its name afterwards, or where there can be none what it has instead."""
    if root is None:
        yield ":memory:"
        return
    path = root / DIRECTORY / f"{uuid4().hex}.sqlite3"
    try:
        make_private(root, path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError:
        yield ""
        return
    try:
        yield path
    finally:
        with suppress(OSError):  # the open file is all that is needed
            path.unlink()


def place_for(root: Path, *read: Manifest) -> Path | None:
    """Where that may lie which is remembered of these backups: of encrypted ones only in memory, for want of a key."""
    return root if all(manifest.encryption is None for manifest in read) else None


def sweep(root: Path) -> None:
    """Remove what a process left that was killed before its file was nameless. Raises StorageError."""
    try:
        for path in (root / DIRECTORY).glob("*.sqlite3"):
            with suppress(FileNotFoundError):
                path.unlink()
    except OSError as error:
        raise StorageError.of(error, f"sweeping {DIRECTORY}") from error


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        is_full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        kind = StorageFull if is_full else StorageError
        raise kind(f"remembering documents in {DIRECTORY}, on the disk of the backups: {error}") from error
