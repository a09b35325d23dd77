"""What verifications found, on the disk for every process that uses the directory: nobody reads twice what has not changed.

Only a memory: a finding is believed while the data file and the metadata are the very ones that it was found for, and
whatever becomes of the file, the backups can be read again.
"""

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sidecar.errors import StorageError
from sidecar.logger import Logger
from sidecar.model import BackupId, BackupState, Manifest, Verdict
from sidecar.store.durable import Identity, as_identity, make_private, open_private
from sidecar.store.files import Files
from sidecar.store.volume import volume

DIRECTORY: Final = ".history"
NAME: Final = "findings.sqlite3"
WAIT_SECONDS: Final = 1.0  # for another process that writes

_COLUMNS = "backup_id, size, mtime_ns, inode, checksum, state, message, found_at, is_deep"
_PLACES = ", ".join("?" * len(_COLUMNS.split(", ")))
_TABLE = """
CREATE TABLE IF NOT EXISTS findings (
    backup_id TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
    checksum TEXT NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL, found_at INTEGER NOT NULL, is_deep INTEGER NOT NULL
)
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

log = Logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A verdict on a data file, bound to the very file and checksum that it was found for."""

    backup_id: BackupId
    identity: Identity
    checksum: str
    verdict: Verdict
    found_at: datetime
    is_deep: bool = False

    def is_about(self, files: Files, manifest: Manifest) -> bool:
        return (self.identity, self.checksum) == (files.data.get(manifest.form), manifest.checksum)


class Findings:
    """The findings of one backup directory. Methods block; none of them fails: what cannot be remembered is found again."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / DIRECTORY / NAME

    def version(self) -> object:
        """Another one whenever another process may have saved something."""
        try:
            return as_identity(self._path.stat())
        except OSError:
            return None

    def known(self) -> dict[BackupId, Finding]:
        """By backup; nothing where nothing can be read."""
        try:
            if not self._path.exists():
                return {}
            with closing(_connect(self._path, "ro")) as connection:
                rows = connection.execute(f"SELECT {_COLUMNS} FROM findings").fetchall()  # noqa: S608 - a constant
            return {one.backup_id: one for one in map(_finding_of, rows)}
        except (sqlite3.Error, OSError, ValueError, TypeError, OverflowError) as error:
            log.warning("findings.not_read", file=NAME, error=str(error))
            return {}

    def save(self, found: Iterable[Finding], gone: Iterable[BackupId] = ()) -> None:
        """Remember these and forget those."""
        rows, forgotten = [_row(one) for one in found], [(str(one),) for one in gone]
        if not rows and not forgotten:
            return
        try:
            volume(self._root).require()
            make_private(self._root, self._path.parent)
            os.close(open_private(self._path, os.O_RDWR | os.O_CREAT))
            with closing(_connect(self._path, "rw")) as connection, connection:
                connection.execute(_TABLE)
                connection.executemany("DELETE FROM findings WHERE backup_id = ?", forgotten)
                connection.executemany(f"INSERT OR REPLACE INTO findings ({_COLUMNS}) VALUES ({_PLACES})", rows)  # noqa: S608 - constants
        except (sqlite3.Error, OSError, StorageError) as error:
            log.info("findings.not_saved", error=str(error))
            if type(error) is sqlite3.DatabaseError:  # it is not a database, or a broken one
                with suppress(OSError):
                    self._path.unlink(missing_ok=True)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=WAIT_SECONDS)


def _row(one: Finding) -> tuple[object, ...]:
    found_at = (one.found_at - _EPOCH) // _MICROSECOND
    return (
        str(one.backup_id),
        *one.identity,
        one.checksum,
        one.verdict.state,
        one.verdict.message,
        found_at,
        one.is_deep,
    )


def _finding_of(row: tuple[Any, ...]) -> Finding:
    """Raises ValueError, TypeError for a row that makes no sense."""
    backup_id, size, mtime_ns, inode, checksum, state, message, found_at, is_deep = row
    parsed = BackupId.parse(backup_id)
    if parsed is None:
        raise ValueError(f"{backup_id!r} is not the id of a backup")
    return Finding(
        backup_id=parsed,
        identity=(size, mtime_ns, inode),
        checksum=checksum,
        verdict=Verdict(BackupState(state), message),
        found_at=_EPOCH + found_at * _MICROSECOND,
        is_deep=bool(is_deep),
    )
