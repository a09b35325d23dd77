"""The record's tables, and how rows become objects. Reading an invalid row raises ValueError or TypeError."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sidecar.errors import DIED, Stopped
from sidecar.model import (
    CALLED_OFF,
    PASSED_BY,
    TOOK_PLACE,
    WENT_WRONG,
    Kind,
    Outcome,
    Run,
    Trigger,
)
from sidecar.model.moments import moment_of, stored

VERSION: Final = 1
MESSAGE_LENGTH: Final = 2_000

SCHEMA: Final = """
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
-- Used by versions from before findings had their own file, in case somebody goes back to one.
CREATE TABLE findings (
    backup_id TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
    checksum TEXT NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL, found_at INTEGER NOT NULL, is_deep INTEGER NOT NULL
)
"""
RUN = "job_id, kind, set_name, trigger, started_at, due_at, ended_at, outcome, code, message, backup_id, log"
ENDED = "ON CONFLICT (job_id, set_name) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in ("ended_at", "outcome", "code", "message", "backup_id", "log")
)


def _ended(outcomes: Iterable[Outcome]) -> str:
    listed = ", ".join(f"'{one}'" for one in sorted(outcomes))
    return f"outcome IN ({listed})"


GOOD, REAL, PASSED = _ended({Outcome.SUCCEEDED}), _ended(TOOK_PLACE), _ended(PASSED_BY)
MEANT = f"coalesce(code, '') != '{CALLED_OFF}'"  # not cancelled
CUT_OFF = f"{_ended({Outcome.ABORTED})} AND code IN ('{DIED}', '{Stopped.code}')"  # ended by the end of its process
BAD = f"{_ended(WENT_WRONG)} AND {MEANT}"


@dataclass(frozen=True, slots=True)
class Accounted:
    """Up to when a schedule's due times have been dealt with, and the outcomes of those that had no run."""

    schedule: str
    until: datetime
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of a schedule, without an end if `until` is None."""

    since: datetime
    until: datetime | None
    by: str

    def covers(self, moment: datetime) -> bool:
        """Return whether the pause is in force at this moment."""
        return self.since <= moment and (self.until is None or moment < self.until)


@dataclass(frozen=True, slots=True)
class Retry:
    """How a repeated request is recognised: by the client's Idempotency-Key, and what was asked for with it."""

    key: str
    request: str


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Selects jobs by kind, set and outcome; None matches any."""

    kind: Kind | None = None
    set_name: str | None = None
    outcome: Outcome | None = None

    def clause(self) -> tuple[str, list[str]]:
        """Return the WHERE clause and its values; "" if any job matches."""
        said = {name: str(value) for name, value in asdict(self).items() if value is not None}
        return ("WHERE " + " AND ".join(f"{name} = ?" for name in said) if said else ""), list(said.values())


@dataclass(frozen=True, slots=True)
class Total:
    """How many runs have ever ended in this way; the number never decreases."""

    kind: Kind
    set_name: str
    trigger: Trigger
    outcome: Outcome
    code: str
    count: int


# -- rows ----------------------------------------------------------------------------------------------------------------


def insert(verb: str, otherwise: str = "") -> str:
    """Return the statement that writes a run; `otherwise` is its ON CONFLICT clause."""
    return f"{verb} INTO runs ({RUN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) {otherwise}"


def run_row(run: Run) -> tuple[object, ...]:
    """Return the row of a run; a long message is cut."""
    return (
        run.job_id,
        run.kind,
        run.set_name,
        run.trigger,
        stored(run.started_at),
        stored(run.due_at) if run.due_at else None,
        stored(run.ended_at) if run.ended_at else None,
        run.outcome,
        run.code,
        run.message[:MESSAGE_LENGTH],
        run.backup_id,
        json.dumps(run.log),
    )


def run_of(row: tuple[Any, ...]) -> Run:
    job_id, kind, set_name, trigger, started_at, due_at, ended_at, outcome, code, message, backup_id, log = row
    return Run(
        job_id=job_id,
        kind=Kind(kind),
        set_name=set_name,
        trigger=Trigger(trigger),
        started_at=moment_of(started_at),
        due_at=moment_of(due_at) if due_at is not None else None,
        ended_at=moment_of(ended_at) if ended_at is not None else None,
        outcome=Outcome(outcome) if outcome else None,
        code=code,
        message=message,
        backup_id=backup_id,
        log=tuple(json.loads(log)),
    )


def total_of(row: tuple[Any, ...]) -> Total:
    kind, set_name, trigger, outcome, code, count = row
    return Total(Kind(kind), set_name, Trigger(trigger), Outcome(outcome), code, int(count))


def pause_of(row: tuple[Any, ...]) -> Pause:
    since, until, by = row
    return Pause(moment_of(since), moment_of(until) if until is not None else None, by)


def hashed(key: str) -> str:
    """Return the SHA-256 of an idempotency key, which is stored in place of the key."""
    return hashlib.sha256(key.encode()).hexdigest()
