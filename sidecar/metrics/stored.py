"""What is stored of each set, what was proven of it, and what the retention rules did."""

import math
from collections import Counter

from sidecar.archive.keys import key_name
from sidecar.metrics.family import by, duration, ended, is_good, of_set, seconds
from sidecar.metrics.state import One
from sidecar.model import BackupState, Consistency, Kind, StoredBackup
from sidecar.rules import counting
from sidecar.rules.reach import expected
from sidecar.rules.retention import Candidate, is_held
from sidecar.rules.schedule import max_age_seconds
from sidecar.runs.operations import RETENTION_DELETED, RETENTION_FAILURES

_EXACT_DIGITS = 12  # hexadecimal, of those that a double holds exactly


def _begun(backup: StoredBackup | None) -> float:
    return seconds(backup.taken_at) if backup else 0.0


def _age(one: One) -> float:
    age = counting.age(one.newest, one.now)
    return math.inf if age is None else age.total_seconds()


def _states(one: One) -> dict[str, float]:
    return {state.value: count for state, count in one.stock.states.items()}


def _recipients(one: One) -> dict[str, float]:
    """Those that are configured, and those that stored backups are encrypted for."""
    found = Counter({"none": one.stock.unencrypted, **{key_name(key): 0 for key in one.rules.recipients}})
    for key, count in one.stock.recipients.items():
        found[key_name(key)] += count
    return dict(found)


def _expected(one: One) -> float:
    if one.view.known_since is None:
        return 0
    known_seconds = (one.now - one.view.known_since).total_seconds()
    return expected(one.policy, one.routine.interval_seconds, known_seconds, one.now, one.restorable)


def _identity(one: One) -> float:
    return int((one.view.directory_id or "0")[:_EXACT_DIGITS], 16)


STORED = (
    of_set("age_seconds", "Age of the newest backup; +Inf without one.", _age),
    of_set("valid", "1 if the newest backup is valid.", lambda s: bool(s.newest and s.newest.verdict.is_valid)),
    of_set(
        "size_bytes", "Size of the newest backup, as it is stored.", lambda s: s.newest.size_bytes if s.newest else 0
    ),
    of_set(
        "content_size_bytes",
        "Size of the newest backup's text, before it was compressed and encrypted.",
        lambda s: s.manifest.text_bytes if s.manifest else 0,
    ),
    of_set(
        "documents", "Documents in the newest valid backup.", lambda s: s.restorable[0].documents if s.restorable else 0
    ),
    of_set(
        "missing_collections",
        "Collections of the set that the newest backup did not find.",
        lambda s: len(s.manifest.missing_collections) if s.manifest else 0,
    ),
    by("state", "backups", "Stored backups by state.", _states),
    of_set(
        "sealed_backups",
        "Backups encrypted with keys that this host lacks: the stored bytes are verified, the content is not.",
        lambda s: s.stock.sealed,
    ),
    by(
        "recipient",
        "recipient_backups",
        "Backups by the public key that they are encrypted with, by its short name; `none`: not encrypted.",
        _recipients,
    ),
    of_set(
        "restorable_backups",
        "Valid backups of the whole set, without the safety backups of restores.",
        lambda s: len(s.restorable),
    ),
    of_set(
        "expected_backups",
        "Valid backups that should exist by now if every run had succeeded; with tiers, since the oldest one.",
        _expected,
    ),
    of_set(
        "suspect_backups",
        "Suspect backups that are not confirmed: they lost most of a collection.",
        lambda s: s.stock.suspect,
    ),
    of_set(
        "retention_held",
        "1 while nothing is deleted because the newest valid backup is suspect.",
        lambda s: is_held(Candidate.of(one, s.now) for one in s.restorable[:1]),
    ),
    of_set(
        "future_backups",
        "Backups dated in the future by a wrong clock; they do not count.",
        lambda s: len(s.stock.ahead),
    ),
    of_set(
        "orphan_backups",
        "Data files without metadata: never finished, or the metadata was lost.",
        lambda s: s.stock.states[BackupState.ORPHAN],
    ),
    of_set(
        "ledger_problems",
        "Contradictions to the ledger: changed entries, and backups that appeared or disappeared without one.",
        lambda s: len(s.view.tampering),
    ),
    of_set("pinned_backups", "Pinned backups, which the retention rules never delete.", lambda s: len(s.stock.pinned)),
    of_set("pinned_bytes", "Size of the pinned backups.", lambda s: sum(one.size_bytes for one in s.stock.pinned)),
    of_set(
        "snapshot_consistency",
        "1 if the newest backup is a snapshot of one moment, 0 if it was read collection by collection.",
        lambda s: s.manifest is not None and s.manifest.consistency is Consistency.SNAPSHOT,
    ),
    of_set(
        "directory_writable",
        "1 if the directory of the set can be read and written.",
        lambda s: s.view.is_writable,
    ),
    of_set(
        "directory_identity",
        "A number that identifies the backup directory; it changes when another directory is mounted; 0 before the first backup.",
        _identity,
    ),
    of_set("stored_bytes", "Size of all stored backups.", lambda s: s.stock.size_bytes),
    of_set(
        "newest_backup_timestamp_seconds",
        "When the newest valid backup began.",
        lambda s: _begun(s.restorable[0] if s.restorable else None),
    ),
    of_set(
        "oldest_backup_timestamp_seconds",
        "When the oldest valid backup began.",
        lambda s: _begun(s.restorable[-1] if s.restorable else None),
    ),
    of_set(
        "max_age_seconds",
        "Age above which the newest backup is too old: the time since the last due time but one, plus 20 minutes.",
        lambda s: max_age_seconds(s.routine.timetable, s.now),
    ),
    of_set(
        "known_since_timestamp_seconds",
        "When the set came on record: its first due time or run.",
        lambda s: seconds(s.view.known_since),
    ),
    of_set(
        "backups_checked_timestamp_seconds",
        "When the stored backups were last listed.",
        lambda s: seconds(s.view.looked_at),
    ),
)

