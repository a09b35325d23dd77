"""Changes of the record. Each function runs in one transaction: inside `RecordFile.change`, or to fill a new database."""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sidecar.errors import DIED
from sidecar.history.outbox import TABLES as LATER_TABLES
from sidecar.history.outbox import note_run
from sidecar.history.rows import ENDED, GOOD, PASSED, REAL, RUN, Accounted, insert, run_of, run_row
from sidecar.model import Kind, Manifest, Outcome, Run
from sidecar.model.moments import stored
from sidecar.rules.schedule import schedule_name

FIRST: Final = "first "  # prefix of a schedule's name, in a row that says since when the schedule is known
KEPT: Final = 10_000  # ended runs of each kind and set, and as many due times without a run


def rebuild(connection: sqlite3.Connection, manifests: Iterable[Manifest]) -> None:
    """Fill a new record from the stored backups: a successful run for each; due times up to the newest are dealt with."""
    runs = [
        Run(
            job_id=one.backup_id,
            kind=Kind.BACKUP,
            set_name=one.backup_type,
            trigger=one.trigger,
            started_at=one.timestamp,
            ended_at=one.timestamp + timedelta(seconds=one.duration_seconds or 0),
            outcome=Outcome.SUCCEEDED,
            message=one.filename,
            backup_id=one.backup_id,
        )
        for one in sorted(manifests, key=lambda one: one.timestamp)
    ]
    connection.executemany(insert("INSERT OR IGNORE"), [run_row(run) for run in runs])
    count(connection, runs)
    for run in runs:
        dealt_with(connection, schedule_name(Kind.BACKUP, run.set_name), stored(run.started_at))


def merge(recent: sqlite3.Connection, into: sqlite3.Connection) -> None:
    """Add what `recent` recorded to an older record. Runs that `rebuild` made are left out: the older record has them."""
    runs = [run_of(row) for row in recent.execute(f"SELECT {RUN} FROM runs WHERE job_id IS NOT backup_id")]  # noqa: S608 - constants
    for run in runs:
        if into.execute(insert("INSERT OR IGNORE"), run_row(run)).rowcount and run.outcome is not None:
            count(into, [run])
    add = "INSERT INTO counters VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value"
    into.executemany(add, recent.execute("SELECT * FROM counters").fetchall())
    for name, until in recent.execute(f"SELECT * FROM schedules WHERE name NOT LIKE '{FIRST}%'"):  # noqa: S608 - constants
        dealt_with(into, name, until)
    for table in ("pauses", "requests", *LATER_TABLES):
        rows = recent.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - constants
        if rows:
            places = ", ".join("?" * len(rows[0]))
            into.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({places})", rows)  # noqa: S608 - constants


def end_what_died(connection: sqlite3.Connection, now: datetime, heartbeats: Collection[str] = ()) -> None:
    """End the runs of a process that died as aborted, and queue heartbeats for the sets in `heartbeats`."""
    message = "the process ended while this was under way"
    rows = connection.execute(f"SELECT {RUN} FROM runs WHERE outcome IS NULL").fetchall()  # noqa: S608 - constants
    died = [replace(run_of(row), ended_at=now, outcome=Outcome.ABORTED, code=DIED, message=message) for row in rows]
    connection.executemany(insert("INSERT", ENDED), [run_row(run) for run in died])
    count(connection, died)
    for run in died:
        if run.set_name in heartbeats:
            note_run(connection, run, now)


def account(connection: sqlite3.Connection, accounted: Accounted) -> None:
    """Record that due times are dealt with, and the outcomes of those that had no run."""
    for run in accounted.runs:
        if connection.execute(insert("INSERT OR IGNORE"), run_row(run)).rowcount:
            count(connection, [run])
    dealt_with(connection, accounted.schedule, stored(accounted.until))
    if accounted.runs:
        prune(connection, accounted.runs[0])


def dealt_with(connection: sqlite3.Connection, schedule: str, until: int) -> None:
    """Record up to when a schedule's due times are dealt with, and since when the schedule is known.

    The latter is kept apart, because the oldest runs are forgotten and a follower of a group has none.
    """
    connection.execute("INSERT OR REPLACE INTO schedules VALUES (?, ?)", (schedule, until))
    kind, _, set_name = schedule.partition(":")
    oldest = "SELECT min(started_at) FROM runs WHERE kind = ? AND set_name = ?"
    (began,) = connection.execute(oldest, (kind, set_name)).fetchone()
    earlier = "ON CONFLICT DO UPDATE SET accounted_until = min(accounted_until, excluded.accounted_until)"
    first = (FIRST + schedule, min(until, began or until))
    connection.execute(f"INSERT INTO schedules VALUES (?, ?) {earlier}", first)  # noqa: S608 - constants


def count(connection: sqlite3.Connection, runs: Sequence[Run]) -> None:
    """Add ended runs to the lasting totals."""
    statement = "INSERT INTO totals VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1"
    rows = [(run.kind, run.set_name, run.trigger, run.outcome, run.code or "") for run in runs]
    connection.executemany(statement, rows)


def prune(connection: sqlite3.Connection, run: Run) -> None:
    """Forget the oldest runs of this run's kind and set, and apart from them the oldest due times without a run.

    The last successful run is always kept.
    """
    of = "kind = :kind AND set_name = :set"
    for which in (REAL, PASSED):
        oldest = (
            f"SELECT started_at FROM runs WHERE {of} AND {which} ORDER BY started_at DESC LIMIT 1 OFFSET {KEPT - 1}"  # noqa: S608 - constants
        )
        success = f"SELECT rowid FROM runs WHERE {of} AND {GOOD} ORDER BY rowid DESC LIMIT 1"  # noqa: S608 - constants
        query = f"DELETE FROM runs WHERE {of} AND {which} AND started_at < ({oldest}) AND rowid NOT IN ({success})"  # noqa: S608 - constants
        connection.execute(query, {"kind": run.kind, "set": run.set_name})
