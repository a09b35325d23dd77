"""Backups and their health as the bodies that the API answers with and the command line prints.

The keys are those of the users' specification; keys of ours are only ever added.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from sidecar.model import BackupSet, BackupState, Consistency, StoredBackup, Trigger
from sidecar.rules import health


class Body(BaseModel):
    """What is sent; every key is always there."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


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


def entry(backup: StoredBackup, now: datetime) -> Entry:
    manifest = backup.manifest
    return Entry(
        backup_id=str(backup.id),
        backup_type=backup.set_name,
        filename=backup.id.data_name,
        timestamp=taken_at(backup),
        size_mb=round(backup.size_bytes / 2**20, 2),
        size_bytes=backup.size_bytes,
        checksum=manifest.checksum if manifest else None,
        collections=manifest.collections if manifest else {},
        is_valid=backup.verdict.is_valid,
        state=backup.verdict.state,
        verify_message=backup.verdict.message,
        age_days=max((now - taken_at(backup)).days, 0),
        is_pinned=backup.is_pinned,
        pinned_until=backup.pinned_until,
        trigger=manifest.trigger if manifest else None,
        consistency=manifest.consistency if manifest else None,
        duration_seconds=manifest.duration_seconds if manifest else None,
        missing_collections=manifest.missing_collections if manifest else (),
        is_suspect=backup.is_suspect,
        suspicions=manifest.suspicions if manifest else (),
    )


def taken_at(backup: StoredBackup) -> datetime:
    """When the backup was begun, in UTC; from its name where the metadata cannot be read."""
    return backup.manifest.timestamp.astimezone(UTC) if backup.manifest else backup.id.taken_at


def set_status(backup_set: BackupSet, backups: Iterable[StoredBackup], now: datetime) -> SetStatus:
    """The state of one set; `backups` newest first."""
    backups = list(backups)
    counted = [b for b in backups if b.verdict.state is not BackupState.ORPHAN and not b.is_safety]
    newest = counted[0] if counted else None
    protection = protection_of(newest, now)
    return SetStatus(
        status=protection.status,
        health=protection.health,
        message=protection.message,
        last_backup=_last(newest, now) if newest else None,
        backup_count=sum(backup.verdict.is_valid for backup in counted),
        retention_limit=backup_set.limit,
        retention_days=backup_set.retention_days,
        directory=str(backup_set.directory),
        states=dict.fromkeys(BackupState, 0) | Counter(backup.verdict.state for backup in backups),
        suspicions=_suspicions(newest),
    )


def protection_of(newest: StoredBackup | None, now: datetime) -> health.Protection:
    if newest is None:
        return health.judge(None, now)
    verdict = newest.verdict
    return health.judge(health.Newest(taken_at(newest), verdict.is_valid, verdict.message, _suspicions(newest)), now)


def _suspicions(newest: StoredBackup | None) -> tuple[str, ...]:
    return newest.manifest.suspicions if newest and newest.manifest and newest.is_suspect else ()


def _last(backup: StoredBackup, now: datetime) -> LastBackup:
    shown = entry(backup, now).model_dump(include=set(LastBackup.model_fields))
    age_hours = max((now - taken_at(backup)).total_seconds() / 3600, 0)
    return LastBackup(**shown, age_hours=round(age_hours, 1))