PROOF = (
    of_set(
        "last_verification_timestamp_seconds",
        "When the stored backups were last verified by schedule.",
        lambda s: ended(s.view.last_verification),
    ),
    of_set(
        "last_verification_success",
        "1 if the last scheduled verification found every backup valid.",
        lambda s: is_good(s.view.last_verification),
    ),
    of_set(
        "verification_interval_seconds",
        "Usual time between two scheduled verifications; 0 without a schedule.",
        lambda s: s.interval_seconds(Kind.VERIFY),
    ),
    of_set("verifications_total", "Verifications that ended.", lambda s: s.runs(Kind.VERIFY)),
    of_set(
        "verification_failures_total",
        "Verifications that found a damaged backup or did not finish.",
        lambda s: s.failures(Kind.VERIFY),
    ),
    of_set(
        "restore_drill_success",
        "1 if the last restore drill succeeded; interrupted drills do not count.",
        lambda s: is_good(s.view.last_drill),
    ),
    of_set(
        "restore_drill_timestamp_seconds",
        "When the last restore drill ended; interrupted drills do not count.",
        lambda s: ended(s.view.last_drill),
    ),
    of_set(
        "restore_drill_duration_seconds",
        "How long the last successful restore drill took: the measured recovery time.",
        lambda s: duration(s.view.last_good_drill),
    ),
    of_set(
        "restore_drill_interval_seconds",
        "Usual time between two scheduled restore drills; 0 without a schedule.",
        lambda s: s.interval_seconds(Kind.DRILL),
    ),
    of_set("restores_total", "Restores that ended.", lambda s: s.runs(Kind.RESTORE)),
    of_set("restore_failures_total", "Restores that failed or were aborted.", lambda s: s.failures(Kind.RESTORE)),
)

RETENTION = (
    of_set(
        "retention_deleted_backups_total",
        "Backups that the retention rules deleted.",
        lambda s: s.counted(RETENTION_DELETED),
    ),
    of_set(
        "retention_failures_total",
        "Backups after which the retention rules could not be applied.",
        lambda s: s.counted(RETENTION_FAILURES),
    ),
)
