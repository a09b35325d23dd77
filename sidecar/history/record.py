"""The record of runs, due times, pauses and counters."""

import sqlite3
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from sidecar.errors import Busy, UsageError
from sidecar.history.changes import FIRST, account, count, dealt_with, end_what_died, merge, prune, rebuild
from sidecar.history.database import RecordFile
from sidecar.history.outbox import SCHEMA as OUTBOX
from sidecar.history.outbox import Outbox, note_run
from sidecar.history.rows import (
    BAD,
    CUT_OFF,
    ENDED,
    GOOD,
    MEANT,
    PASSED,
    REAL,
    RUN,
    SCHEMA,
    VERSION,
    Accounted,
    JobFilter,
    Pause,
    Retry,
    Total,
    hashed,
    insert,
    pause_of,
    run_of,
    run_row,
    total_of,
)
from sidecar.history.sqlite import Tables
from sidecar.model import Kind, Manifest, Outcome, Run, Trigger
from sidecar.model.moments import moment_of, stored
from sidecar.rules.schedule import schedule_name

T = TypeVar("T")

# Walks back from the last recorded run, whatever the clock said then. With an index SQLite would sort all runs of the set.
_BACKWARDS = "FROM runs NOT INDEXED WHERE kind = ? AND set_name = ? AND {} ORDER BY rowid DESC LIMIT 1"

KEY_HOURS: Final = 24  # how long a repeated request is recognised


