"""The input and output of the retention rules: candidates, the state of the clock, decisions. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from sidecar.model import BackupId, StoredBackup
from sidecar.rules import counting
from sidecar.rules.tiers import Rule


@dataclass(frozen=True, slots=True)
class Candidate:
    """A backup as the retention rules see it."""

    id: BackupId
    is_valid: bool
    is_pinned: bool
    is_in_use: bool
    is_safety: bool = False  # made before a restore; it cannot replace a backup of the set
    is_suspect: bool = False  # lost most of a collection, and nobody has confirmed the loss
    is_ahead: bool = False  # dated ahead of now by a wrong clock
    size_bytes: int = 0

    @classmethod
    def of(cls, one: StoredBackup, now: datetime, *, is_in_use: bool = False) -> Self:
        return cls(
            id=one.id,
            is_valid=one.verdict.is_valid,
            is_pinned=one.is_pinned,
            is_in_use=is_in_use,
            is_safety=one.is_safety,
            is_suspect=one.is_suspect,
            is_ahead=counting.is_ahead(one, now),
            size_bytes=one.size_bytes,
        )

    @property
    def counts(self) -> bool:
        """Whether the whole set can be restored from this backup."""
        return self.is_valid and not self.is_safety and not self.is_ahead


@dataclass(frozen=True, slots=True)
class Steadiness:
    """What is known about the clock by which ages are computed."""

    since: datetime | None = None  # when the clock was last found to have been set; None: never
    doubt: str | None = None  # why no backup may be deleted by its age now; None: the clock can be trusted

    def age_ends(self, one: BackupId, days: int) -> datetime | None:
        """When a backup will be `days` days old; None past the end of the calendar."""
        born = max(one.taken_at, self.since or one.taken_at)
        try:
            return born + timedelta(days=days)
        except OverflowError:
            return None

    def counts_from(self, one: BackupId) -> str:
        """What to add to a reason if the age of the backup does not count from its own date; else empty."""
        if self.since is None or self.since <= one.taken_at:
            return ""
        return f"; its age counts from {self.since:%Y-%m-%d %H:%M} UTC, when the clock was set"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a backup stays, and why."""

    id: BackupId
    keep: bool
    reason: str
    expires_at: datetime | None  # when it will be deleted; None: never, as things stand
    rules: tuple[Rule, ...] = ()  # the rules that keep it
