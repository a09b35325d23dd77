"""The catalogue: every metric family, what it means and where its value comes from, in one table.

Collecting reads memory only. `0` as a time means never; an age without a backup is infinite, so that no rule takes it for young.
"""

import math
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sidecar import reports
from sidecar.clock import Clock
from sidecar.errors import every_code
from sidecar.history import History
from sidecar.jobs import Jobs
from sidecar.leadership import Alone, Role
from sidecar.model import BackupSet, BackupState, Kind, Manifest, Outcome, Run, StoredBackup, Trigger
from sidecar.operations import RETENTION_DELETED, RETENTION_FAILURES
from sidecar.overview import Overview, SetView
from sidecar.rules.health import max_age_seconds
from sidecar.scheduler import Entry, Scheduler

REASONS = every_code()
_REAL = (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.ABORTED)  # a run took place
_BAD = (Outcome.FAILED, Outcome.ABORTED)

Labelled = Iterable[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True)
class State:
    """Where values come from."""

    overview: Overview
    jobs: Jobs
    leadership: Alone
    scheduler: Scheduler
    history: History
    clock: Clock
    sets: Mapping[str, BackupSet]
    build: tuple[str, str]  # codec, version of the running program
    login_failures: Mapping[str, int]

    def each_set(self) -> "list[One]":
        now = self.clock.now()
        return [One(name, self, self.overview.sets[name], now) for name in self.sets]


@dataclass(frozen=True, slots=True)
class One:
    """One set, as of now."""

    name: str
    state: State
    view: SetView
    now: datetime

    @property
    def newest(self) -> StoredBackup | None:
        return next(iter(self.view.counted), None)

    @property
    def manifest(self) -> Manifest | None:
        return self.newest.manifest if self.newest else None

    @property
    def entry(self) -> Entry:
        return self.state.scheduler.entries[f"{Kind.BACKUP}:{self.name}"]

    @property
    def running(self) -> Run | None:
        return self.state.jobs.running(Kind.BACKUP, self.name)

    def runs(
        self, kind: Kind, of: Iterable[Outcome] = _REAL, *, trigger: Trigger | None = None, code: str | None = None
    ) -> int:
        """How many runs were ever recorded."""
        return sum(
            total.count
            for total in self.state.overview.totals
            if (total.set_name, total.kind) == (self.name, kind)
            and total.outcome in of
            and trigger in (None, total.trigger)
            and code in (None, total.code)
        )

    def counted(self, counter: str) -> int:
        return self.state.overview.counted.get((counter, self.name), 0)


class Type(StrEnum):
    """As Prometheus has them."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family, without the prefix."""

    name: str
    type: Type
    labels: tuple[str, ...]
    meaning: str
    samples: Callable[[State], Labelled]


# -- kinds of families -------------------------------------------------------------------------------------------------


def _of_set(name: str, meaning: str, value: Callable[[One], float]) -> Family:
    return Family(name, _type(name), ("set",), meaning, lambda state: [((s.name,), value(s)) for s in state.each_set()])


def _by(label: str, name: str, meaning: str, values: Callable[[One], Mapping[str, float]]) -> Family:
    def samples(state: State) -> Labelled:
        return [((one.name, key), value) for one in state.each_set() for key, value in values(one).items()]

    return Family(name, _type(name), ("set", label), meaning, samples)


def _of_process(name: str, meaning: str, value: Callable[[State], float]) -> Family:
    return Family(name, _type(name), (), meaning, lambda state: [((), value(state))])


def _type(name: str) -> Type:
    return Type.COUNTER if name.endswith("_total") else Type.GAUGE


# -- values ------------------------------------------------------------------------------------------------------------


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


def _begun(backup: StoredBackup | None) -> float:
    return _seconds(reports.taken_at(backup)) if backup else 0.0


def _ended(run: Run | None) -> float:
    return _seconds(run.ended_at) if run else 0.0


def _duration(run: Run | None) -> float:
    return (run.ended_at - run.started_at).total_seconds() if run and run.ended_at else 0.0


def _is_good(run: Run | None) -> float:
    return run is not None and run.outcome is Outcome.SUCCEEDED


