"""One set in detail: what there is, its runs, the proof, and its retention and schedule."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import units

from grafana.elsewhere import copies
from grafana.frame import SET_UID, empty_dashboard
from grafana.panels import (
    AGE,
    ANY_IS_BAD,
    CONSISTENCY,
    LAST_FAILURE,
    NEVER_YET,
    NO_FAILURE,
    NOT_MEASURED,
    OUTCOME,
    RESTORABLE,
    SHARE_OF_LIMIT,
    YES_OR_NO,
    Ask,
    Frame,
    Panels,
    add_rows,
    bars,
    lines,
    number,
    states,
)
from grafana.queries import INSTANCE, age_ratio, happened, judged, milliseconds, of_set, outcome, restorable
from grafana.upkeep import proof, retention_and_schedule


def backup_set() -> dashboard.Dashboard:
    """The dashboard, ready to be built."""
    says = "One backup set: runs, durations, sizes, documents, failures, verification, drills, retention, schedule."
    made = empty_dashboard("MongoDB backups: one set", SET_UID, says, one_set=True)
    add_rows(
        made,
        {
            "Now": _now(),
            "Runs": _runs(),
            "Backups": _backups(),
            "Proof": proof(),
            "Copies elsewhere": copies(),
            "Retention and schedule": retention_and_schedule(),
        },
    )
    return made


def _now() -> Panels:
    yield number(
        Frame(
            "Can it be restored?",
            "Whether there is a valid backup, and whether it is younger than max_age_seconds.",
            units.NoUnit,
            width=5,
            height=4,
            words=RESTORABLE,
            alerts=("MongoBackupNone", "MongoBackupTooOld"),
        ),
        Ask(restorable()),
    )
    yield number(
        Frame("Newest valid backup", "When it was begun.", units.DateTimeFromNow, width=4, height=4, words=NEVER_YET),
        Ask(milliseconds(of_set("newest_backup_timestamp_seconds"))),
    )
    yield number(
        Frame(
            "Age against its maximum",
            "Age of the newest backup as a share of max_age_seconds.",
            units.PercentUnit,
            width=4,
            height=4,
            steps=SHARE_OF_LIMIT,
            words=AGE,
            alerts=("MongoBackupTooOld",),
        ),
        Ask(age_ratio()),
    )
    yield number(
        Frame(
            "Newest is valid",
            "Whether the newest backup itself, not an older one, is what was written.",
            units.NoUnit,
            width=3,
            height=4,
            words=YES_OR_NO,
            alerts=("MongoBackupInvalid",),
        ),
        Ask(of_set("valid")),
    )
    yield number(
        Frame("Documents", "Documents in the newest valid backup.", units.LocaleFormat, width=4, height=4),
        Ask(of_set("documents")),
    )
    yield number(
        Frame("A restore takes", "The last good restore drill.", units.Seconds, width=4, height=4, words=NOT_MEASURED),
        Ask(of_set("restore_drill_duration_seconds")),
    )


def _runs() -> Panels:
    yield states(
        Frame(
            "Last run",
            "How the last run ended, over time.",
            units.NoUnit,
            width=12,
            height=5,
            words=OUTCOME,
            alerts=("MongoBackupRunFailed",),
        ),
        Ask(outcome("last_run_timestamp_seconds", "last_run_success")),
    )
    yield number(
        Frame(
            "Last run, last good run",
            "When the last run ended, and when one last ended well.",
            units.DateTimeFromNow,
            width=6,
            height=5,
            words=NEVER_YET,
        ),
        Ask(milliseconds(of_set("last_run_timestamp_seconds")), "last run"),
        Ask(milliseconds(of_set("last_success_timestamp_seconds")), "last good run"),
    )
    yield number(
        Frame(
            "Failed in a row",
            "Runs that failed or were aborted since the last good one.",
            units.NoUnit,
            width=6,
            height=5,
            steps=ANY_IS_BAD,
            alerts=("MongoBackupFailingRepeatedly",),
        ),
        Ask(judged(of_set("consecutive_run_failures"))),
    )
    yield lines(
        Frame(
            "Duration",
            "How long the last run took, and how long the one under way has been running.",
            units.Seconds,
            width=8,
            alerts=("MongoBackupRunStuck",),
        ),
        Ask(of_set("last_run_duration_seconds"), f"{INSTANCE} last"),
        Ask(f"(time() - {of_set('run_started_timestamp_seconds')}) * {of_set('running')}", f"{INSTANCE} under way"),
    )
    yield bars(
        Frame("Runs by trigger", "Runs that ended in each step, however they ended.", units.NoUnit, width=8),
        Ask(happened(of_set("runs_total"), "trigger"), "{{trigger}}"),
    )
    yield bars(
        Frame(
            "Failures by reason",
            "Runs that failed or were aborted in each step, by error code (docs/problems.md).",
            units.NoUnit,
            width=8,
            empty=NO_FAILURE,
            alerts=("MongoBackupRunFailed",),
        ),
        Ask(f"{happened(of_set('run_failures_total'), 'reason')} > 0", "{{reason}}"),
    )
    yield states(
        Frame(
            "Why the last run failed",
            "The error code of the last run while that is one that failed (docs/problems.md).",
            units.NoUnit,
            width=24,
            height=4,
            words=LAST_FAILURE,
            empty=NO_FAILURE,
            alerts=("MongoBackupRunFailed",),
        ),
        Ask(f"max by (reason) ({of_set('last_run_failure')}) == 1", "{{reason}}"),
    )


def _backups() -> Panels:
    yield lines(
        Frame(
            "Size",
            "Bytes of the newest backup, and of all stored backups of the set.",
            units.BytesIEC,
            width=8,
            alerts=("MongoBackupShrunk",),
        ),
        Ask(of_set("size_bytes"), f"{INSTANCE} newest"),
        Ask(of_set("stored_bytes"), f"{INSTANCE} all"),
    )
    yield lines(
        Frame("Documents over time", "Documents in the newest valid backup.", units.LocaleFormat, width=8),
        Ask(of_set("documents")),
    )
    yield lines(
        Frame(
            "Stored backups by state",
            "Only valid ones count. Missing: metadata without its data; orphan: data without metadata.",
            units.NoUnit,
            width=8,
            colours={"valid": "green", "invalid": "red", "missing": "orange", "orphan": "yellow"},
            alerts=("MongoBackupInvalid", "MongoBackupTooFew", "MongoBackupTampered"),
        ),
        Ask(f"sum by (state) ({of_set('backups')})", "{{state}}"),
    )
    yield number(
        Frame(
            "Doubts",
            "Backups that lost most of a collection and nobody confirmed; named collections that the newest one did not find;"
            " data without metadata; backups dated ahead of now; whether retention waits for a confirmation.",
            units.NoUnit,
            width=24,
            height=4,
            steps=ANY_IS_BAD,
            alerts=(
                "MongoBackupSuspect",
                "MongoBackupMissingCollections",
                "MongoBackupOrphans",
                "MongoBackupFutureDated",
            ),
        ),
        Ask(of_set("suspect_backups"), "suspect backups"),
        Ask(of_set("missing_collections"), "missing collections"),
        Ask(of_set("orphan_backups"), "orphans"),
        Ask(of_set("future_backups"), "ahead of now"),
        Ask(of_set("retention_held"), "retention held"),
    )
    yield lines(
        Frame(
            "Restorable against expected",
            "Valid backups of the whole set, and as many as there would be by now had every run succeeded.",
            units.NoUnit,
            width=12,
            height=6,
            alerts=("MongoBackupTooFew", "MongoBackupBackupsLost"),
        ),
        Ask(of_set("restorable_backups"), f"{INSTANCE} restorable"),
        Ask(of_set("expected_backups"), f"{INSTANCE} expected"),
    )
    yield states(
        Frame(
            "Of one moment",
            "Whether the newest backup holds every document as of one moment.",
            units.NoUnit,
            width=12,
            height=6,
            words=CONSISTENCY,
            alerts=("MongoBackupConsistencyLost",),
        ),
        Ask(of_set("snapshot_consistency")),
    )
    yield states(
        Frame(
            "Directory can be written to",
            "Whether a backup can be put into the directory of the set.",
            units.NoUnit,
            width=12,
            height=5,
            words=YES_OR_NO,
            alerts=("MongoBackupDirectoryReadOnly",),
        ),
        Ask(of_set("directory_writable")),
    )
    yield states(
        Frame(
            "Which directory",
            "A number of its own for each directory: where the band changes, another directory or volume was mounted.",
            units.NoUnit,
            width=12,
            height=5,
            alerts=("MongoBackupRecordLost", "MongoBackupBackupsLost"),
        ),
        Ask(of_set("directory_identity")),
    )
