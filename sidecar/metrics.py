"""The catalogue of metrics: every family, what it means and where its value comes from, in one table.

Collecting reads memory only. `0` as a time means never; an age without a backup is infinite, so that no rule takes it for young.
"""

import math
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar import reports
from sidecar.clock import Clock
from sidecar.errors import every_code
from sidecar.history import History
from sidecar.jobs import Jobs
from sidecar.model import BackupSet, BackupState, Kind, Outcome, Run, Trigger
from sidecar.operations import RETENTION_DELETED, RETENTION_FAILURES
from sidecar.overview import Overview, SetView
from sidecar.rules.health import max_age_seconds
from sidecar.scheduler import Entry, Scheduler

PREFIX = "mongobackup_"
REASONS = every_code()
LEVELS = ("debug", "info", "warning", "error", "critical")
_REAL = (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.ABORTED)  # a run took place
_BAD = (Outcome.FAILED, Outcome.ABORTED)

log = structlog.get_logger(__name__)

Labelled = Iterable[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True)
class State:
    """Where values come from."""

    overview: Overview
    jobs: Jobs
    scheduler: Scheduler
    history: History
    clock: Clock
    sets: Mapping[str, BackupSet]
    build: tuple[str, str]  # codec, version of the running program
    login_failures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class One:
    """One set, as of now."""

    name: str
    state: State
    view: SetView
    now: datetime

    @property
    def entry(self) -> Entry:
        return self.state.scheduler.entries[f"{Kind.BACKUP}:{self.name}"]

    @property
    def running(self) -> Run | None:
        return self.state.jobs.running(Kind.BACKUP, self.name)

    def runs(
        self, kind: Kind, *, of: Iterable[Outcome] = _REAL, trigger: Trigger | None = None, code: str | None = None
    ) -> int:
        """How many runs were ever recorded."""
        return sum(
            total.count
            for total in self.state.overview.totals
            if (total.set_name, total.kind) == (self.name, kind)
            and total.outcome in of
            and (trigger is None or total.trigger is trigger)
            and (code is None or total.code == code)
        )


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family without its prefix."""

    name: str
    kind: str  # gauge or counter
    labels: tuple[str, ...]
    meaning: str
    samples: Callable[[State], Labelled]


def _each_set(value: Callable[[One], float]) -> Callable[[State], Labelled]:
    return lambda state: [((one.name,), value(one)) for one in _sets(state)]


def _each_of(values: Callable[[One], Mapping[str, float]]) -> Callable[[State], Labelled]:
    return lambda state: [((one.name, label), value) for one in _sets(state) for label, value in values(one).items()]


def _process(value: Callable[[State], float]) -> Callable[[State], Labelled]:
    return lambda state: [((), value(state))]


def _sets(state: State) -> list[One]:
    now = state.clock.now()
    return [One(name, state, state.overview.sets[name], now) for name in state.sets]


def _age(one: One) -> float:
    if not one.view.counted:
        return math.inf
    return max((one.now - reports.taken_at(one.view.counted[0])).total_seconds(), 0.0)


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


def _ended(run: Run | None) -> float:
    return _seconds(run.ended_at if run else None)


def _duration(run: Run | None) -> float:
    return (run.ended_at - run.started_at).total_seconds() if run and run.ended_at else 0.0


def _succeeded(run: Run | None) -> float:
    return float(run is not None and run.outcome is Outcome.SUCCEEDED)


def _states(one: One) -> dict[str, float]:
    return {state.value: sum(b.verdict.state is state for b in one.view.backups) for state in BackupState}


def _failures(one: One) -> dict[str, float]:
    found = {total.code for total in one.state.overview.totals}
    return {reason: one.runs(Kind.BACKUP, of=_BAD, code=reason) for reason in sorted(found.union(REASONS) - {""})}


def _missing(one: One) -> float:
    newest = one.view.counted[0].manifest if one.view.counted else None
    return len(newest.missing_collections) if newest else 0


_SET, _NO = ("set",), ()
CATALOGUE: tuple[Family, ...] = (
    Family("age_seconds", "gauge", _SET, "Age of the newest backup; +Inf without one.", _each_set(_age)),
    Family(
        "valid",
        "gauge",
        _SET,
        "1 if the newest backup is valid.",
        _each_set(lambda s: bool(s.view.counted) and s.view.counted[0].verdict.is_valid),
    ),
    Family(
        "size_bytes",
        "gauge",
        _SET,
        "Size of the newest backup.",
        _each_set(lambda s: s.view.counted[0].size_bytes if s.view.counted else 0),
    ),
    Family(
        "documents",
        "gauge",
        _SET,
        "Documents in the newest valid backup.",
        _each_set(lambda s: s.view.newest_documents),
    ),
    Family(
        "missing_collections",
        "gauge",
        _SET,
        "Collections of the set that the newest backup did not find.",
        _each_set(_missing),
    ),
    Family("backups", "gauge", ("set", "state"), "Stored backups by state.", _each_of(_states)),
    Family(
        "stored_bytes",
        "gauge",
        _SET,
        "Size of all stored backups.",
        _each_set(lambda s: sum(b.size_bytes for b in s.view.backups)),
    ),
    Family(
        "newest_backup_timestamp_seconds",
        "gauge",
        _SET,
        "When the newest valid backup was begun.",
        _each_set(lambda s: _seconds(reports.taken_at(s.view.valid[0]) if s.view.valid else None)),
    ),
    Family(
        "oldest_backup_timestamp_seconds",
        "gauge",
        _SET,
        "When the oldest valid backup was begun.",
        _each_set(lambda s: _seconds(reports.taken_at(s.view.valid[-1]) if s.view.valid else None)),
    ),
    Family(
        "max_age_seconds",
        "gauge",
        _SET,
        "Age at which the newest backup is too old: two intervals and 15 minutes.",
        _each_set(lambda s: max_age_seconds(s.entry.interval_seconds)),
    ),
    Family(
        "last_success_timestamp_seconds",
        "gauge",
        _SET,
        "When a run last ended well.",
        _each_set(lambda s: _ended(s.view.last_success)),
    ),
    Family(
        "last_run_timestamp_seconds",
        "gauge",
        _SET,
        "When the last run ended.",
        _each_set(lambda s: _ended(s.view.last_run)),
    ),
    Family(
        "last_run_success",
        "gauge",
        _SET,
        "1 if the last run ended well.",
        _each_set(lambda s: _succeeded(s.view.last_run)),
    ),
    Family(
        "last_run_duration_seconds",
        "gauge",
        _SET,
        "How long the last run took.",
        _each_set(lambda s: _duration(s.view.last_run)),
    ),
    Family(
        "consecutive_run_failures",
        "gauge",
        _SET,
        "Runs that failed or were aborted since the last good one.",
        _each_set(lambda s: s.view.consecutive_failures),
    ),
    Family("running", "gauge", _SET, "1 while a backup is being made.", _each_set(lambda s: s.running is not None)),
    Family(
        "run_started_timestamp_seconds",
        "gauge",
        _SET,
        "When the run under way began.",
        _each_set(lambda s: _seconds(s.running.started_at if s.running else None)),
    ),
    Family(
        "runs_total",
        "counter",
        ("set", "trigger"),
        "Runs that ended, however.",
        _each_of(lambda s: {t.value: s.runs(Kind.BACKUP, trigger=t) for t in Trigger}),
    ),
    Family(
        "run_failures_total",
        "counter",
        ("set", "reason"),
        "Runs that failed or were aborted, by error code.",
        _each_of(_failures),
    ),
    Family(
        "schedule_enabled",
        "gauge",
        _SET,
        "0 while the schedule is paused.",
        _each_set(lambda s: s.state.scheduler.pause_of(s.entry.name) is None),
    ),
    Family(
        "schedule_interval_seconds",
        "gauge",
        _SET,
        "Usual time between two due times.",
        _each_set(lambda s: s.entry.interval_seconds),
    ),
    Family(
        "schedule_next_run_timestamp_seconds",
        "gauge",
        _SET,
        "When the next run is due.",
        _each_set(lambda s: _seconds(s.state.scheduler.next_run(s.entry.name))),
    ),
    Family(
        "schedule_missed_runs_total",
        "counter",
        _SET,
        "Due times that nobody was there for.",
        _each_set(lambda s: s.runs(Kind.BACKUP, of=(Outcome.MISSED,))),
    ),
    Family(
        "schedule_skipped_runs_total",
        "counter",
        _SET,
        "Due times passed over while paused or busy.",
        _each_set(lambda s: s.runs(Kind.BACKUP, of=(Outcome.SKIPPED,))),
    ),
    Family(
        "last_verification_timestamp_seconds",
        "gauge",
        _SET,
        "When all stored backups were last verified again.",
        _each_set(lambda s: _ended(s.view.last_verification)),
    ),
    Family(
        "last_verification_success",
        "gauge",
        _SET,
        "1 if that found all of them valid.",
        _each_set(lambda s: _succeeded(s.view.last_verification)),
    ),
    Family(
        "verifications_total", "counter", _SET, "Verifications that ended.", _each_set(lambda s: s.runs(Kind.VERIFY))
    ),
    Family(
        "verification_failures_total",
        "counter",
        _SET,
        "Verifications that found something invalid or could not end.",
        _each_set(lambda s: s.runs(Kind.VERIFY, of=_BAD)),
    ),
    Family(
        "restore_drill_success",
        "gauge",
        _SET,
        "1 if the last restore drill ended well.",
        _each_set(lambda s: _succeeded(s.view.last_drill)),
    ),
    Family(
        "restore_drill_timestamp_seconds",
        "gauge",
        _SET,
        "When the last restore drill ended.",
        _each_set(lambda s: _ended(s.view.last_drill)),
    ),
    Family(
        "restore_drill_duration_seconds",
        "gauge",
        _SET,
        "How long the last good restore drill took: the measured recovery time.",
        _each_set(lambda s: _duration(s.view.last_good_drill)),
    ),
    Family("restores_total", "counter", _SET, "Restores that ended.", _each_set(lambda s: s.runs(Kind.RESTORE))),
    Family(
        "restore_failures_total",
        "counter",
        _SET,
        "Restores that failed or were aborted.",
        _each_set(lambda s: s.runs(Kind.RESTORE, of=_BAD)),
    ),
    Family(
        "retention_deleted_backups_total",
        "counter",
        _SET,
        "Backups that the retention rules deleted.",
        _each_set(lambda s: s.state.overview.counted.get((RETENTION_DELETED, s.name), 0)),
    ),
    Family(
        "retention_failures_total",
        "counter",
        _SET,
        "Backups after which the retention rules could not be carried out.",
        _each_set(lambda s: s.state.overview.counted.get((RETENTION_FAILURES, s.name), 0)),
    ),
    Family(
        "storage_free_bytes",
        "gauge",
        _NO,
        "Free space of the file system of the backups.",
        _process(lambda s: s.overview.storage.space.free),
    ),
    Family(
        "storage_capacity_bytes",
        "gauge",
        _NO,
        "Size of the file system of the backups.",
        _process(lambda s: s.overview.storage.space.capacity),
    ),
    Family(
        "storage_required_bytes",
        "gauge",
        _NO,
        "Free space below which the next run would not start.",
        _process(lambda s: s.overview.required_bytes),
    ),
    Family(
        "storage_checked_timestamp_seconds",
        "gauge",
        _NO,
        "When the free space was last asked for.",
        _process(lambda s: _seconds(s.overview.storage.asked_at)),
    ),
    Family(
        "mongodb_up",
        "gauge",
        _NO,
        "1 if MongoDB answered when last asked.",
        _process(lambda s: s.overview.mongodb.is_up),
    ),
    Family(
        "mongodb_checked_timestamp_seconds",
        "gauge",
        _NO,
        "When MongoDB was last asked.",
        _process(lambda s: _seconds(s.overview.mongodb.asked_at)),
    ),
    Family(
        "scheduler_running",
        "gauge",
        _NO,
        "0 when the scheduler is dead or stuck.",
        _process(lambda s: s.scheduler.task.is_running),
    ),
    Family(
        "scheduler_restarts_total",
        "counter",
        _NO,
        "How often the scheduler died and was started again.",
        _process(lambda s: s.scheduler.task.restarts),
    ),
    Family(
        "history_durable",
        "gauge",
        _NO,
        "0 while the record of runs cannot be written to the disk.",
        _process(lambda s: s.history.is_durable),
    ),
    Family(
        "login_failures_total",
        "counter",
        ("reason",),
        "Requests refused for who sent them.",
        lambda s: [((reason,), count) for reason, count in s.login_failures.items()],
    ),
    Family(
        "build_info",
        "gauge",
        ("codec", "python", "version"),
        "1; what is running.",
        lambda s: [((s.build[0], platform.python_version(), s.build[1]), 1)],
    ),
)


class Telemetry:
    """The registry of this process, and the counters that are not computed but counted."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._log_messages = Counter(f"{PREFIX}log_messages", "Log messages.", ["level"], registry=self.registry)
        self._requests = Counter(
            f"{PREFIX}http_requests", "HTTP requests answered.", ["method", "route", "code"], registry=self.registry
        )
        self._durations = Histogram(
            f"{PREFIX}http_request_duration_seconds",
            "Time to answer.",
            ["method", "route", "code"],
            registry=self.registry,
        )
        for level in LEVELS:
            self._log_messages.labels(level)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def hear(self, event: Mapping[str, Any]) -> None:
        """Count what is logged: a tap of the logging."""
        level = str(event.get("level"))
        self._log_messages.labels(level if level in LEVELS else "info").inc()

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. `route` is a template, never a path."""
        self._requests.labels(method, route, str(status)).inc()
        self._durations.labels(method, route, str(status)).observe(seconds)

    def register(self, state: State) -> None:
        self.registry.register(_StateCollector(state))


class _StateCollector(Collector):
    """Computes the catalogue. A family that cannot be computed is left out and counted, and takes no other with it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._errors = 0

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        for family in CATALOGUE:
            try:
                yield _metric(family, family.samples(self._state))
            except Exception:  # a bad state must never be hidden by a defect beside it
                self._errors += 1
                log.exception("metrics.broken", family=family.name)
        yield CounterMetricFamily(f"{PREFIX}metrics_errors", "Families that could not be computed.", value=self._errors)


def _metric(family: Family, samples: Labelled) -> Metric:
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(PREFIX + family.name.removesuffix("_total"), family.meaning, labels=family.labels)
    for labels, value in samples:
        metric.add_metric(labels, float(value))
    return metric


def reference_table() -> str:
    """The catalogue as a Markdown table, for the documentation."""
    counted = (
        ("log_messages_total", "counter", "level", "Log messages."),
        ("http_requests_total", "counter", "method, route, code", "HTTP requests answered."),
        ("http_request_duration_seconds", "histogram", "method, route, code", "Time to answer."),
        ("metrics_errors_total", "counter", "–", "Families that could not be computed."),
    )
    rows = [(f.name, f.kind, ", ".join(f.labels) or "–", f.meaning) for f in CATALOGUE]
    lines = [
        f"| `{PREFIX}{name}` | {kind} | {labels} | {meaning} |" for name, kind, labels, meaning in [*rows, *counted]
    ]
    return "\n".join(["| metric | type | labels | meaning |", "|---|---|---|---|", *lines]) + "\n"