def _age(one: One) -> float:
    return max((one.now - reports.taken_at(one.newest)).total_seconds(), 0.0) if one.newest else math.inf


def _states(one: One) -> dict[str, float]:
    return {state.value: sum(b.verdict.state is state for b in one.view.backups) for state in BackupState}


def _triggers(one: One) -> dict[str, float]:
    return {trigger.value: one.runs(Kind.BACKUP, trigger=trigger) for trigger in Trigger}


def _failures(one: One) -> dict[str, float]:
    codes = {total.code for total in one.state.overview.totals}.union(REASONS) - {""}
    return {code: one.runs(Kind.BACKUP, _BAD, code=code) for code in sorted(codes)}


def _build(state: State) -> Labelled:
    codec, version = state.build
    return [((codec, platform.python_version(), version), 1)]


def _login_failures(state: State) -> Labelled:
    return [((reason,), count) for reason, count in state.login_failures.items()]


CATALOGUE: tuple[Family, ...] = (
    # what there is
    _of_set("age_seconds", "Age of the newest backup; +Inf without one.", _age),
    _of_set("valid", "1 if the newest backup is valid.", lambda s: bool(s.newest and s.newest.verdict.is_valid)),
    _of_set("size_bytes", "Size of the newest backup.", lambda s: s.newest.size_bytes if s.newest else 0),
    _of_set("documents", "Documents in the newest valid backup.", lambda s: s.view.newest_documents),
    _of_set(
        "missing_collections",
        "Collections of the set that the newest backup did not find.",
        lambda s: len(s.manifest.missing_collections) if s.manifest else 0,
    ),
    _by("state", "backups", "Stored backups by state.", _states),
    _of_set(
        "suspect_backups",
        "Backups that lost most of a collection and that nobody has confirmed.",
        lambda s: sum(backup.is_suspect for backup in s.view.counted),
    ),
    _of_set(
        "retention_held",
        "1 while nothing is deleted because the newest valid backup is suspect.",
        lambda s: bool(s.view.valid) and s.view.valid[0].is_suspect,
    ),
    _of_set("stored_bytes", "Size of all stored backups.", lambda s: sum(b.size_bytes for b in s.view.backups)),
    _of_set(
        "newest_backup_timestamp_seconds",
        "When the newest valid backup was begun.",
        lambda s: _begun(s.view.valid[0] if s.view.valid else None),
    ),
    _of_set(
        "oldest_backup_timestamp_seconds",
        "When the oldest valid backup was begun.",
        lambda s: _begun(s.view.valid[-1] if s.view.valid else None),
    ),
    _of_set(
        "max_age_seconds",
        "Age at which the newest backup is too old: two intervals and 15 minutes.",
        lambda s: max_age_seconds(s.entry.interval_seconds),
    ),
    # runs
    _of_set("last_success_timestamp_seconds", "When a run last ended well.", lambda s: _ended(s.view.last_success)),
    _of_set("last_run_timestamp_seconds", "When the last run ended.", lambda s: _ended(s.view.last_run)),
    _of_set("last_run_success", "1 if the last run ended well.", lambda s: _is_good(s.view.last_run)),
    _of_set("last_run_duration_seconds", "How long the last run took.", lambda s: _duration(s.view.last_run)),
    _of_set(
        "consecutive_run_failures",
        "Runs that failed or were aborted since the last good one.",
        lambda s: s.view.consecutive_failures,
    ),
    _of_set("running", "1 while a backup is being made.", lambda s: s.running is not None),
    _of_set(
        "run_started_timestamp_seconds",
        "When the run under way began.",
        lambda s: _seconds(s.running.started_at if s.running else None),
    ),
    _by("trigger", "runs_total", "Runs that ended, however.", _triggers),
    _by("reason", "run_failures_total", "Runs that failed or were aborted, by error code.", _failures),
    # schedules
    _of_set(
        "schedule_enabled",
        "0 while the schedule is paused.",
        lambda s: s.state.scheduler.pause_of(s.entry.name) is None,
    ),
    _of_set("schedule_interval_seconds", "Usual time between two due times.", lambda s: s.entry.interval_seconds),
    _of_set(
        "schedule_next_run_timestamp_seconds",
        "When the next run is due.",
        lambda s: _seconds(s.state.scheduler.next_run(s.entry.name)),
    ),
    _of_set(
        "schedule_missed_runs_total",
        "Due times that nobody was there for.",
        lambda s: s.runs(Kind.BACKUP, (Outcome.MISSED,)),
    ),
    _of_set(
        "schedule_skipped_runs_total",
        "Due times passed over while paused or busy.",
        lambda s: s.runs(Kind.BACKUP, (Outcome.SKIPPED,)),
    ),
    # proof
    _of_set(
        "last_verification_timestamp_seconds",
        "When stored backups were last verified by schedule.",
        lambda s: _ended(s.view.last_verification),
    ),
    _of_set(
        "last_verification_success",
        "1 if that found them valid.",
        lambda s: _is_good(s.view.last_verification),
    ),
    _of_set("verifications_total", "Verifications that ended.", lambda s: s.runs(Kind.VERIFY)),
    _of_set(
        "verification_failures_total",
        "Verifications that found something invalid or could not end.",
        lambda s: s.runs(Kind.VERIFY, _BAD),
    ),
    _of_set("restore_drill_success", "1 if the last restore drill ended well.", lambda s: _is_good(s.view.last_drill)),
    _of_set(
        "restore_drill_timestamp_seconds",
        "When the last restore drill ended.",
        lambda s: _ended(s.view.last_drill),
    ),
    _of_set(
        "restore_drill_duration_seconds",
        "How long the last good restore drill took: the measured recovery time.",
        lambda s: _duration(s.view.last_good_drill),
    ),
    _of_set("restores_total", "Restores that ended.", lambda s: s.runs(Kind.RESTORE)),
    _of_set("restore_failures_total", "Restores that failed or were aborted.", lambda s: s.runs(Kind.RESTORE, _BAD)),
    # retention
    _of_set(
        "retention_deleted_backups_total",
        "Backups that the retention rules deleted.",
        lambda s: s.counted(RETENTION_DELETED),
    ),
    _of_set(
        "retention_failures_total",
        "Backups after which the retention rules could not be carried out.",
        lambda s: s.counted(RETENTION_FAILURES),
    ),
    # surroundings
    _of_process(
        "storage_free_bytes",
        "Free space of the file system of the backups.",
        lambda p: p.overview.storage.space.free,
    ),
    _of_process(
        "storage_capacity_bytes",
        "Size of the file system of the backups.",
        lambda p: p.overview.storage.space.capacity,
    ),
    _of_process(
        "storage_required_bytes",
        "Free space below which the next run would not start.",
        lambda p: p.overview.required_bytes,
    ),
    _of_process(
        "storage_checked_timestamp_seconds",
        "When the free space was last asked for.",
        lambda p: _seconds(p.overview.storage.asked_at),
    ),
    _of_process("mongodb_up", "1 if MongoDB answered when last asked.", lambda p: p.overview.mongodb.is_up),
    _of_process(
        "mongodb_checked_timestamp_seconds",
        "When MongoDB was last asked.",
        lambda p: _seconds(p.overview.mongodb.asked_at),
    ),
    # ourselves
    _of_process("scheduler_running", "0 when the scheduler is dead or stuck.", lambda p: p.scheduler.task.is_running),
    _of_process(
        "scheduler_armed",
        "0 while the start-up restore holds the schedules.",
        lambda p: p.scheduler.is_armed,
    ),
    _of_process(
        "leader",
        "1 if this sidecar begins the backups that are due: alone, or as the one of its group.",
        lambda p: p.leadership.role is not Role.FOLLOWER,
    ),
    _of_process(
        "scheduler_restarts_total",
        "How often the scheduler died and was started again.",
        lambda p: p.scheduler.task.restarts,
    ),
    _of_process(
        "history_durable",
        "0 while the record of runs cannot be written to the disk.",
        lambda p: p.history.is_durable,
    ),
    Family("login_failures_total", Type.COUNTER, ("reason",), "Requests refused for who sent them.", _login_failures),
    Family("build_info", Type.GAUGE, ("codec", "python", "version"), "1; what is running.", _build),
)
