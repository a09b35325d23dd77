"""What was found in the copies, and when: an SQLite file that all processes of the backup directory share.

It is only a cache: a row counts as long as the copy still lists the same files with the same tags. If the file is lost,
the copies are read once more.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sidecar.archive.manifest import from_bytes
from sidecar.errors import BackupInvalid, StorageError
from sidecar.logger import Logger
from sidecar.model import BackupId, BackupState, Form, Manifest, Metadata, StoredBackup, Verdict
from sidecar.store.durable import make_private, open_private
from sidecar.store.findings import DIRECTORY
from sidecar.store.volume import volume

NAME: Final = "copies.sqlite3"
_COUNTER: Final = slice(24, 28)  # https://www.sqlite.org/fileformat.html#file_change_counter
WAIT_SECONDS: Final = 2.0  # for another process that writes
_COLUMNS = "copy, backup_id, set_name, identity, size, state, message, proven_at, locked_until, is_sent, form, metadata"
_PLACES = ", ".join("?" * len(_COLUMNS.split(", ")))
_TABLES = """
CREATE TABLE IF NOT EXISTS held (
    copy TEXT NOT NULL, backup_id TEXT NOT NULL, set_name TEXT NOT NULL, identity TEXT NOT NULL, size INTEGER NOT NULL,
    state TEXT NOT NULL, message TEXT NOT NULL, proven_at REAL, locked_until REAL, is_sent INTEGER NOT NULL,
    form TEXT NOT NULL, metadata BLOB, PRIMARY KEY (copy, backup_id)
);
CREATE TABLE IF NOT EXISTS contacts (
    copy TEXT NOT NULL, set_name TEXT NOT NULL, at REAL NOT NULL, error TEXT, code TEXT, is_ours INTEGER NOT NULL,
    is_versioned INTEGER NOT NULL, answered_at REAL, scrubbed_at REAL, PRIMARY KEY (copy, set_name)
)
"""

log = Logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A backup in a copy. `backup.verified_at` is when it was read back; None if never: then it does not count."""

    backup: StoredBackup
    identity: str  # names, sizes and tags of the files that the verdict is about
    locked_until: datetime | None = None
    is_sent: bool = False  # this directory sent it without an error
    metadata: bytes | None = None

    @property
    def is_proven(self) -> bool:
        """Whether it was read back and is valid."""
        return self.backup.verified_at is not None and self.backup.verdict.is_valid

    @property
    def is_damaged(self) -> bool:
        """Whether it was read and found bad; False if nobody has read it yet."""
        return self.backup.verified_at is not None and not self.backup.verdict.is_valid


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """The last attempt to contact a copy for one set. `is_ours`: this directory has written there before."""

    at: datetime
    error: str | None = None
    code: str | None = None
    is_ours: bool = False
    is_versioned: bool = False
    answered_at: datetime | None = None
    scrubbed_at: datetime | None = None


