"""What the retention rules say of a set, for those who only ask. What is deleted is judged anew each time."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import datetime

from sidecar.model import BackupId, BackupState, StoredBackup
from sidecar.rules import retention
from sidecar.rules.retention import Decision, Policy, Steadiness


def prunable(backups: Iterable[StoredBackup]) -> list[StoredBackup]:
    """An orphan is never ours to delete: its metadata may only be lost."""
    return [one for one in backups if one.verdict.state is not BackupState.ORPHAN]


def judged(
    stored: Iterable[StoredBackup], policy: Policy, now: datetime, clock: Steadiness, in_use: Container[BackupId] = ()
) -> list[Decision]:
    candidates = [retention.Candidate.of(one, now, is_in_use=one.id in in_use) for one in stored]
    return retention.judge(candidates, policy, now, clock)


@dataclass(frozen=True, slots=True)
class _Question:
    policy: Policy
    clock: Steadiness
    minute: datetime


class Judgement:
    """On these very backups. Who asks the same again within a minute is told the same."""

    def __init__(self, backups: tuple[StoredBackup, ...]) -> None:
        self.backups = backups
        self.stored = prunable(backups)
        self.taken = sorted(one.taken_at for one in self.stored)
        self._last: tuple[_Question, list[Decision]] | None = None

    def decisions(self, policy: Policy, clock: Steadiness, now: datetime) -> list[Decision]:
        question, last = _Question(policy, clock, now.replace(second=0, microsecond=0)), self._last
        if last is None or last[0] != question:
            last = self._last = question, judged(self.stored, policy, now, clock)
        return list(last[1])
