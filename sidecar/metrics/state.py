"""Where the values of the metrics come from: what is in memory, as of now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sidecar.history.record import History
from sidecar.model import (
    CALLED_OFF,
    TOOK_PLACE,
    WENT_WRONG,
    BackupSet,
    Kind,
    Manifest,
    Outcome,
    Run,
    StoredBackup,
    Trigger,
)
from sidecar.rules.policy import Policy
from sidecar.rules.schedule import schedule_name
from sidecar.rules.stock import Stock
from sidecar.runs.jobs import Jobs
from sidecar.runs.leadership import Alone
from sidecar.runs.scheduler import Routine, Scheduler
from sidecar.runtime.clock import Clock
from sidecar.status.overview import Overview, SetView


@dataclass(frozen=True, slots=True)
class State:
    """The process."""

    overview: Overview
    jobs: Jobs
    leadership: Alone
    scheduler: Scheduler
    history: History
    clock: Clock
    sets: Mapping[str, BackupSet]
    policies: Mapping[str, Policy]
    build: tuple[str, str]  # codec, version of the running program
    login_failures: Mapping[str, int]

    def each_set(self) -> "list[One]":
        now = self.clock.now()
        return [One(name, self, self.overview.sets[name], now) for name in self.sets]


@dataclass(frozen=True, slots=True)
class One:
    """One set, as of now."""

    name: str
    state: State
    view: SetView
    now: datetime

    @property
    def stock(self) -> Stock:
        return self.state.overview.stock(self.name, self.now)

    @property
    def restorable(self) -> Sequence[StoredBackup]:
        return self.stock.restorable

    @property
    def newest(self) -> StoredBackup | None:
        return self.stock.newest

    @property
    def manifest(self) -> Manifest | None:
        return self.newest.manifest if self.newest else None

    @property
    def rules(self) -> BackupSet:
        return self.state.sets[self.name]

    @property
    def policy(self) -> Policy:
        return self.state.policies[self.name]

    @property
    def routine(self) -> Routine:
        return self.state.scheduler.routines[schedule_name(Kind.BACKUP, self.name)]

    @property
    def running(self) -> Run | None:
        return self.state.jobs.running(Kind.BACKUP, self.name)

    def interval_seconds(self, kind: Kind) -> float:
        """Of the schedule for this kind of work; 0 without one."""
        routine = self.state.scheduler.routines.get(schedule_name(kind, self.name))
        return routine.interval_seconds if routine else 0.0

    def runs(
        self, kind: Kind, of: Iterable[Outcome] = TOOK_PLACE, *, trigger: Trigger | None = None, code: str | None = None
    ) -> int:
        """How many runs were ever recorded."""
        return sum(
            total.count
            for total in self.state.overview.totals
            if (total.set_name, total.kind) == (self.name, kind)
            and total.outcome in of
            and trigger in (None, total.trigger)
            and code in (None, total.code)
        )

    def failures(self, kind: Kind, code: str | None = None) -> int:
        """How many runs failed or were aborted; cancelled ones do not count."""
        all_of_them = self.runs(kind, WENT_WRONG, code=code)
        return all_of_them - (self.runs(kind, WENT_WRONG, code=CALLED_OFF) if code is None else 0)

    def counted(self, counter: str) -> int:
        return self.state.overview.counted.get((counter, self.name), 0)