class History:
    """The record. Methods block; none fails because of the disk, see `is_durable`."""

    def __init__(
        self,
        directory: Path,
        manifests: Callable[[], Iterable[Manifest]],
        now: datetime,
        heartbeats: Collection[str] = (),
    ) -> None:
        """Open or create the record in `directory`; a lost one is rebuilt from the backups' metadata (`manifests`).

        Runs that were running when the last process died are ended as aborted. Runs of the sets in `heartbeats` queue
        heartbeats.
        """
        tables = Tables(VERSION, SCHEMA, OUTBOX)
        self._db = RecordFile(directory, tables, lambda connection: rebuild(connection, manifests()), merge)
        self._heartbeats = frozenset(heartbeats)
        self.outbox = Outbox(self._db)
        self._db.change(lambda connection: end_what_died(connection, now, self._heartbeats))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @property
    def recovered(self) -> str | None:
        """Why the old record could not be used, None if it could."""
        return self._db.recovered

    @property
    def is_durable(self) -> bool:
        """Whether the record is on the disk; False while it is only in memory."""
        return self._db.is_durable

    # -- writing -------------------------------------------------------------------------------------------------------

    def begin(self, *runs: Run, accounted: Accounted | None = None, retry: Retry | None = None) -> None:
        """Record that runs begin, together with the due time or request that they answer.

        Raises Busy if the due time or request was answered already.
        """

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(insert("INSERT"), [run_row(run) for run in runs])
            if accounted is not None:
                account(connection, accounted)
            if retry is not None:
                row = (hashed(retry.key), retry.request, runs[0].job_id, stored(runs[0].started_at))
                connection.execute("INSERT INTO requests VALUES (?, ?, ?, ?)", row)
            self._tell(connection, *runs)

        try:
            self._db.change(work)
        except sqlite3.IntegrityError:
            raise Busy("this due time or this request has been dealt with already") from None

    def end(self, run: Run) -> None:
        """Record how a run ended."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(insert("INSERT", ENDED), run_row(run))
            count(connection, [run])
            prune(connection, run)
            self._tell(connection, run)

        self._db.change(work)

    def _tell(self, connection: sqlite3.Connection, *runs: Run) -> None:
        for run in runs:
            if run.set_name in self._heartbeats:
                note_run(connection, run, run.ended_at or run.started_at)

    def account(self, accounted: Accounted) -> None:
        """Record due times that had no run. A due time that has an outcome already keeps it."""
        self._db.change(lambda connection: account(connection, accounted))

    def reopen(self, kind: Kind, set_name: str) -> None:
        """Make the last due time due again, once, if its run was ended by the end of the process."""
        name = schedule_name(kind, set_name)

        def work(connection: sqlite3.Connection) -> None:
            last = "SELECT accounted_until FROM schedules WHERE name = ?"
            cut_off = f"kind = ? AND set_name = ? AND trigger = 'scheduled' AND {CUT_OFF}"
            where = f"{cut_off} AND due_at = ({last})"
            found = connection.execute(f"SELECT due_at FROM runs WHERE {where}", (kind, set_name, name)).fetchone()  # noqa: S608 - constants
            if found is None:
                return
            before = f"SELECT count(*) FROM runs WHERE {cut_off} AND due_at IS NULL AND started_at >= ?"  # noqa: S608 - constants
            if connection.execute(before, (kind, set_name, *found)).fetchone()[0]:
                return
            connection.execute(f"UPDATE runs SET due_at = NULL WHERE {where}", (kind, set_name, name))  # noqa: S608 - constants
            connection.execute("UPDATE schedules SET accounted_until = ? WHERE name = ?", (found[0] - 1, name))

        self._db.change(work)

    def turned_back(self, kind: Kind, set_name: str, now: datetime) -> None:
        """After the clock was set back, forget outcomes of due times after `now`; their runs stay without a due time."""
        future = (kind, set_name, stored(now))

        def work(connection: sqlite3.Connection) -> None:
            where = "WHERE kind = ? AND set_name = ? AND due_at > ?"
            connection.execute(f"DELETE FROM runs {where} AND {PASSED}", future)  # noqa: S608 - constants
            connection.execute(f"UPDATE runs SET due_at = NULL {where}", future)  # noqa: S608 - constants
            dealt_with(connection, schedule_name(kind, set_name), stored(now))

        self._db.change(work)

    def add(self, counter: str, set_name: str, amount: int) -> None:
        """Add to a counter that survives restarts."""
        statement = "INSERT INTO counters VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value"
        self._db.change(lambda connection: connection.execute(statement, (counter, set_name, amount)))

    # -- reading -------------------------------------------------------------------------------------------------------

    def run(self, job_id: str) -> tuple[Run, ...]:
        """Return the runs of a job with their log lines; none if there is no such job."""
        return tuple(self._runs("WHERE job_id = ? ORDER BY rowid", job_id))

    def jobs(self, wanted: JobFilter, limit: int, offset: int) -> list[tuple[Run, ...]]:
        """Return jobs that have a matching run, newest first, without log lines."""
        where, values = wanted.clause()
        order = "GROUP BY job_id ORDER BY max(started_at) DESC, max(rowid) DESC LIMIT ? OFFSET ?"
        ids = self._rows(tuple, f"SELECT job_id FROM runs {where} {order}", *values, limit, offset)  # noqa: S608 - constants
        return [tuple(replace(run, log=()) for run in self.run(job_id)) for (job_id,) in ids]

    def count_jobs(self, wanted: JobFilter) -> int:
        """Return how many jobs have a matching run."""
        where, values = wanted.clause()
        return self._number(f"SELECT count(DISTINCT job_id) FROM runs {where}", *values)  # noqa: S608 - constants

    def outcomes(self, kind: Kind, set_name: str) -> dict[datetime, Outcome | None]:
        """Return the outcome of each due time; None while its run is running."""
        where = "WHERE kind = ? AND set_name = ? AND due_at IS NOT NULL"
        return {run.due_at: run.outcome for run in self._runs(where, kind, set_name) if run.due_at}

    def latest(self, kind: Kind, set_name: str, trigger: Trigger | None = None) -> Run | None:
        """Return the last recorded run that took place and ended, whatever the clock said then."""
        only = "AND trigger = ?" if trigger else ""
        values = [kind, set_name, *([trigger] if trigger else [])]
        return self._newest(f"{REAL} {only}", *values)

    def last_judged(self, kind: Kind, set_name: str) -> Run | None:
        """Return the last run that took place and was not cancelled."""
        return self._newest(f"{REAL} AND {MEANT}", kind, set_name)

    def last_finished(self, kind: Kind, set_name: str) -> Run | None:
        """Return the last run that succeeded or failed. An aborted run proves neither."""
        ended = f"{REAL} AND outcome <> '{Outcome.ABORTED}'"
        return self._newest(ended, kind, set_name)

    def last_success(self, kind: Kind, set_name: str) -> Run | None:
        """Return the last successful run."""
        return self._newest(GOOD, kind, set_name)

    def consecutive_failures(self, kind: Kind, set_name: str) -> int:
        """Return how many runs failed or were aborted since the last success; cancelled ones do not count."""
        success = f"SELECT rowid {_BACKWARDS.format(GOOD)}"
        where = f"kind = ? AND set_name = ? AND {BAD} AND rowid > coalesce(({success}), -1)"
        return self._number(f"SELECT count(*) FROM runs NOT INDEXED WHERE {where}", kind, set_name, kind, set_name)  # noqa: S608 - constants

    def known_since(self, kind: Kind, set_name: str) -> datetime | None:
        """Return since when a schedule is known: its first run or due time on record, None if there is none."""
        first = self._rows(
            lambda row: row[0],
            "SELECT min(started_at) FROM runs WHERE kind = ? AND set_name = ?",
            kind,
            set_name,
        )[0]
        schedule = schedule_name(kind, set_name)
        known = (first and moment_of(first), self.accounted_until(FIRST + schedule), self.accounted_until(schedule))
        return min((moment for moment in known if moment), default=None)

    def totals(self) -> list[Total]:
        """Return how many runs have ever ended in each way."""
        return self._rows(total_of, "SELECT * FROM totals ORDER BY kind, set_name, trigger, outcome, code")

    def counted(self) -> dict[tuple[str, str], int]:
        """Return the lasting counters, by name and set."""
        return dict(self._rows(lambda row: ((row[0], row[1]), int(row[2])), "SELECT * FROM counters"))

    def recall(self, retry: Retry, now: datetime) -> str | None:
        """Return the job that an earlier request with this key began, None if there was none.

        Raises UsageError if that request asked for something else.
        """
        since = stored(now - timedelta(hours=KEY_HOURS))
        self._db.change(lambda connection: connection.execute("DELETE FROM requests WHERE asked_at < ?", (since,)))
        for request, job_id in self._rows(
            tuple, "SELECT request, job_id FROM requests WHERE key = ?", hashed(retry.key)
        ):
            if request != retry.request:
                raise UsageError("this Idempotency-Key was used for another request: expected a new one")
            return str(job_id)
        return None

    # -- schedules -----------------------------------------------------------------------------------------------------

    def accounted_until(self, schedule: str) -> datetime | None:
        """Return the last due time that was dealt with, None for an unknown schedule."""
        found = self._rows(
            lambda row: moment_of(row[0]), "SELECT accounted_until FROM schedules WHERE name = ?", schedule
        )
        return found[0] if found else None

    def pause(self, schedule: str, pause: Pause) -> None:
        """Record a pause in place of the one before."""
        row = (schedule, stored(pause.since), stored(pause.until) if pause.until else None, pause.by)
        self._db.change(lambda c: c.execute("INSERT OR REPLACE INTO pauses VALUES (?, ?, ?, ?)", row))

    def resume(self, schedule: str) -> None:
        """Delete the pause of a schedule."""
        self._db.change(lambda c: c.execute("DELETE FROM pauses WHERE name = ?", (schedule,)))

    def paused(self, schedule: str) -> Pause | None:
        """Return the last pause that nobody has ended by hand, even if its time is over."""
        found = self._rows(pause_of, "SELECT since, until, paused_by FROM pauses WHERE name = ?", schedule)
        return found[0] if found else None

    # -- queries -------------------------------------------------------------------------------------------------------

    def _rows(self, understood: Callable[[tuple[Any, ...]], T], query: str, *values: object) -> list[T]:
        """Run a query and return what `understood` makes of each row. An invalid row makes the record be rebuilt."""
        return self._db.ask(lambda connection: [understood(row) for row in connection.execute(query, values)])

    def _runs(self, where: str, *values: object) -> list[Run]:
        return self._rows(run_of, f"SELECT {RUN} FROM runs {where}", *values)  # noqa: S608 - constants

    def _number(self, query: str, *values: object) -> int:
        return self._rows(lambda row: int(row[0]), query, *values)[0]

    def _newest(self, where: str, *values: object) -> Run | None:
        found = self._rows(run_of, f"SELECT {RUN} {_BACKWARDS.format(where)}", *values)
        return found[0] if found else None
