"""A look at the record beside the server that writes it: nothing is changed, and what cannot be read is not there."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import structlog

from sidecar.history.database import NAME
from sidecar.history.rows import REAL, RUN, run_of
from sidecar.model import Kind, Run, Trigger

WAIT_SECONDS = 1.0

log = structlog.get_logger(__name__)


def last_run(directory: Path, kind: Kind, set_name: str, trigger: Trigger | None = None) -> Run | None:
    """The last run of this kind on record that took place."""
    path = directory / NAME
    if not path.is_file():
        return None
    only, values = ("AND trigger = ?", [trigger]) if trigger else ("", [])
    query = f"SELECT {RUN} FROM runs WHERE kind = ? AND set_name = ? AND {REAL} {only} ORDER BY rowid DESC LIMIT 1"  # noqa: S608 - constants
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", timeout=WAIT_SECONDS, uri=True)) as connection:
            row = connection.execute(query, (kind, set_name, *values)).fetchone()
        return run_of(row) if row else None
    except (sqlite3.Error, ValueError, TypeError) as error:
        log.warning("history.unreadable", error=str(error))
        return None
