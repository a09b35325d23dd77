"""What ran on each set and how it ended, and what its schedule says."""

from sidecar.errors import every_code
from sidecar.history import Pause
from sidecar.metrics.family import by, duration, ended, is_good, of_set, seconds
from sidecar.metrics.state import One
from sidecar.model import WENT_WRONG, Kind, Outcome, Trigger

REASONS = every_code()


def _triggers(one: One) -> dict[str, float]:
    return {trigger.value: one.runs(Kind.BACKUP, trigger=trigger) for trigger in Trigger}


def _failures(one: One) -> dict[str, float]:
    codes = {total.code for total in one.state.overview.totals}.union(REASONS) - {""}
    return {code: one.runs(Kind.BACKUP, WENT_WRONG, code=code) for code in sorted(codes)}


def _pause(one: One) -> Pause | None:
    return one.state.scheduler.pause_of(one.routine.name)


RUNS = (
    of_set("last_success_timestamp_seconds", "When a run last ended well.", lambda s: ended(s.view.last_success)),
    of_set("last_run_timestamp_seconds", "When the last run ended.", lambda s: ended(s.view.last_run)),
    of_set("last_run_success", "1 if the last run ended well.", lambda s: is_good(s.view.last_run)),
    of_set("last_run_duration_seconds", "How long the last run took.", lambda s: duration(s.view.last_run)),
    of_set(
        "last_success_duration_seconds", "How long the last good run took.", lambda s: duration(s.view.last_success)
    ),
    of_set(
        "consecutive_run_failures",
        "Runs that failed or were aborted since the last good one.",
        lambda s: s.view.consecutive_failures,
    ),
    of_set("running", "1 while a backup is being made.", lambda s: s.running is not None),
    of_set(
        "run_started_timestamp_seconds",
        "When the run under way began.",
        lambda s: seconds(s.running.started_at if s.running else None),
    ),
    by("trigger", "runs_total", "Runs that ended, however.", _triggers),
    by("reason", "run_failures_total", "Runs that failed or were aborted, by error code.", _failures),
)

SCHEDULES = (
    of_set("schedule_enabled", "0 while the schedule is paused.", lambda s: _pause(s) is None),
    of_set(
        "schedule_paused_since_timestamp_seconds",
        "When the pause that is in force began.",
        lambda s: seconds(pause.since) if (pause := _pause(s)) else 0,
    ),
    of_set(
        "schedule_paused_until_timestamp_seconds",
        "When the pause that is in force ends by itself; 0 also where it does not.",
        lambda s: seconds(pause.until) if (pause := _pause(s)) else 0,
    ),
    of_set("schedule_interval_seconds", "Usual time between two due times.", lambda s: s.routine.interval_seconds),
    of_set(
        "schedule_next_run_timestamp_seconds",
        "First due time that was not dealt with; in the past where the scheduler is not at work.",
        lambda s: seconds(s.state.scheduler.first_open(s.routine.name)),
    ),
    of_set(
        "schedule_missed_runs_total",
        "Due times that nobody was there for.",
        lambda s: s.runs(Kind.BACKUP, (Outcome.MISSED,)),
    ),
    of_set(
        "schedule_skipped_runs_total",
        "Due times passed over while paused or busy.",
        lambda s: s.runs(Kind.BACKUP, (Outcome.SKIPPED,)),
    ),
)
