"""Read the record while a server writes it. Nothing is changed; a record that cannot be read counts as empty."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sidecar.history.database import NAME
from sidecar.history.rows import REAL, RUN, run_of
from sidecar.logger import Logger
from sidecar.model import Kind, Run, Trigger

WAIT_SECONDS = 1.0

log = Logger(__name__)


def last_run(directory: Path, kind: Kind, set_name: str, trigger: Trigger | None = None) -> Run | None:
    """Return the last run of this kind that took place, None if there is none."""
    only, values = ("AND trigger = ?", [trigger]) if trigger else ("", [])
    found = _runs(directory, f"kind = ? AND set_name = ? AND {REAL} {only}", [kind, set_name, *values], 1)
    return found[0] if found else None


def latest_runs(directory: Path, set_names: Sequence[str], kind: Kind | None, limit: int) -> list[Run]:
    """Return the latest runs of these sets, newest last, including due times that had no run."""
    only, values = ("AND kind = ?", [kind]) if kind else ("", [])
    where = f"set_name IN ({', '.join('?' * len(set_names))}) {only}"
    return _runs(directory, where, [*set_names, *values], limit)[::-1]


def _runs(directory: Path, where: str, values: Sequence[str], limit: int) -> list[Run]:
    path = directory / NAME
    query = f"SELECT {RUN} FROM runs WHERE {where} ORDER BY rowid DESC LIMIT ?"  # noqa: S608 - constants
    try:
        if not path.is_file():
            return []
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", timeout=WAIT_SECONDS, uri=True)) as connection:
            return [run_of(row) for row in connection.execute(query, (*values, limit))]
    except (sqlite3.Error, OSError, ValueError, TypeError) as error:
        log.warning("history.unreadable", error=str(error))
        return []
