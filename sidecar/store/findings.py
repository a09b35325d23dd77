"""What verifications found and metadata says, on the disk for every process that uses the directory.

Nobody reads twice what has not changed. Only a memory: a finding is believed while the data file and the metadata are the very
ones that it was found for, metadata while its file is, and whatever becomes of this file, the backups can be read again.
"""

import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from sidecar.errors import StorageError
from sidecar.logger import Logger
from sidecar.model import VERIFIED, BackupId, BackupState, Form, Manifest, Metadata, Verdict
from sidecar.model.moments import moment_of, stored
from sidecar.store import metadata_rows
from sidecar.store.durable import Exact, Identity, as_identity, make_private, open_private
from sidecar.store.files import Files
from sidecar.store.volume import volume

DIRECTORY: Final = ".history"
NAME: Final = "findings.sqlite3"
WAIT_SECONDS: Final = 1.0  # for another process that writes

_COLUMNS = "backup_id, size, mtime_ns, inode, checksum, state, message, found_at, is_deep"
_PLACES = ", ".join("?" * len(_COLUMNS.split(", ")))
_TABLES = (
    """
CREATE TABLE IF NOT EXISTS findings (
    backup_id TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
    checksum TEXT NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL, found_at INTEGER NOT NULL, is_deep INTEGER NOT NULL
)
""",
    metadata_rows.TABLE,
)

log = Logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A verdict on a data file. It holds for that file and that checksum only."""

    backup_id: BackupId
    identity: Identity
    checksum: str
    verdict: Verdict
    found_at: datetime
    is_deep: bool = False

    def is_about(self, files: Files, form: Form, checksum: str) -> bool:
        """Whether the backup's data file in this form is the one that was verified, and its metadata names the same checksum."""
        return (self.identity, self.checksum) == (files.data.get(form), checksum)


def new_finding(
    backup_id: BackupId, identity: Identity, checksum: str, verdict: Verdict, *, is_deep: bool = False
) -> Finding:
    return Finding(
        backup_id=backup_id,
        identity=identity,
        checksum=checksum,
        verdict=verdict,
        found_at=datetime.now(UTC),
        is_deep=is_deep,
    )


class Findings:
    """The findings of one backup directory. Methods block; none of them fails: what cannot be remembered is found again."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / DIRECTORY / NAME

    def version(self) -> object:
        """A token that changes whenever another process may have saved something."""
        try:
            return as_identity(self._path.stat())
        except OSError:
            return None

    def known(self, prefix: str, among: Iterable[BackupId]) -> tuple[dict[BackupId, Finding], list[BackupId]]:
        """Return the findings of these backups, and the ids of the set's other findings. Nothing if it cannot be read."""
        ids = {str(one): one for one in among}
        try:
            if not self._path.is_file():  # SQLite would wait for a pipe
                return {}, []
            with closing(_connect(self._path, "ro")) as connection:
                query = f"SELECT {_COLUMNS} FROM findings WHERE backup_id BETWEEN ? AND ?"  # noqa: S608 - a constant
                rows = connection.execute(query, (f"{prefix}_0", f"{prefix}_:")).fetchall()  # a digit follows
            found = {ids[row[0]]: _finding_of(ids[row[0]], row) for row in rows if row[0] in ids}
            return found, [other for row in rows if row[0] not in ids and (other := BackupId.parse(row[0]))]
        except (sqlite3.Error, OSError, ValueError, TypeError, OverflowError) as error:
            log.warning("findings.not_read", file=NAME, error=str(error))
            return {}, []

    def metadata(self, wanted: Mapping[BackupId, Exact]) -> dict[BackupId, Metadata]:
        """Return what is remembered of these backups' metadata, for each whose metadata file has not changed since."""
        ids, found = {str(one): one for one in wanted}, dict[BackupId, Metadata]()
        try:
            if not wanted or not self._path.is_file():
                return {}
            with closing(_connect(self._path, "ro")) as connection:
                for row in metadata_rows.rows(connection, list(ids)):
                    backup_id = ids[row[0]]
                    metadata = metadata_rows.metadata_of(row, wanted[backup_id])
                    if metadata is not None:
                        found[backup_id] = metadata
        except (sqlite3.Error, OSError) as error:  # one of before there was metadata in it among others
            log.debug("findings.metadata_not_read", error=str(error))
        return found

    def save(
        self,
        found: Iterable[Finding],
        gone: Iterable[BackupId] = (),
        read: Mapping[BackupId, tuple[Exact, Manifest]] = MappingProxyType({}),
    ) -> None:
        """Save findings and metadata, and delete what is no longer needed."""
        rows, forgotten = [_row(one) for one in found], [(str(one),) for one in gone]
        manifests = [
            row for one, (identity, manifest) in read.items() if (row := metadata_rows.row_of(one, identity, manifest))
        ]
        if not (rows or forgotten or manifests):
            return
        try:
            volume(self._root).require()
            make_private(self._root, self._path.parent)
            _make_file(self._path)
            with closing(_connect(self._path, "rw")) as connection, connection:
                for table in _TABLES:
                    connection.execute(table)
                connection.executemany("DELETE FROM findings WHERE backup_id = ?", forgotten)
                connection.executemany("DELETE FROM manifests WHERE backup_id = ?", forgotten)
                connection.executemany(f"INSERT OR REPLACE INTO findings ({_COLUMNS}) VALUES ({_PLACES})", rows)  # noqa: S608 - constants
                connection.executemany(metadata_rows.INSERT, manifests)
        except (sqlite3.Error, OSError, StorageError) as error:
            log.info("findings.not_saved", error=str(error))
            if type(error) is sqlite3.DatabaseError:  # it is not a database, or a broken one
                with suppress(OSError):
                    self._path.unlink(missing_ok=True)


def _make_file(path: Path) -> None:
    """Create the file. Raises StorageError if its name is taken by a pipe or the like, for which SQLite would wait."""
    os.close(open_private(path, os.O_RDWR | os.O_CREAT))
    if not path.is_file():
        raise StorageError(f"{path.name} is not a file")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=WAIT_SECONDS)


def _row(one: Finding) -> tuple[object, ...]:
    return (
        str(one.backup_id),
        *one.identity,
        one.checksum,
        one.verdict.state,
        one.verdict.message,
        stored(one.found_at),
        one.is_deep,
    )


def _finding_of(backup_id: BackupId, row: tuple[Any, ...]) -> Finding:
    """Return the finding in a row. Raises ValueError, TypeError for a row that is not valid."""
    _, size, mtime_ns, inode, checksum, state, message, found_at, is_deep = row
    is_usual = (state, message) == (VERIFIED.state, VERIFIED.message)
    return Finding(
        backup_id=backup_id,
        identity=(size, mtime_ns, inode),
        checksum=checksum,
        verdict=VERIFIED if is_usual else Verdict(BackupState(state), message),
        found_at=moment_of(found_at),
        is_deep=bool(is_deep),
    )
