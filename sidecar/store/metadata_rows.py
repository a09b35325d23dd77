"""Rows that remember metadata: the brief facts in columns, and the whole as JSON that is parsed only when asked for.

A row is valid while its metadata file is unchanged. Its checksum detects a flipped bit and rows of another program version.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sidecar import __version__
from sidecar.model import BackupId, Brief, Form, Manifest, Metadata, Trigger
from sidecar.model.moments import moment_of, stored
from sidecar.store.durable import Exact

TABLE: Final = """
CREATE TABLE IF NOT EXISTS manifests (
    backup_id TEXT PRIMARY KEY, identity TEXT NOT NULL, taken_at INTEGER NOT NULL, data_checksum TEXT NOT NULL,
    form TEXT NOT NULL, documents TEXT NOT NULL, trigger TEXT NOT NULL, has_suspicions INTEGER NOT NULL,
    content TEXT NOT NULL, checksum TEXT NOT NULL
)
"""
INSERT: Final = "INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_AT_ONCE: Final = 500  # ids in one question: SQLite takes a thousand at least

Row = tuple[Any, ...]


def rows(connection: sqlite3.Connection, ids: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of these backups."""
    for first in range(0, len(ids), _AT_ONCE):
        asked = ids[first : first + _AT_ONCE]
        places = ", ".join("?" * len(asked))
        yield from connection.execute(f"SELECT * FROM manifests WHERE backup_id IN ({places})", asked)  # noqa: S608 - question marks


def row_of(backup_id: BackupId, identity: Exact, manifest: Manifest) -> Row | None:
    """Return the row of a manifest. None if JSON would not give it back unchanged, or if it is encrypted."""
    content, brief = manifest.model_dump_json(), Brief.of(manifest)
    if manifest.encryption is not None or Manifest.model_validate_json(content) != manifest:
        return None
    row = (
        str(backup_id),
        str(identity),
        stored(brief.taken_at),
        brief.checksum,
        brief.form.value,
        str(brief.documents),  # a sum of what may be larger than SQLite's numbers
        brief.trigger.value,
        int(brief.has_suspicions),
        content,
    )
    return *row, checksum(row)


def metadata_of(row: Row, identity: Exact) -> Metadata | None:
    """Return the metadata of a row. None if it is of another file, or if its checksum does not match."""
    *said, found = row
    if said[1] != str(identity) or found != checksum(said):
        return None
    _, _, taken_at, data_checksum, form, documents, trigger, has_suspicions, content = said
    try:
        brief = Brief(
            taken_at=moment_of(taken_at),
            checksum=data_checksum,
            form=Form(form),
            documents=int(documents),
            trigger=Trigger(trigger),
            has_suspicions=bool(has_suspicions),
        )
    except (ValueError, TypeError):
        return None
    return Metadata(brief, content)


def checksum(said: Sequence[object]) -> str:
    """Return the SHA-256 over a row and the program's version."""
    return hashlib.sha256("\n".join(map(str, (__version__, *said))).encode()).hexdigest()
