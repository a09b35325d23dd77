"""A summary of the backups of a set, computed once instead of at each question. Pure: `now` is passed in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sidecar.model import BackupState, StoredBackup
from sidecar.rules import counting


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The summary of these backups. It changes with time only if a backup is dated ahead."""

    backups: tuple[StoredBackup, ...]  # newest first
    since: datetime  # the moment for which it was computed
    until: datetime | None  # when the first backup that is dated ahead begins to count; None: there is none
    newest: StoredBackup | None  # the one by which the set is judged, valid or not
    restorable: Sequence[StoredBackup]  # newest first
    oldest_restorable_at: datetime | None
    ahead: Sequence[StoredBackup]  # dated ahead of now, so that they do not count
    pinned: Sequence[StoredBackup]
    states: Mapping[BackupState, int]
    recipients: Mapping[str, int]  # public key → number of backups that are encrypted for it
    unencrypted: int
    sealed: int
    suspect: int  # backups that count, are suspect and not confirmed
    size_bytes: int

    def is_of(self, backups: tuple[StoredBackup, ...], now: datetime) -> bool:
        """Whether the summary is still right. The catalog returns a new tuple whenever a backup has changed."""
        return self.backups is backups and self.since <= now and (self.until is None or now < self.until)


def stock_of(backups: tuple[StoredBackup, ...], now: datetime) -> Stock:
    """Compute the summary of these backups, given newest first."""
    counted = counting.counted(backups, now)
    restorable = counting.restorable(counted, now)
    ahead = [one for one in backups if counting.is_ahead(one, now)]
    return Stock(
        backups=backups,
        since=now,
        until=min(map(counting.counts_from, ahead), default=None),
        newest=counted[0] if counted else None,
        restorable=restorable,
        oldest_restorable_at=min((one.taken_at for one in restorable), default=None),
        ahead=ahead,
        pinned=[one for one in backups if one.is_pinned],
        states=dict.fromkeys(BackupState, 0) | Counter(one.verdict.state for one in backups),
        recipients=Counter(key for one in backups for key in one.recipients or ()),
        unencrypted=sum(one.recipients is None for one in backups),
        sealed=sum(one.is_sealed for one in backups),
        suspect=sum(one.is_suspect for one in counted),
        size_bytes=sum(one.size_bytes for one in backups),
    )
