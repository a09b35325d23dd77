"""What the backups of a set come to, so that not all of them are gone through at each question. Pure: `now` is passed in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sidecar.model import BackupState, StoredBackup
from sidecar.rules import counting


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Of these very backups. Time alone changes it only where one is dated ahead."""

    backups: tuple[StoredBackup, ...]  # newest first
    since: datetime  # the moment of which it was reckoned
    until: datetime | None  # when the first of those dated ahead will have its time; None: it holds for ever
    newest: StoredBackup | None  # by which the set is judged, valid or not
    restorable: Sequence[StoredBackup]  # newest first
    oldest_restorable_at: datetime | None
    ahead: Sequence[StoredBackup]  # dated ahead of now: they do not count
    pinned: Sequence[StoredBackup]
    states: Mapping[BackupState, int]
    recipients: Mapping[str, int]  # public keys, by how many backups are encrypted for each
    unencrypted: int
    sealed: int
    suspect: int  # that count and are not confirmed
    size_bytes: int

    def is_of(self, backups: tuple[StoredBackup, ...], now: datetime) -> bool:
        """Whether reckoning again would come to the same; the catalogue returns another tuple whenever anything changed."""
        return self.backups is backups and self.since <= now and (self.until is None or now < self.until)


def stock_of(backups: tuple[StoredBackup, ...], now: datetime) -> Stock:
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
