"""What bodies of the API have in common."""

from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

from sidecar.model import StoredBackup


class Body(BaseModel):
    """What is sent; every key is always there."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class Restorable(Body):
    """A backup of which the whole set can be restored."""

    backup_id: str
    timestamp: AwareDatetime
    age_hours: float

    @classmethod
    def of(cls, backup: StoredBackup, now: datetime) -> Self:
        return cls(backup_id=str(backup.id), timestamp=backup.taken_at, age_hours=age_hours(backup, now))


def age_hours(backup: StoredBackup, now: datetime) -> float:
    return round(max((now - backup.taken_at).total_seconds() / 3600, 0), 1)
