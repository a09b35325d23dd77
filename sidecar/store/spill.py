"""Temporary tables for comparing millions of documents: an unlinked SQLite file, which is gone when its process ends.

It lies on the disk of the backups, because SQLite's own temporary files go to /tmp, which a container with a read-only root
does not have.
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
CACHE_KB = 16 << 10  # SQLite's page cache

_NO_WAITING = ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "temp_store = MEMORY")


class Spill:
    """One or more tables in a file below `root`, for the time of a `with` block.

    If `root` cannot be written, SQLite chooses the place; if it is None, everything stays in memory, however much it is.
    Methods block and raise StorageError. Any thread may call them, but only one at a time.
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
        """Run a statement once for each row of values."""
        with _translated():
            self._database.executemany(statement, rows)

    def row(self, statement: str, values: Sequence[Any]) -> Sequence[Any] | None:
        """Run a statement and return its first row, None if there is none."""
        return next(iter(list(self.rows(statement, values))), None)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> Iterator[Sequence[Any]]:
        """Run a statement and yield its rows."""
        with _translated():
            yield from self._database.execute(statement, values)


@contextmanager
def _place(root: Path | None) -> Iterator[str | Path]:
    """Yield the path for SQLite to open: a new file, unlinked after the block; "" if none can be made there."""
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
        with suppress(OSError):  # SQLite needs only the open file, not its name
            path.unlink()


def place_for(root: Path, *read: Manifest) -> Path | None:
    """Return where a spill of these backups may lie: None (in memory) if one is encrypted, to write no plain text to disk."""
    return root if all(manifest.encryption is None for manifest in read) else None


def sweep(root: Path) -> None:
    """Delete the files of processes that were killed before they had unlinked them. Raises StorageError."""
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
