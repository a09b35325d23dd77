"""What bodies of the API have in common."""

from datetime import datetime
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

from sidecar.model import StoredBackup


class Body(BaseModel):
    """What is sent; every key is always there."""

    model_config = ConfigDict(frozen=True, defer_build=True, json_schema_serialization_defaults_required=True)


class Restorable(Body):
    """A backup of which the whole set can be restored."""

    backup_id: str
    timestamp: AwareDatetime
    age_hours: float

    @classmethod
    def of(cls, backup: StoredBackup, now: datetime) -> Self:
        return cls(backup_id=str(backup.id), timestamp=backup.taken_at, age_hours=age_hours(backup, now))


class CopyStatus(Body):
    """One copy of one set."""

    copy_name: str
    newest_copy: Restorable | None  # the newest there that was read back
    backup_count: int
    damaged_count: int
    lag_backups: int  # that are to be sent, and are not proven there yet
    is_late: bool
    message: str
    is_versioned: bool  # what is deleted or replaced there goes on taking room
    asked_at: AwareDatetime | None
    answered_at: AwareDatetime | None
    error: str | None  # of the last attempt


class BackupCopy(Body):
    """One backup in one copy, by what is remembered of that."""

    copy_name: str
    state: Literal["read_back", "not_read", "damaged", "missing"]
    message: str
    read_back_at: AwareDatetime | None
    locked_until: AwareDatetime | None


def age_hours(backup: StoredBackup, now: datetime) -> float:
    return round(max((now - backup.taken_at).total_seconds() / 3600, 0), 1)
