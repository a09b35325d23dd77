"""SQLite for the record: connecting, copying without waiting for locks, and what an error means for the file."""

import sqlite3
from dataclasses import dataclass
from typing import Final

_PAGES: Final = 256  # copied between two looks at the status
_UNREADABLE: Final = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_FORMAT}
)
_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


@dataclass(frozen=True, slots=True)
class Tables:
    """The statements that create a database, separated by semicolons, which may stand nowhere else, also in no comment.

    `added` holds tables that came after `first` and are created if they are missing; older versions, which do not know them,
    can still use the file.
    """

    version: int
    first: str
    added: str


class Locked(sqlite3.OperationalError):
    """Another process has locked the file."""


class Unreadable(Exception):
    """The file is not a database of ours that we can use."""


def copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Copy a database. Raises sqlite3.Error, Locked at once, because Python would retry for ever while it is locked."""

    def look(status: int, _remaining: int, _total: int) -> None:
        if status in _LOCKED:
            raise Locked("another process has locked it")

    source.backup(target, pages=_PAGES, progress=look)


def connect(path: str, wait_seconds: float = 0.0) -> sqlite3.Connection:
    """Open a database for any thread, without implicit transactions, waiting so long for locks."""
    return sqlite3.connect(path, timeout=wait_seconds, isolation_level=None, check_same_thread=False)


def is_locked(error: BaseException) -> bool:
    """Return whether an error means that another process has locked the file."""
    return isinstance(error, Locked) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _LOCKED


def is_unreadable(error: BaseException) -> bool:
    """Return whether an error means that the file's content is damaged or not ours, and not that the disk fails."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, Unreadable | ValueError | TypeError) or code in _UNREADABLE
