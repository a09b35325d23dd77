"""What ran and how it ended, what was due, who paused what, and what is known of the stored backups."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from sidecar.catalog import Finding
from sidecar.errors import Busy, UsageError
from sidecar.history.database import Connection, Database
from sidecar.model import BackupId, BackupState, Kind, Manifest, Outcome, Run, Trigger, Verdict

T = TypeVar("T")

VERSION: Final = 1
KEPT: Final = 10_000  # ended runs of each kind and set, and as many due times without a run
KEY_HOURS: Final = 24  # how long a repeated request is recognised
MESSAGE_LENGTH: Final = 2_000
DIED: Final = "process_died"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SCHEMA: Final = """
CREATE TABLE runs (
    job_id TEXT NOT NULL, set_name TEXT NOT NULL, kind TEXT NOT NULL, trigger TEXT NOT NULL, started_at INTEGER NOT NULL,
    due_at INTEGER, ended_at INTEGER, outcome TEXT, code TEXT, message TEXT NOT NULL, backup_id TEXT, log TEXT NOT NULL,
    PRIMARY KEY (job_id, set_name)
);
CREATE UNIQUE INDEX one_outcome_per_due_time ON runs (kind, set_name, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX runs_in_order ON runs (kind, set_name, started_at);
CREATE INDEX runs_by_time ON runs (started_at);
CREATE TABLE totals (
    kind TEXT NOT NULL, set_name TEXT NOT NULL, trigger TEXT NOT NULL, outcome TEXT NOT NULL, code TEXT NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (kind, set_name, trigger, outcome, code)
);
CREATE TABLE counters (name TEXT NOT NULL, set_name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (name, set_name));
CREATE TABLE schedules (name TEXT PRIMARY KEY, accounted_until INTEGER NOT NULL);
CREATE TABLE pauses (name TEXT PRIMARY KEY, since INTEGER NOT NULL, until INTEGER, paused_by TEXT NOT NULL);
CREATE TABLE requests (key TEXT PRIMARY KEY, request TEXT NOT NULL, job_id TEXT NOT NULL, asked_at INTEGER NOT NULL);
CREATE TABLE findings (
    backup_id TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
    checksum TEXT NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL, found_at INTEGER NOT NULL, is_deep INTEGER NOT NULL
)
"""
_RUN = "job_id, kind, set_name, trigger, started_at, due_at, ended_at, outcome, code, message, backup_id, log"
_ENDED = "ON CONFLICT (job_id, set_name) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in ("ended_at", "outcome", "code", "message", "backup_id", "log")
)
_REAL = "outcome IN ('succeeded', 'failed', 'aborted')"  # a run took place


@dataclass(frozen=True, slots=True)
class Accounted:
    """Up to where a schedule's due times have been dealt with, and the outcomes of those that nothing ran for."""

    schedule: str
    until: datetime
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """A schedule that begins nothing, for good where `until` is None."""

    since: datetime
    until: datetime | None
    by: str

    def covers(self, moment: datetime) -> bool:
        return self.since <= moment and (self.until is None or moment < self.until)


@dataclass(frozen=True, slots=True)
class Retry:
    """What makes a repeated request recognisable: the client's key, and what was asked for with it."""

    key: str
    request: str


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Jobs with a run of this kind, set and outcome; None is any."""

    kind: Kind | None = None
    set_name: str | None = None
    outcome: Outcome | None = None

    def clause(self) -> tuple[str, list[str]]:
        said = {name: str(value) for name, value in asdict(self).items() if value is not None}
        return ("WHERE " + " AND ".join(f"{name} = ?" for name in said) if said else ""), list(said.values())


@dataclass(frozen=True, slots=True)
class Total:
    """How many runs ever ended so; it never goes down."""

    kind: Kind
    set_name: str
    trigger: Trigger
    outcome: Outcome
    code: str
    count: int


class History:
    """The record. Methods block; none of them fails because of the disk: see `is_durable`."""

    def __init__(self, directory: Path, stored: Callable[[], Iterable[Manifest]], now: datetime) -> None:
        """Open or make the record in `directory`; one that is lost is rebuilt from what `stored` finds.

        Runs that were under way when the last process died are ended as aborted.
        """
        self._db = Database(directory, _SCHEMA, VERSION, lambda connection: _rebuild(connection, stored()))
        self._db.change(lambda connection: _end_what_died(connection, now))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @property
    def recovered(self) -> str | None:
        """Why the old record could not be used, if so."""
        return self._db.recovered

    @property
    def is_durable(self) -> bool:
        """Whether what is recorded now is on the disk."""
        return self._db.is_durable

    # -- writing -------------------------------------------------------------------------------------------------------

    def begin(self, *runs: Run, accounted: Accounted | None = None, retry: Retry | None = None) -> None:
        """Record that runs begin, together with what they answer to. Raises Busy where their due time has an outcome already."""

        def work(connection: Connection) -> None:
            connection.executemany(_insert("INSERT"), [_row(run) for run in runs])
            if accounted is not None:
                _account(connection, accounted)
            if retry is not None:
                row = (_hashed(retry.key), retry.request, runs[0].job_id, _stored(runs[0].started_at))
                connection.execute("INSERT INTO requests VALUES (?, ?, ?, ?)", row)

        try:
            self._db.change(work)
        except sqlite3.IntegrityError:
            raise Busy("this due time or this request has been dealt with already") from None

    def end(self, run: Run) -> None:
        """Record how a run ended."""

        def work(connection: Connection) -> None:
            connection.execute(_insert("INSERT", _ENDED), _row(run))
            _count(connection, [run])
            _prune(connection, run)

        self._db.change(work)

    def account(self, accounted: Accounted) -> None:
        """Record due times that nothing ran for; those that have an outcome keep it."""
        self._db.change(lambda connection: _account(connection, accounted))

    def turned_back(self, kind: Kind, set_name: str, now: datetime) -> None:
        """The clock was set back: what has not been due yet has no outcome; runs that took place lose their due time."""
        future = (kind, set_name, _stored(now))

        def work(connection: Connection) -> None:
            where = "WHERE kind = ? AND set_name = ? AND due_at > ?"
            connection.execute(f"DELETE FROM runs {where} AND outcome IN ('skipped', 'missed')", future)  # noqa: S608 - constants
            connection.execute(f"UPDATE runs SET due_at = NULL {where}", future)  # noqa: S608 - constants
            connection.execute("INSERT OR REPLACE INTO schedules VALUES (?, ?)", (f"{kind}:{set_name}", _stored(now)))

        self._db.change(work)

    def add(self, counter: str, set_name: str, amount: int) -> None:
        """Add to a counter that survives restarts."""
        statement = "INSERT INTO counters VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value"
        self._db.change(lambda connection: connection.execute(statement, (counter, set_name, amount)))

    # -- reading -------------------------------------------------------------------------------------------------------

    def run(self, job_id: str) -> tuple[Run, ...]:
        """The runs of a job, with what they logged; none where there is no such job."""
        return tuple(self._runs("WHERE job_id = ? ORDER BY rowid", job_id))

    def jobs(self, wanted: JobFilter, limit: int, offset: int) -> list[tuple[Run, ...]]:
        """Jobs with such a run, newest first, without what they logged."""
        where, values = wanted.clause()
        order = "GROUP BY job_id ORDER BY max(started_at) DESC, max(rowid) DESC LIMIT ? OFFSET ?"
        ids = self._rows(tuple, f"SELECT job_id FROM runs {where} {order}", *values, limit, offset)  # noqa: S608 - constants
        return [tuple(replace(run, log=()) for run in self.run(job_id)) for (job_id,) in ids]

    def count_jobs(self, wanted: JobFilter) -> int:
        where, values = wanted.clause()
        return self._number(f"SELECT count(DISTINCT job_id) FROM runs {where}", *values)  # noqa: S608 - constants

    def outcomes(self, kind: Kind, set_name: str) -> dict[datetime, Outcome | None]:
        """How each due time ended."""
        where = "WHERE kind = ? AND set_name = ? AND due_at IS NOT NULL"
        return {run.due_at: run.outcome for run in self._runs(where, kind, set_name) if run.due_at}

    def latest(self, kind: Kind, set_name: str, trigger: Trigger | None = None) -> Run | None:
        """The last run that took place and ended."""
        only = "AND trigger = ?" if trigger else ""
        values = [kind, set_name, *([trigger] if trigger else [])]
        return self._first(
            f"WHERE kind = ? AND set_name = ? AND {_REAL} {only} ORDER BY ended_at DESC, rowid DESC", *values
        )

    def last_success(self, kind: Kind, set_name: str) -> Run | None:
        where = "WHERE kind = ? AND set_name = ? AND outcome = 'succeeded' ORDER BY ended_at DESC, rowid DESC"
        return self._first(where, kind, set_name)

    def consecutive_failures(self, kind: Kind, set_name: str) -> int:
        """Runs that failed or were aborted since the last one that succeeded."""
        success = self.last_success(kind, set_name)
        since = _stored(success.ended_at) if success and success.ended_at else -1
        where = "kind = ? AND set_name = ? AND outcome IN ('failed', 'aborted') AND ended_at > ?"
        return self._number(f"SELECT count(*) FROM runs WHERE {where}", kind, set_name, since)  # noqa: S608 - constants

    def totals(self) -> list[Total]:
        return self._rows(_total, "SELECT * FROM totals ORDER BY kind, set_name, trigger, outcome, code")

    def counted(self) -> dict[tuple[str, str], int]:
        """The lasting counters, by name and set."""
        return dict(self._rows(lambda row: ((row[0], row[1]), int(row[2])), "SELECT * FROM counters"))

    def recall(self, retry: Retry, now: datetime) -> str | None:
        """The job that an earlier request with this key began. Raises UsageError where that asked for something else."""
        since = _stored(now - timedelta(hours=KEY_HOURS))
        self._db.change(lambda connection: connection.execute("DELETE FROM requests WHERE asked_at < ?", (since,)))
        for request, job_id in self._rows(
            tuple, "SELECT request, job_id FROM requests WHERE key = ?", _hashed(retry.key)
        ):
            if request != retry.request:
                raise UsageError("this Idempotency-Key was used for another request: expected a new one")
            return str(job_id)
        return None

    # -- schedules -----------------------------------------------------------------------------------------------------

    def accounted_until(self, schedule: str) -> datetime | None:
        found = self._rows(
            lambda row: _moment(row[0]), "SELECT accounted_until FROM schedules WHERE name = ?", schedule
        )
        return found[0] if found else None

    def pause(self, schedule: str, pause: Pause) -> None:
        row = (schedule, _stored(pause.since), _stored(pause.until) if pause.until else None, pause.by)
        self._db.change(lambda c: c.execute("INSERT OR REPLACE INTO pauses VALUES (?, ?, ?, ?)", row))

    def resume(self, schedule: str) -> None:
        self._db.change(lambda c: c.execute("DELETE FROM pauses WHERE name = ?", (schedule,)))

    def paused(self, schedule: str) -> Pause | None:
        """The last pause that nobody ended, also when it has run out."""
        found = self._rows(_pause, "SELECT since, until, paused_by FROM pauses WHERE name = ?", schedule)
        return found[0] if found else None

    # -- findings ------------------------------------------------------------------------------------------------------

    def findings(self) -> dict[BackupId, Finding]:
        """What verifications found, by backup."""
        return {one.backup_id: one for one in self._rows(_finding, "SELECT * FROM findings")}

    def save_findings(self, findings: Mapping[BackupId, Finding]) -> None:
        """Make these the findings on record; writes only where they differ."""
        known, wanted = self.findings(), dict(findings)
        gone = [(str(backup_id),) for backup_id in known if backup_id not in wanted]
        new = [_finding_row(one) for backup_id, one in wanted.items() if known.get(backup_id) != one]
        if not gone and not new:
            return

        def work(connection: Connection) -> None:
            connection.executemany("DELETE FROM findings WHERE backup_id = ?", gone)
            connection.executemany("INSERT OR REPLACE INTO findings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", new)

        self._db.change(work)

    # -- queries -------------------------------------------------------------------------------------------------------

    def _rows(self, understood: Callable[[tuple[Any, ...]], T], query: str, *values: object) -> list[T]:
        """What a query finds. A row that makes no sense raises ValueError inside, and the record is rebuilt."""
        return self._db.ask(lambda connection: [understood(row) for row in connection.execute(query, values)])

    def _runs(self, where: str, *values: object) -> list[Run]:
        return self._rows(_run, f"SELECT {_RUN} FROM runs {where}", *values)  # noqa: S608 - constants

    def _number(self, query: str, *values: object) -> int:
        return self._rows(lambda row: int(row[0]), query, *values)[0]

    def _first(self, where: str, *values: object) -> Run | None:
        return next(iter(self._runs(f"{where} LIMIT 1", *values)), None)


def _rebuild(connection: Connection, manifests: Iterable[Manifest]) -> None:
    """What the stored backups tell of the runs that made them; due times are dealt with up to the newest of them."""
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
        for one in manifests
    ]
    connection.executemany(_insert("INSERT OR IGNORE"), [_row(run) for run in runs])
    _count(connection, runs)
    for run in sorted(runs, key=lambda run: run.started_at):
        until = (f"{Kind.BACKUP}:{run.set_name}", _stored(run.started_at))
        connection.execute("INSERT OR REPLACE INTO schedules VALUES (?, ?)", until)


def _end_what_died(connection: Connection, now: datetime) -> None:
    message = "the process ended while this was under way"
    rows = connection.execute(f"SELECT {_RUN} FROM runs WHERE outcome IS NULL").fetchall()  # noqa: S608 - constants
    died = [replace(_run(row), ended_at=now, outcome=Outcome.ABORTED, code=DIED, message=message) for row in rows]
    connection.executemany(_insert("INSERT", _ENDED), [_row(run) for run in died])
    _count(connection, died)


def _account(connection: Connection, accounted: Accounted) -> None:
    for run in accounted.runs:
        if connection.execute(_insert("INSERT OR IGNORE"), _row(run)).rowcount:
            _count(connection, [run])
    until = (accounted.schedule, _stored(accounted.until))
    connection.execute("INSERT OR REPLACE INTO schedules VALUES (?, ?)", until)
    if accounted.runs:
        _prune(connection, accounted.runs[0])


def _count(connection: Connection, runs: Sequence[Run]) -> None:
    statement = "INSERT INTO totals VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1"
    rows = [(run.kind, run.set_name, run.trigger, run.outcome, run.code or "") for run in runs]
    connection.executemany(statement, rows)


def _prune(connection: Connection, run: Run) -> None:
    """Forget the oldest; what passed by without a run does not push out runs, and the last success always stays."""
    of = "kind = :kind AND set_name = :set"
    for which in (_REAL, "outcome IN ('skipped', 'missed')"):
        oldest = (
            f"SELECT started_at FROM runs WHERE {of} AND {which} ORDER BY started_at DESC LIMIT 1 OFFSET {KEPT - 1}"  # noqa: S608 - constants
        )
        success = f"SELECT rowid FROM runs WHERE {of} AND outcome = 'succeeded' ORDER BY ended_at DESC LIMIT 1"  # noqa: S608 - constants
        query = f"DELETE FROM runs WHERE {of} AND {which} AND started_at < ({oldest}) AND rowid NOT IN ({success})"  # noqa: S608 - constants
        connection.execute(query, {"kind": run.kind, "set": run.set_name})


# -- rows --------------------------------------------------------------------------------------------------------------


def _insert(verb: str, otherwise: str = "") -> str:
    return f"{verb} INTO runs ({_RUN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) {otherwise}"


def _row(run: Run) -> tuple[object, ...]:
    return (
        run.job_id,
        run.kind,
        run.set_name,
        run.trigger,
        _stored(run.started_at),
        _stored(run.due_at) if run.due_at else None,
        _stored(run.ended_at) if run.ended_at else None,
        run.outcome,
        run.code,
        run.message[:MESSAGE_LENGTH],
        run.backup_id,
        json.dumps(run.log),
    )


def _run(row: tuple[Any, ...]) -> Run:
    job_id, kind, set_name, trigger, started_at, due_at, ended_at, outcome, code, message, backup_id, log = row
    return Run(
        job_id=job_id,
        kind=Kind(kind),
        set_name=set_name,
        trigger=Trigger(trigger),
        started_at=_moment(started_at),
        due_at=_moment(due_at) if due_at is not None else None,
        ended_at=_moment(ended_at) if ended_at is not None else None,
        outcome=Outcome(outcome) if outcome else None,
        code=code,
        message=message,
        backup_id=backup_id,
        log=tuple(json.loads(log)),
    )


def _finding_row(one: Finding) -> tuple[object, ...]:
    verdict = one.verdict
    found_at = _stored(one.found_at)
    return (str(one.backup_id), *one.identity, one.checksum, verdict.state, verdict.message, found_at, one.is_deep)


def _total(row: tuple[Any, ...]) -> Total:
    kind, set_name, trigger, outcome, code, count = row
    return Total(Kind(kind), set_name, Trigger(trigger), Outcome(outcome), code, int(count))


def _pause(row: tuple[Any, ...]) -> Pause:
    since, until, by = row
    return Pause(_moment(since), _moment(until) if until is not None else None, by)


def _finding(row: tuple[Any, ...]) -> Finding:
    backup_id, size, mtime_ns, inode, checksum, state, message, found_at, is_deep = row
    parsed = BackupId.parse(backup_id)
    if parsed is None:
        raise ValueError(f"{backup_id!r} is not the id of a backup")
    return Finding(
        backup_id=parsed,
        identity=(size, mtime_ns, inode),
        checksum=checksum,
        verdict=Verdict(BackupState(state), message),
        found_at=_moment(found_at),
        is_deep=bool(is_deep),
    )


def _stored(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(stored: int) -> datetime:
    try:
        return _EPOCH + stored * _MICROSECOND
    except OverflowError as error:
        raise ValueError(f"{stored} is not a time") from error


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