class Memory:
    """The cache of one backup directory. Methods block. Disk errors are logged, not raised: the cache can be rebuilt."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / DIRECTORY / NAME
        self._read: dict[tuple[str, str], tuple[object, dict[BackupId, Held]]] = {}

    def version(self) -> object:
        """A token that changes whenever any process has written: SQLite counts changes in the file's header.

        None where there is no file or it cannot be read.
        """
        try:
            if not self._path.is_file():  # opening a pipe would wait for ever
                return None
            with self._path.open("rb") as file:
                status, header = os.fstat(file.fileno()), file.read(_COUNTER.stop)
        except OSError:
            return None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, header[_COUNTER]

    def held(self, copy: str, set_name: str) -> Mapping[BackupId, Held]:
        """Return what is remembered, newest first. The file is read again only after a change: parsing it is slow."""
        version, last = self.version(), self._read.get((copy, set_name))
        if version is None or last is None or last[0] != version:
            last = self._read[copy, set_name] = version, self._held(copy, set_name)
        return last[1]

    def _held(self, copy: str, set_name: str) -> dict[BackupId, Held]:
        rows = self._rows(f"SELECT {_COLUMNS} FROM held WHERE copy = ? AND set_name = ?", copy, set_name)  # noqa: S608 - constants
        found = [one for row in rows if (one := _held_of(row)) is not None]
        return {one.backup.id: one for one in sorted(found, key=lambda one: one.backup.id, reverse=True)}

    def contact(self, copy: str, set_name: str) -> Contact | None:
        """Return the last contact, None if there was none."""
        columns = "at, error, code, is_ours, is_versioned, answered_at, scrubbed_at"
        rows = self._rows(f"SELECT {columns} FROM contacts WHERE copy = ? AND set_name = ?", copy, set_name)  # noqa: S608 - constants
        for at, error, code, is_ours, is_versioned, answered_at, scrubbed_at in rows:
            return Contact(
                at=datetime.fromtimestamp(at, UTC),
                error=error,
                code=code,
                is_ours=bool(is_ours),
                is_versioned=bool(is_versioned),
                answered_at=_moment(answered_at),
                scrubbed_at=_moment(scrubbed_at),
            )
        return None

    def keep(self, copy: str, found: Iterable[Held]) -> None:
        """Remember backups of a copy, in place of what was remembered about them."""
        rows = [_row(copy, one) for one in found]
        with self._writing() as connection:
            connection.executemany(f"INSERT OR REPLACE INTO held ({_COLUMNS}) VALUES ({_PLACES})", rows)  # noqa: S608 - constants

    def forget(self, copy: str, gone: Iterable[BackupId]) -> None:
        """Forget backups of a copy."""
        rows = [(copy, str(one)) for one in gone]
        if rows:
            with self._writing() as connection:
                connection.executemany("DELETE FROM held WHERE copy = ? AND backup_id = ?", rows)

    def note(self, copy: str, set_name: str, contact: Contact) -> None:
        """Remember a contact in place of the one before."""
        row = (
            copy,
            set_name,
            contact.at.timestamp(),
            contact.error,
            contact.code,
            contact.is_ours,
            contact.is_versioned,
            _stored(contact.answered_at),
            _stored(contact.scrubbed_at),
        )
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO contacts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    # -- the file ------------------------------------------------------------------------------------------------------

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        try:
            if not self._path.is_file():
                return []
            with closing(sqlite3.connect(self._path, timeout=WAIT_SECONDS)) as connection:
                return connection.execute(query, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            log.warning("copies.memory_not_read", error=str(error))
            return []

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            volume(self._root).require()
            make_private(self._root, self._path.parent)
            os.close(open_private(self._path, os.O_RDWR | os.O_CREAT))
            with closing(sqlite3.connect(self._path, timeout=WAIT_SECONDS)) as connection, connection:
                for statement in _TABLES.split(";"):
                    connection.execute(statement)
                yield connection
        except (sqlite3.Error, OSError, StorageError) as error:
            log.warning("copies.memory_not_kept", error=str(error))
            if type(error) is sqlite3.DatabaseError:  # the file is no database, or a broken one
                self._path.unlink(missing_ok=True)


def parsed(metadata: bytes | None, backup_id: BackupId, set_name: str) -> Manifest | BackupInvalid | None:
    """Return the manifest in these bytes or, as an error, what is wrong with them; None where there are none."""
    if metadata is None:
        return None
    try:
        return from_bytes(metadata, backup_id, set_name)
    except BackupInvalid as error:
        return error


def _row(copy: str, one: Held) -> tuple[object, ...]:
    backup = one.backup
    return (
        copy,
        str(backup.id),
        backup.set_name,
        one.identity,
        backup.size_bytes,
        backup.verdict.state,
        backup.verdict.message,
        _stored(backup.verified_at),
        _stored(one.locked_until),
        one.is_sent,
        backup.form.value,
        one.metadata,
    )


def _held_of(row: tuple[Any, ...]) -> Held | None:
    """Return what a row says, None if the row is not valid."""
    _, text, set_name, identity, size, state, message, proven_at, locked_until, is_sent, form, metadata = row
    backup_id = BackupId.parse(text)
    if backup_id is None:
        return None
    try:
        manifest = parsed(metadata, backup_id, set_name)
        backup = StoredBackup(
            id=backup_id,
            set_name=set_name,
            metadata=Metadata.of(manifest) if isinstance(manifest, Manifest) else None,
            size_bytes=size,
            verdict=Verdict(BackupState(state), message),
            verified_at=_moment(proven_at),
            form=Form(form),
        )
        return Held(
            backup=backup,
            identity=identity,
            locked_until=_moment(locked_until),
            is_sent=bool(is_sent),
            metadata=metadata,
        )
    except (ValueError, TypeError):
        return None


def _stored(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def _moment(stored: float | None) -> datetime | None:
    return datetime.fromtimestamp(stored, UTC) if stored is not None else None
