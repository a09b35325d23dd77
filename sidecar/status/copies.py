"""How a set is protected elsewhere, from what is remembered of its copies."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sidecar.copies.copies import Copies, CopyView
from sidecar.copies.memory import Held
from sidecar.model import BackupId
from sidecar.rules import health
from sidecar.rules.stock import Stock
from sidecar.status.bodies import BackupCopy, CopyStatus, Restorable


def backup_copies(backup_id: BackupId, standings: Iterable[CopyView]) -> tuple[BackupCopy, ...]:
    """Where a backup lies elsewhere."""
    return tuple(_backup_copy(one, one.held_by_id.get(backup_id)) for one in standings)


def _backup_copy(standing: CopyView, held: Held | None) -> BackupCopy:
    name = standing.copy.name
    if held is None:
        return BackupCopy(copy_name=name, state="missing", message="Not there", read_back_at=None, locked_until=None)
    return BackupCopy(
        copy_name=name,
        state="read_back" if held.is_proven else "damaged" if held.is_damaged else "not_read",
        message=held.backup.verdict.message,
        read_back_at=held.backup.verified_at,
        locked_until=held.locked_until,
    )


def copy_status(standing: CopyView, here: Stock, now: datetime) -> CopyStatus:
    newest = standing.restorable[0] if standing.restorable else None
    contact, limit = standing.contact, timedelta(hours=standing.copy.max_age_hours)
    newest_at = newest.taken_at if newest else None
    late = health.lateness(standing.copy.name, newest_at, here.oldest_restorable_at, limit, now)
    return CopyStatus(
        copy_name=standing.copy.name,
        newest_copy=Restorable.of(newest, now) if newest else None,
        backup_count=len(standing.restorable),
        damaged_count=sum(one.is_damaged for one in standing.held),
        lag_backups=standing.lag,
        is_late=late is not None,
        message=late or "",
        is_versioned=contact is not None and contact.is_versioned,
        asked_at=contact.at if contact else None,
        answered_at=contact.answered_at if contact else None,
        error=contact.error if contact else None,
    )


def copies_of(copies: Copies, set_name: str, here: Stock, now: datetime) -> list[CopyStatus]:
    """Of every copy of a set. Blocks."""
    names = [one.name for one in copies.configured.values() if set_name in one.sets]
    return [copy_status(copies.standing(name, set_name), here, now) for name in names]
