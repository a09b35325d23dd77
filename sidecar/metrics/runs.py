"""What ran on each set and how it ended, and what its schedule says."""

from sidecar import errors
from sidecar.errors import DIED, SidecarError
from sidecar.history.rows import Pause
from sidecar.metrics.family import by, duration, ended, is_good, of_set, seconds
from sidecar.metrics.state import One
from sidecar.model import CALLED_OFF, WENT_WRONG, Kind, Outcome, Trigger

_NO_BACKUP = (  # what a backup never fails with
    errors.WriteRejected,
    errors.TargetInUse,
    errors.TargetUnsuitable,
    errors.SnapshotTooOld,  # then the set is read once more, in the end collection by collection
    errors.SnapshotUnavailable,
)
_ANY_BACKUP = (errors.SourceError, errors.StorageError, errors.Busy, errors.Stopped)
REASONS = errors.codes_below(*_ANY_BACKUP) - errors.codes_below(*_NO_BACKUP) | {SidecarError.code, DIED}


def _triggers(one: One) -> dict[str, float]:
    return {trigger.value: one.runs(Kind.BACKUP, trigger=trigger) for trigger in Trigger}


def _failures(one: One) -> dict[str, float]:
    return {code: one.failures(Kind.BACKUP, code=code) for code in _reasons(one)}


def _reasons(one: One) -> list[str]:
    """The codes that a backup can fail with, and those that one ever did."""
    of_backups = (total for total in one.state.overview.totals if total.kind is Kind.BACKUP)
    happened = {total.code for total in of_backups if total.outcome in WENT_WRONG}
    return sorted(happened.union(REASONS) - {"", CALLED_OFF})


def _last_failure(one: One) -> dict[str, float]:
    last = one.view.last_judged
    return {code: last is not None and last.outcome in WENT_WRONG and last.code == code for code in _reasons(one)}


def _pause(one: One) -> Pause | None:
    return one.state.scheduler.pause_of(one.routine.name)


RUNS = (
    of_set("last_success_timestamp_seconds", "When a run last succeeded.", lambda s: ended(s.view.last_success)),
    of_set("last_run_timestamp_seconds", "When the last run ended.", lambda s: ended(s.view.last_run)),
    of_set(
        "last_run_success",
        "1 if the last run succeeded; cancelled runs do not count.",
        lambda s: is_good(s.view.last_judged),
    ),
    of_set("last_run_duration_seconds", "How long the last run took.", lambda s: duration(s.view.last_run)),
    of_set(
        "last_success_duration_seconds",
        "How long the last successful run took.",
        lambda s: duration(s.view.last_success),
    ),
    of_set(
        "consecutive_run_failures",
        "Runs that failed or were aborted since the last success; cancelled runs do not count.",
        lambda s: s.view.consecutive_failures,
    ),
    of_set("running", "1 while a backup is being made.", lambda s: s.running is not None),
    of_set(
        "run_started_timestamp_seconds",
        "When the run under way began.",
        lambda s: seconds(s.running.started_at if s.running else None),
    ),
    by("trigger", "runs_total", "Runs that ended, with any outcome.", _triggers),
    by("reason", "run_failures_total", "Runs that failed or were aborted, by error code.", _failures),
    by(
        "reason", "last_run_failure", "1 for the error code of the last run if it failed or was aborted.", _last_failure
    ),
)

SCHEDULES = (
    of_set("schedule_enabled", "0 while the schedule is paused.", lambda s: _pause(s) is None),
    of_set(
        "schedule_paused_since_timestamp_seconds",
        "When the current pause began.",
        lambda s: seconds(pause.since) if (pause := _pause(s)) else 0,
    ),
    of_set(
        "schedule_paused_until_timestamp_seconds",
        "When the current pause ends by itself; 0 if it does not.",
        lambda s: seconds(pause.until) if (pause := _pause(s)) else 0,
    ),
    of_set("schedule_interval_seconds", "Usual time between two due times.", lambda s: s.routine.interval_seconds),
    of_set(
        "schedule_next_run_timestamp_seconds",
        "The next due time; in the past if the scheduler does not run.",
        lambda s: seconds(s.state.scheduler.first_open(s.routine.name)),
    ),
    of_set(
        "schedule_missed_runs_total",
        "Due times while the sidecar was not running.",
        lambda s: s.runs(Kind.BACKUP, (Outcome.MISSED,)),
    ),
    of_set(
        "schedule_skipped_runs_total",
        "Due times skipped because the schedule was paused or a run was under way.",
        lambda s: s.runs(Kind.BACKUP, (Outcome.SKIPPED,)),
    ),
)
