"""Backups and their health as the JSON bodies that the API answers with and the command line prints.

The keys are those of the users' specification; keys of ours are only ever added.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sidecar.model import BackupSet, BackupState, StoredBackup
from sidecar.rules import health


def entry(backup: StoredBackup, now: datetime) -> dict[str, Any]:
    """One backup in a list."""
    manifest = backup.manifest
    return {
        "backup_id": str(backup.id),
        "backup_type": backup.set_name,
        "filename": backup.id.data_name,
        "timestamp": taken_at(backup).isoformat(),
        "size_mb": round(backup.size_bytes / 2**20, 2),
        "size_bytes": backup.size_bytes,
        "checksum": manifest.checksum if manifest else None,
        "collections": manifest.collections if manifest else {},
        "is_valid": backup.verdict.is_valid,
        "state": backup.verdict.state.value,
        "verify_message": backup.verdict.message,
        "age_days": max((now - taken_at(backup)).days, 0),
        "is_pinned": backup.is_pinned,
        "trigger": manifest.trigger.value if manifest else None,
        "consistency": manifest.consistency.value if manifest else None,
        "missing_collections": list(manifest.missing_collections) if manifest else [],
    }


def taken_at(backup: StoredBackup) -> datetime:
    """When the backup was begun, in UTC; from its name where the metadata cannot be read."""
    return backup.manifest.timestamp.astimezone(UTC) if backup.manifest else backup.id.taken_at


def set_status(backup_set: BackupSet, backups: Iterable[StoredBackup], now: datetime) -> dict[str, Any]:
    """The state of one set; `backups` newest first."""
    counted = [backup for backup in backups if backup.verdict.state is not BackupState.ORPHAN]
    newest = counted[0] if counted else None
    protection = protection_of(newest, now)
    return {
        "status": protection.status.value,
        "health": protection.health.value,
        "message": protection.message,
        "last_backup": _last(newest, now) if newest else None,
        "backup_count": sum(backup.verdict.is_valid for backup in counted),
        "retention_limit": backup_set.limit,
    }


def protection_of(newest: StoredBackup | None, now: datetime) -> health.Protection:
    if newest is None:
        return health.judge(None, now)
    return health.judge(health.Newest(taken_at(newest), newest.verdict.is_valid, newest.verdict.message), now)


def _last(backup: StoredBackup, now: datetime) -> dict[str, Any]:
    shown = entry(backup, now)
    age_hours = max((now - taken_at(backup)).total_seconds() / 3600, 0)
    keys = ("backup_id", "filename", "timestamp", "size_mb", "checksum", "is_valid", "verify_message", "collections")
    return {key: shown[key] for key in keys} | {"age_hours": round(age_hours, 1)}
