"""Backups and their health as the bodies that the API answers with and the command line prints.

The keys are those of the users' specification; keys of ours are only ever added.
"""

from collections.abc import Sequence
from datetime import datetime

from pydantic import AwareDatetime

from sidecar.model import MB, BackupSet, BackupState, Consistency, Outcome, Run, StoredBackup, Trigger
from sidecar.rules import counting, health, reach
from sidecar.rules.policy import Policy
from sidecar.rules.stock import Stock
from sidecar.rules.tiers import HOUR
from sidecar.status.bodies import Body, CopyStatus, Restorable, age_hours


class Entry(Body):
    """One backup in a list."""

    backup_id: str
    backup_type: str
    filename: str
    timestamp: AwareDatetime
    size_mb: float
    size_bytes: int
    checksum: str | None
    collections: dict[str, int]
    is_valid: bool
    state: BackupState
    verify_message: str
    age_days: int
    is_pinned: bool
    pinned_until: AwareDatetime | None
    trigger: Trigger | None
    consistency: Consistency | None
    duration_seconds: float | None
    missing_collections: tuple[str, ...]
    is_suspect: bool
    suspicions: tuple[str, ...]
    is_ahead: bool  # dated ahead of now by a clock that was wrong: it does not count
    compression: str | None
    recipients: tuple[str, ...]  # public keys that it is encrypted for; empty if it is not
    is_sealed: bool  # encrypted for others: the stored bytes are verified, the content is not checked here
    content_size_bytes: int | None  # of the text
    content_checksum: str | None


class LastBackup(Body):
    """The newest backup of a set."""

    backup_id: str
    filename: str
    timestamp: AwareDatetime
    size_mb: float
    checksum: str | None
    age_hours: float
    is_valid: bool
    verify_message: str
    collections: dict[str, int]


class Proof(Body):
    """How the last verification of the stored backups, or the last restore drill, ended."""

    ended_at: AwareDatetime
    success: bool
    message: str
    backup_id: str | None


class RetentionRules(Body):
    """What the retention rules are to keep of a set; 0 is none."""

    keep_last: int
    keep_hourly: int
    keep_daily: int
    keep_weekly: int
    keep_monthly: int
    keep_yearly: int
    keep_within_days: int
    retention_days: int
    max_total_mb: float
    reaches_back: str  # in words, if every run succeeds
    reaches_back_seconds: float
    cure: str  # where that is little


class SetStatus(Body):
    """How well one set is protected."""

    status: health.Status
    health: health.Health
    message: str
    last_backup: LastBackup | None
    backup_count: int
    retention_limit: int
    retention_days: int
    directory: str  # below the backup directory
    states: dict[BackupState, int]  # how many files there are in each state, safety backups too
    suspicions: tuple[str, ...]  # what the newest backup lost; nothing is deleted while there is something here
    newest_restorable: Restorable | None
    oldest_restorable: Restorable | None  # how far back one can go
    last_verification: Proof | None  # by schedule, of all that is stored
    last_drill: Proof | None
    retention: RetentionRules
    copies: tuple[CopyStatus, ...]  # of the set, elsewhere


def entry(backup: StoredBackup, now: datetime) -> Entry:
    manifest = backup.manifest
    return Entry(
        backup_id=str(backup.id),
        backup_type=backup.set_name,
        filename=backup.filename,
        timestamp=backup.taken_at,
        size_mb=round(backup.size_bytes / MB, 2),
        size_bytes=backup.size_bytes,
        checksum=manifest.checksum if manifest else None,
        collections=manifest.collections if manifest else {},
        is_valid=backup.verdict.is_valid,
        state=backup.verdict.state,
        verify_message=backup.verdict.message,
        age_days=max((now - backup.taken_at).days, 0),
        is_pinned=backup.is_pinned,
        pinned_until=backup.pinned_until,
        trigger=manifest.trigger if manifest else None,
        consistency=manifest.consistency if manifest else None,
        duration_seconds=manifest.duration_seconds if manifest else None,
        missing_collections=manifest.missing_collections if manifest else (),
        is_suspect=backup.is_suspect,
        suspicions=manifest.suspicions if manifest else (),
        is_ahead=counting.is_ahead(backup, now),
        compression=manifest.compression if manifest else None,
        recipients=manifest.encryption.recipients if manifest and manifest.encryption else (),
        is_sealed=backup.is_sealed,
        content_size_bytes=manifest.content_size_bytes if manifest else None,
        content_checksum=manifest.content_checksum if manifest else None,
    )


def kept(policy: Policy) -> RetentionRules:
    back = reach.reach(policy, policy.every or HOUR)
    return RetentionRules(
        keep_last=policy.limit,
        keep_hourly=policy.keep_hourly,
        keep_daily=policy.keep_daily,
        keep_weekly=policy.keep_weekly,
        keep_monthly=policy.keep_monthly,
        keep_yearly=policy.keep_yearly,
        keep_within_days=policy.keep_within_days,
        retention_days=policy.retention_days,
        max_total_mb=policy.max_total_mb,
        reaches_back=reach.in_words(back),
        reaches_back_seconds=back.total_seconds(),
        cure=reach.cure(back),
    )


def set_status(  # noqa: PLR0913 - what is known of a set comes from as many places
    backup_set: BackupSet,
    policy: Policy,
    stock: Stock,
    now: datetime,
    proofs: tuple[Run | None, Run | None] = (None, None),
    copies: Sequence[CopyStatus] = (),
) -> SetStatus:
    """The state of one set; `proofs` are the last verification and the last drill on record, `copies` those elsewhere."""
    verification, drill = proofs
    newest, restorable = stock.newest, stock.restorable
    protection = health.with_copies(protection_of(stock, now), [one.message for one in copies if one.is_late])
    return SetStatus(
        status=protection.status,
        health=protection.health,
        message=protection.message,
        last_backup=_last(newest, now) if newest else None,
        backup_count=len(restorable),
        retention_limit=backup_set.limit,
        retention_days=backup_set.retention_days,
        directory=str(backup_set.directory),
        states=dict(stock.states),
        suspicions=_suspicions(newest),
        newest_restorable=Restorable.of(restorable[0], now) if restorable else None,
        oldest_restorable=Restorable.of(restorable[-1], now) if restorable else None,
        last_verification=_proof(verification),
        last_drill=_proof(drill),
        retention=kept(policy),
        copies=tuple(copies),
    )


def _proof(run: Run | None) -> Proof | None:
    if run is None or run.ended_at is None:
        return None
    is_good = run.outcome is Outcome.SUCCEEDED
    return Proof(ended_at=run.ended_at, success=is_good, message=run.message, backup_id=run.backup_id)


def protection_of(stock: Stock, now: datetime) -> health.Protection:
    """The judgement on a set that has these backups."""
    newest, ahead = stock.newest, [str(one.id) for one in stock.ahead]
    if newest is None:
        return health.judge(None, now, ahead)
    verdict = newest.verdict
    found = health.Newest(
        taken_at=newest.taken_at,
        is_valid=verdict.is_valid,
        reason=verdict.message,
        suspicions=_suspicions(newest),
        is_empty=newest.documents == 0,
    )
    return health.judge(found, now, ahead)


def _suspicions(newest: StoredBackup | None) -> tuple[str, ...]:
    return newest.manifest.suspicions if newest and newest.manifest and newest.is_suspect else ()


def _last(backup: StoredBackup, now: datetime) -> LastBackup:
    shown = entry(backup, now).model_dump(include=set(LastBackup.model_fields))
    return LastBackup(**shown, age_hours=age_hours(backup, now))
