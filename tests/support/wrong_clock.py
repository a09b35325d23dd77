"""A world in which only the test knows what time it really is: a clock that jumps, restarts, runs, outages and retention.

The rules are the real ones; the directory, the machine and MongoDB's clock are kept in memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sidecar.model import VERIFIED, BackupId, StoredBackup
from sidecar.rules import counting, health, retention
from sidecar.rules.retention import Candidate, Decision, Policy
from sidecar.rules.steadiness import DISTANCES, KeptReading, Reading, judge, usual_distance

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 11, 28, 12, tzinfo=UTC)
POLICY = Policy(limit=5, retention_days=30)


@dataclass
class World:
    """`now` is the true time, `wrong_by` what the machine's clock is ahead of it."""

    now: datetime = START
    wrong_by: timedelta = timedelta()
    running: timedelta = timedelta()
    boots: int = 0
    is_server_up: bool = True
    made: dict[BackupId, datetime] = field(default_factory=dict)  # when each was really made
    deleted_by_age: list[tuple[BackupId, timedelta]] = field(default_factory=list)  # and its true age
    kept: KeptReading | None = None
    most_usual: timedelta = timedelta()  # the longest that ever was the usual distance of two backups

    @property
    def wall(self) -> datetime:
        return self.now + self.wrong_by

    # -- what happens --------------------------------------------------------------------------------------------------

    def pass_by(self, time: timedelta) -> None:
        self.now += time
        self.running += time

    def jump(self, by: timedelta) -> None:
        if abs(self.wrong_by + by) < timedelta(days=500):
            self.wrong_by += by

    def put_right(self) -> None:
        self.wrong_by = timedelta()

    def reboot(self) -> None:
        self.boots += 1
        self.running = timedelta()

    def back_up(self) -> list[Decision]:
        if not self.is_server_up:
            return []
        backup_id = BackupId.at("seed_backup", self.wall)
        while backup_id in self.made:
            backup_id = backup_id.next_second()
        self.made[backup_id] = self.now
        return self.prune(backup_id)

    @property
    def unseen(self) -> timedelta:
        """By so much a clock may be set across a start of the machine without being noticed, as docs/retention.md says."""
        return max(DAY, DISTANCES * self.most_usual)

    def prune(self, just_made: BackupId | None = None) -> list[Decision]:
        earlier = [backup_id.taken_at for backup_id in self.made if backup_id != just_made]
        past = [taken_at for taken_at in earlier if taken_at <= self.wall]
        self.most_usual = max(self.most_usual, usual_distance(past))
        reading = Reading(self.wall, self.running.total_seconds(), str(self.boots))
        server = self.now if just_made else None
        clock, self.kept = judge(self.kept, reading, earlier, server)
        candidates = [Candidate.of(one, self.wall, is_in_use=one.id == just_made) for one in self.stored()]
        decisions = retention.judge(candidates, POLICY, self.wall, clock)
        for one in decisions:
            if not one.keep:
                age = self.now - self.made.pop(one.id)
                if one.reason.startswith("older"):
                    self.deleted_by_age.append((one.id, age))
        return decisions

    # -- what is said and what is true ---------------------------------------------------------------------------------

    def stored(self) -> Sequence[StoredBackup]:
        return [
            StoredBackup(id=backup_id, set_name="main", metadata=None, size_bytes=1, verdict=VERIFIED)
            for backup_id in self.made
        ]

    def health(self) -> health.Health:
        newest = counting.newest(self.stored(), self.wall)
        return health.judge(health.Newest(newest.taken_at, True, "") if newest else None, self.wall).health  # noqa: FBT003 - a tuple with names

    def true_age(self) -> timedelta:
        """Of the backup that was really made last."""
        return self.now - max(self.made.values(), default=datetime.min.replace(tzinfo=UTC))

    def misdated(self) -> list[BackupId]:
        """Those that a wrong clock gave a date after the time at which they were really made."""
        return [one for one, made in self.made.items() if one.taken_at - made > counting.GRACE]
