"""A backup as it lies in the directory: its verdict, and what people said of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict

from sidecar.model.backup_id import BackupId
from sidecar.model.form import Form
from sidecar.model.manifest import Manifest, Trigger
from sidecar.model.metadata import Metadata


class BackupState(StrEnum):
    """What is known of a stored backup. Only `VALID` ones count."""

    VALID = "valid"
    INVALID = "invalid"  # the stored bytes or the metadata are not what was written, or cannot be read
    MISSING = "missing"  # metadata without its data file
    ORPHAN = "orphan"  # a data file without metadata: never finished, or its metadata was lost


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a backup can be trusted and the reason in words."""

    state: BackupState
    message: str

    @property
    def is_valid(self) -> bool:
        return self.state is BackupState.VALID


VERIFIED = Verdict(BackupState.VALID, "Integrity verified")
NOT_READ = Verdict(BackupState.INVALID, "Not read since its files changed")  # of a look that reads no data


class Pin(BaseModel):
    """Keeps a backup from the retention rules, for ever where `until` is None (`<id>.pin.json`)."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    until: AwareDatetime | None = None

    def holds_at(self, moment: datetime) -> bool:
        return self.until is None or moment < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBackup:
    """One backup as the catalogue shows it."""

    id: BackupId
    set_name: str
    metadata: Metadata | None  # None where there is none that can be read
    size_bytes: int
    verdict: Verdict
    verified_at: datetime | None = None  # when that was found by reading it; None if nothing had to be read
    is_pinned: bool = False
    pinned_until: datetime | None = None  # None if it is pinned for ever, or not at all
    is_confirmed: bool = False  # somebody said that what it lost was meant to go
    form: Form = Form.PLAIN

    @property
    def filename(self) -> str:
        return self.id.data_name_in(self.form)

    @property
    def manifest(self) -> Manifest | None:
        """All of its metadata: asked of a few backups, and not of each at every look."""
        return self.metadata.manifest if self.metadata else None

    @property
    def taken_at(self) -> datetime:
        """When it was begun, in UTC; from its name where the metadata cannot be read."""
        return self.metadata.brief.taken_at if self.metadata else self.id.taken_at

    @property
    def documents(self) -> int:
        """How many its metadata speaks of."""
        return self.metadata.brief.documents if self.metadata else 0

    @property
    def recipients(self) -> tuple[str, ...] | None:
        """Public keys that it is encrypted for; None where it is not, or where the metadata cannot be read."""
        return self.metadata.brief.recipients if self.metadata else None

    @property
    def is_sealed(self) -> bool:
        """Its stored bytes can be verified here, its content cannot be read."""
        return self.metadata is not None and self.metadata.brief.is_sealed

    @property
    def is_safety(self) -> bool:
        """Made before a restore, of what it was about to replace: perhaps only a part of the set, so it never counts as one."""
        return self.metadata is not None and self.metadata.brief.trigger is Trigger.PRE_RESTORE

    @property
    def is_suspect(self) -> bool:
        """It lost most of a collection compared with earlier backups, and has not been confirmed."""
        return self.metadata is not None and self.metadata.brief.has_suspicions and not self.is_confirmed


class Confirmation(BaseModel):
    """That what a suspect backup lost was meant to go (`<id>.confirmed.json`)."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    at: AwareDatetime
    by: str
