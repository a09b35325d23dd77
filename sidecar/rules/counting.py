"""The rule for which stored backups count, which can be restored, and which is the newest. Pure: `now` is passed in.

A backup counts for its set if it was made as a backup of the set, has metadata and is not dated ahead of now. A backup that a
wrong clock dated ahead is kept and shown, but it is never the newest, does not count, and is restored only by its id.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sidecar.model import BackupState, StoredBackup

GRACE = timedelta(minutes=5)  # the clocks of two healthy machines may differ by so much
_EARLIEST = datetime.min.replace(tzinfo=UTC) + GRACE


def is_ahead(one: StoredBackup, now: datetime) -> bool:
    """Whether the time in the backup's id or metadata lies in the future."""
    return now < counts_from(one)


def counts_from(one: StoredBackup) -> datetime:
    """The moment from which on the backup is not dated ahead any more."""
    return max(one.taken_at, one.id.taken_at, _EARLIEST) - GRACE


def of_the_set(backups: Iterable[StoredBackup]) -> list[StoredBackup]:
    """The backups that were made as a backup of the set and have metadata, whatever their date; newest first."""
    mine = (one for one in backups if one.verdict.state is not BackupState.ORPHAN and not one.is_safety)
    return sorted(mine, key=lambda one: one.id, reverse=True)


def counted(backups: Iterable[StoredBackup], now: datetime) -> list[StoredBackup]:
    """The backups that count for the protection of the set, valid or not; newest first."""
    return [one for one in of_the_set(backups) if not is_ahead(one, now)]


def restorable(backups: Iterable[StoredBackup], now: datetime) -> list[StoredBackup]:
    """The backups from which the whole set can be restored; newest first."""
    return [one for one in counted(backups, now) if one.verdict.is_valid]


def in_order_of_choice(backups: Iterable[StoredBackup], now: datetime) -> list[StoredBackup]:
    """The restorable backups in the order of preference: newest first, but suspect ones last."""
    return sorted(restorable(backups, now), key=lambda one: one.is_suspect)


def trusted(backups: Iterable[StoredBackup], now: datetime) -> list[StoredBackup]:
    """The restorable backups that are not suspect, newest first."""
    return [one for one in restorable(backups, now) if not one.is_suspect]


def newest(backups: Iterable[StoredBackup], now: datetime) -> StoredBackup | None:
    """The newest backup that counts, valid or not, by which a set is judged; None if there is none."""
    return next(iter(counted(backups, now)), None)


def age(one: StoredBackup | None, now: datetime) -> timedelta | None:
    """The age of a backup, 0 if its date lies ahead within the grace; None without a backup."""
    return max(now - one.taken_at, timedelta()) if one is not None else None


def is_last_valid(found: StoredBackup, backups: Iterable[StoredBackup], now: datetime) -> bool:
    """Whether no restorable backup that is as good would be left without this one. A safety backup is never the last one."""
    if found.is_safety or not found.verdict.is_valid:
        return False
    others = [one for one in restorable(backups, now) if one.id != found.id]
    return not any(found.is_suspect or not one.is_suspect for one in others)
