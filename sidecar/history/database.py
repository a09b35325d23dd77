"""A small SQLite database that never fails: an unreadable file is set aside; while none can be written, memory is used."""

import errno
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Final, TypeVar
from urllib.parse import quote

from sidecar.errors import StorageError
from sidecar.history.sqlite import Tables, Unreadable, connect, copy, is_locked, is_unreadable
from sidecar.logger import Logger
from sidecar.store.durable import make_private, open_private
from sidecar.store.volume import volume

NAME: Final = "history.sqlite3"
KEPT_ASIDE: Final = 3
RETRY_SECONDS: Final = 2.0  # between two attempts to bring the content back to the disk
WAIT_SECONDS: Final = 5.0  # for another process that has locked the file
_AGAIN_SECONDS: Final = 0.2  # the same for attempts that are repeated anyway
log = Logger(__name__)

T = TypeVar("T")
Fill = Callable[[sqlite3.Connection], None]
Merge = Callable[[sqlite3.Connection, sqlite3.Connection], None]  # from the first into the second


class RecordFile:
    """One connection, used by one thread at a time. `fill` gives a new database its first content.

    While the disk cannot be written, `is_durable` is False and the content is in memory; each change first tries to return to
    the disk. If the old file becomes readable again, `merge` adds what was recorded meanwhile to its content.
    `recovered` says why an old file could not be used, None if it could.
    """

    def __init__(self, directory: Path, tables: Tables, fill: Fill, merge: Merge) -> None:
        self.path = directory / NAME
        self.recovered: str | None = None
        self.is_durable = True
        self._tables = tables
        self._fill = fill
        self._merge = merge
        self._mutex = RLock()
        self._tried_at = 0.0
        self._is_unread = False  # the file on the disk may hold content that we could not read
        self._connection = self._opened()

    def close(self) -> None:
        with self._mutex:
            self._connection.close()

    def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query and return its result. If the file cannot answer it, the database is rebuilt and asked again."""
        with self._mutex:
            try:
                return question(self._connection)
            except (sqlite3.Error, ValueError, TypeError) as error:
                self._leave_disk(error)
                return question(self._connection)

    def change(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Do the work as one transaction, on the disk if possible, else in memory. Raises only sqlite3.IntegrityError."""
        with self._mutex:
            self._return_to_disk()
            try:
                self._transact(work)
            except sqlite3.IntegrityError:
                raise
            except sqlite3.Error as error:
                self._leave_disk(error)
                self._transact(work)

    def _transact(self, work: Callable[[sqlite3.Connection], object]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            work(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:  # no half change stays, whatever went wrong
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    # -- opening -------------------------------------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._on_disk()
        except Unreadable as error:
            self.recovered = str(error)
            self._set_aside(str(error))
        except (sqlite3.Error, OSError) as error:
            return self._in_memory(error)
        try:
            return self._on_disk()
        except (sqlite3.Error, OSError, Unreadable) as error:
            return self._in_memory(error)

    def _on_disk(self) -> sqlite3.Connection:
        self._make_directory()
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_file()):
            raise Unreadable(f"{self.path.name} is not a file")
        self._touch()
        connection = connect(str(self.path), WAIT_SECONDS)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            self._check(connection)
        except BaseException as error:  # nobody else would close the connection
            connection.close()
            if is_unreadable(error):
                raise Unreadable(f"{self.path.name}: {error}") from error
            raise
        self.is_durable = True
        self._inode = self.path.stat().st_ino
        return connection

    def _make_directory(self) -> None:
        """Create the directory, but not while the volume of BACKUP_DIR is unmounted. Raises OSError."""
        try:
            volume(self.path.parent.parent).require()
        except StorageError as error:
            raise OSError(errno.ENODEV, str(error)) from error
        make_private(self.path.parent, self.path.parent)

    def _touch(self) -> None:
        os.close(open_private(self.path, os.O_RDWR | os.O_CREAT))

    def _check(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise Unreadable(f"{self.path.name}: {found}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if version == 0 and tables == 0:
            self._create(connection)
        elif version != self._tables.version:
            raise Unreadable(
                f"{self.path.name} has the schema version {version}, this program knows {self._tables.version}"
            )
        else:
            self._add(connection)

    def _create(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        for statement in self._tables.first.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {self._tables.version:d}")
        self._add(connection)
        self._fill(connection)
        connection.execute("COMMIT")

    def _add(self, connection: sqlite3.Connection) -> None:
        for statement in self._tables.added.split(";"):
            connection.execute(statement)

    def _set_aside(self, reason: str) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S_%f")
        log.error("history.set_aside", reason=reason, kept_as=f"{NAME}.unreadable-{stamp}")
        for ending in ("", "-wal", "-shm"):
            with suppress(OSError):
                source = self.path.with_name(NAME + ending)
                source.rename(self.path.with_name(f"{NAME}.unreadable-{stamp}{ending}"))
        try:
            aside = sorted(self.path.parent.glob(f"{NAME}.unreadable-*"), reverse=True)
        except OSError:  # the disk fails: older files stay for now
            return
        stamps = sorted({path.name.removesuffix("-wal").removesuffix("-shm") for path in aside}, reverse=True)
        for path in aside:
            if not path.name.startswith(tuple(stamps[:KEPT_ASIDE])):
                with suppress(OSError):
                    path.unlink()

    # -- when the disk fails -------------------------------------------------------------------------------------------

    def _in_memory(self, error: Exception) -> sqlite3.Connection:
        """Begin in memory, with the file's content if it can be read, else with a rebuilt one."""
        log.error("history.not_saved", error=str(error))
        self.is_durable = False
        self._tried_at = time.monotonic()
        memory = connect(":memory:")
        try:
            self._read_into(memory)
        except (sqlite3.Error, OSError, Unreadable, ValueError):
            memory.close()
            memory = connect(":memory:")
            self._create(memory)
            self._is_unread = True
        return memory

    def _read_into(self, memory: sqlite3.Connection) -> None:
        disk = sqlite3.connect(f"file:{quote(str(self.path))}?mode=rw", uri=True, timeout=_AGAIN_SECONDS)
        try:
            # keeps the index of the write-ahead log in memory, because the disk may be full
            disk.execute("PRAGMA locking_mode = EXCLUSIVE")
            copy(disk, memory)
        finally:
            disk.close()
        self._check(memory)

    def _leave_disk(self, error: Exception) -> None:
        """Continue without the file after an error: in memory with its content, or rebuilt if it cannot be read."""
        if not self.is_durable:
            raise error
        if is_unreadable(error):
            self._rebuild(error)
            return
        memory = connect(":memory:")
        try:
            copy(self._connection, memory)
        except sqlite3.Error as unreadable:
            memory.close()
            self._rebuild(unreadable)
            return
        log.error("history.not_saved", error=str(error))
        self._connection.close()
        self._connection, self.is_durable, self._tried_at = memory, False, time.monotonic()

    def _rebuild(self, error: Exception) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()
        self.recovered = f"{self.path.name}: {error}"
        self._set_aside(self.recovered)
        self._connection = self._opened()

    def _return_to_disk(self) -> None:
        if self.is_durable and self._is_still_there():
            return
        if self.is_durable:
            self._leave_disk(sqlite3.OperationalError(f"{self.path.name} was removed or replaced"))
        elif time.monotonic() - self._tried_at < RETRY_SECONDS:
            return
        try:
            on_disk = self._copied_to_disk(self._connection)
        except (sqlite3.Error, OSError, Unreadable):
            self._tried_at = time.monotonic()
            return
        self._connection.close()
        self._connection = on_disk
        log.info("history.saved_again")

    def _with_what_is_on_disk(self, recent: sqlite3.Connection) -> sqlite3.Connection:
        """Return the file's content merged with what was recorded meanwhile; without it if the file cannot be read.

        Raises the error if the file is only locked.
        """
        both = connect(":memory:")
        try:
            self._read_into(both)
            self._merge(recent, both)
        except (sqlite3.Error, OSError, Unreadable, ValueError) as error:
            both.close()
            if is_locked(error):
                raise
            self._set_aside(f"{self.path.name} could not be read")
            return recent
        recent.close()
        self._connection = both
        return both

    def _is_still_there(self) -> bool:
        try:
            return self.path.stat().st_ino == self._inode
        except OSError:
            return False

    def _copied_to_disk(self, memory: sqlite3.Connection) -> sqlite3.Connection:
        """Copy the content to the file with SQLite's backup API, so that even a crash leaves the old or the new content."""
        self._make_directory()
        self._touch()
        if self._is_unread:  # keep its content if it can be read by now
            memory = self._with_what_is_on_disk(memory)
            self._is_unread = False
            self._touch()
        try:
            disk = connect(str(self.path), _AGAIN_SECONDS)
            try:
                copy(memory, disk)
            finally:
                disk.close()
            return self._on_disk()
        except (sqlite3.Error, Unreadable) as error:
            if is_unreadable(error):
                self._set_aside(str(error))
            raise
