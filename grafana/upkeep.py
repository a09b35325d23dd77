"""Rows of one set: the proof, retention and schedule."""

from grafana_foundation_sdk.models import units

from grafana.panels import ENABLED, NEVER_YET, OUTCOME, PAUSED, Ask, Frame, Panels, bars, lines, number, states
from grafana.queries import INSTANCE, happened, milliseconds, of_set, outcome

RESULT = {"ended": "green", "deleted": "blue", "failed": "red"}


def proof() -> Panels:
    """Verifications, drills and restores: whether the backups are worth anything."""
    verification = outcome("last_verification_timestamp_seconds", "last_verification_success")
    drill = outcome("restore_drill_timestamp_seconds", "restore_drill_success")
    yield states(
        Frame(
            "Last verification and last drill",
            "Whether the last verification by schedule found everything valid, and whether the last drill restored everything.",
            units.NoUnit,
            width=12,
            height=6,
            words=OUTCOME,
            alerts=("MongoBackupVerificationFailed", "MongoBackupDrillFailed"),
        ),
        Ask(verification, f"{INSTANCE} verification"),
        Ask(drill, f"{INSTANCE} drill"),
    )
    yield number(
        Frame(
            "When",
            "When backups were last verified by schedule, and when a restore was last rehearsed.",
            units.DateTimeFromNow,
            width=6,
            height=6,
            words=NEVER_YET,
            alerts=("MongoBackupVerificationOverdue", "MongoBackupDrillOverdue"),
        ),
        Ask(milliseconds(of_set("last_verification_timestamp_seconds")), "verification"),
        Ask(milliseconds(of_set("restore_drill_timestamp_seconds")), "drill"),
    )
    yield lines(
        Frame("Measured recovery time", "How long the last good restore drill took.", units.Seconds, width=6, height=6),
        Ask(of_set("restore_drill_duration_seconds")),
    )
    yield bars(
        Frame(
            "Verifications",
            "Verifications that ended in each step, and those that found something or could not end.",
            units.NoUnit,
            width=12,
            colours=RESULT,
            height=6,
        ),
        Ask(happened(of_set("verifications_total"), "set"), "ended"),
        Ask(happened(of_set("verification_failures_total"), "set"), "failed"),
    )
    yield bars(
        Frame(
            "Restores",
            "Restores that ended in each step, and those that failed.",
            units.NoUnit,
            width=12,
            height=6,
            colours=RESULT,
        ),
        Ask(happened(of_set("restores_total"), "set"), "ended"),
        Ask(happened(of_set("restore_failures_total"), "set"), "failed"),
    )


def retention_and_schedule() -> Panels:
    """What comes next, and what was let go."""
    yield number(
        Frame(
            "Schedule",
            "Whether the schedule is on; 0 as the next run means: paused without an end.",
            units.NoUnit,
            width=4,
            height=6,
            words=ENABLED,
            alerts=("MongoBackupPausedTooLong",),
        ),
        Ask(of_set("schedule_enabled")),
    )
    yield number(
        Frame("Next run", "When the next run is due.", units.DateTimeFromNow, width=4, height=6, words=PAUSED),
        Ask(milliseconds(of_set("schedule_next_run_timestamp_seconds"))),
    )
    yield number(
        Frame(
            "Interval, maximum age",
            "Usual time between two runs, and the age at which the newest backup is too old.",
            units.Seconds,
            width=4,
            height=6,
        ),
        Ask(of_set("schedule_interval_seconds"), "interval"),
        Ask(of_set("max_age_seconds"), "maximum age"),
    )
    yield bars(
        Frame(
            "Due times without a run",
            "Missed: nobody was there. Skipped: paused, or the last run was still under way.",
            units.NoUnit,
            width=12,
            colours={"missed": "red", "skipped": "orange"},
            height=6,
        ),
        Ask(happened(of_set("schedule_missed_runs_total"), "set"), "missed"),
        Ask(happened(of_set("schedule_skipped_runs_total"), "set"), "skipped"),
    )
    yield lines(
        Frame(
            "Oldest valid backup",
            "How far back a restore can go: the age of the oldest valid backup.",
            units.Seconds,
            width=12,
            height=6,
        ),
        Ask(f"time() - ({of_set('oldest_backup_timestamp_seconds')} > 0)"),
    )
    yield lines(
        Frame(
            "Pinned",
            "Bytes of backups that are kept whatever the retention rules say; each restore pins one.",
            units.BytesIEC,
            width=12,
            height=6,
            alerts=("MongoBackupPinnedPilingUp",),
        ),
        Ask(of_set("pinned_bytes")),
    )
    yield number(
        Frame("Pinned backups", "How many those are.", units.NoUnit, width=12, height=6),
        Ask(of_set("pinned_backups")),
    )
    yield bars(
        Frame(
            "Deleted by retention",
            "Backups that the retention rules deleted in each step, and runs after which they could not be carried out.",
            units.NoUnit,
            width=12,
            colours=RESULT,
            height=6,
            alerts=("MongoBackupRetentionFailing",),
        ),
        Ask(happened(of_set("retention_deleted_backups_total"), "set"), "deleted"),
        Ask(happened(of_set("retention_failures_total"), "set"), "failed"),
    )
