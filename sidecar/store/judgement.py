"""What the retention rules say of a set, for those who only ask. What is deleted is judged anew each time."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sidecar.model import BackupId, BackupState, StoredBackup
from sidecar.rules import retention
from sidecar.rules.retention import Decision, Policy, Steadiness

BELIEVED: Final = timedelta(seconds=90)
RENEWED: Final = timedelta(
    seconds=45
)  # after which the server's look at everything judges anew, so that no request has to


def prunable(backups: Iterable[StoredBackup]) -> list[StoredBackup]:
    """An orphan is never ours to delete: its metadata may only be lost."""
    return [one for one in backups if one.verdict.state is not BackupState.ORPHAN]


def judged(
    stored: Iterable[StoredBackup], policy: Policy, now: datetime, clock: Steadiness, in_use: Container[BackupId] = ()
) -> list[Decision]:
    candidates = [retention.Candidate.of(one, now, is_in_use=one.id in in_use) for one in stored]
    return retention.judge(candidates, policy, now, clock)


@dataclass(frozen=True, slots=True)
class _Answer:
    policy: Policy
    clock: Steadiness
    at: datetime
    decisions: list[Decision]

    def holds(self, policy: Policy, clock: Steadiness, now: datetime, within: timedelta) -> bool:
        return (self.policy, self.clock) == (policy, clock) and timedelta() <= now - self.at < within


class Judgement:
    """The decisions on these very backups. The same question within 90 seconds gets the same answer."""

    def __init__(self, backups: tuple[StoredBackup, ...]) -> None:
        self.backups = backups
        self.stored = prunable(backups)
        self.taken = sorted(one.taken_at for one in self.stored)
        self._last: _Answer | None = None

    def decisions(
        self, policy: Policy, clock: Steadiness, now: datetime, within: timedelta = BELIEVED
    ) -> list[Decision]:
        """Return the decisions as of `now`, or as of a moment that is no longer ago than `within`."""
        last = self._last
        if last is None or not last.holds(policy, clock, now, within):
            last = self._last = _Answer(policy, clock, now, judged(self.stored, policy, now, clock))
        return list(last.decisions)
