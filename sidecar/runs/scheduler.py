"""What is due is begun, once; what was not begun in time is accounted for. One loop, which never waits for the work itself."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from sidecar.errors import Busy, SourceError
from sidecar.history import Accounted, History, Pause
from sidecar.model import Kind, Outcome, Run, Trigger
from sidecar.rules.schedule import Timetable, reckon
from sidecar.runs.jobs import new_job_id
from sidecar.runs.leadership import SHARED, Alone
from sidecar.runtime.clock import Clock
from sidecar.runtime.supervision import Supervised
from sidecar.runtime.threads import in_thread

TICK_SECONDS = 1.0  # the wall clock may be set, and a suspended machine's monotonic clock stands still: look often
SILENCE_SECONDS = 10.0  # a loop that has not come round for so long is not running
RESOLUTION = timedelta(microseconds=1)
TOLERANCE = timedelta(minutes=1)  # a clock that is set back by less is waited for

log = structlog.get_logger(__name__)

Begin = Callable[["Entry", Accounted], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is done by schedule on one set."""

    kind: Kind
    set_name: str
    timetable: Timetable
    description: str
    interval_seconds: float

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.set_name}"


class Scheduler:
    """Every due time of every entry ends in one recorded outcome; after downtime the latest one is caught up with.

    `begin` records and starts a run for the due time up to which all is accounted for, and raises Busy where the entry's last
    one is still under way. What is another sidecar's to begin is left alone: its outcome is in that one's record.
    """

    def __init__(
        self, entries: Iterable[Entry], history: History, begin: Begin, clock: Clock, leadership: Alone | None = None
    ) -> None:
        self.entries = {entry.name: entry for entry in entries}
        self.task = Supervised("scheduler", self._run, clock, SILENCE_SECONDS)
        self._history = history
        self._begin = begin
        self._clock = clock
        self._leadership = leadership or Alone()
        self.is_armed = True  # while it is not, nothing is begun; afterwards it is caught up with as after downtime
        self._accounted: dict[str, datetime] = {}  # the last due time of each entry that was dealt with
        self._pauses: dict[str, Pause] = {}
        self._attending = asyncio.Lock()  # no due time is dealt with twice

    async def load(self) -> None:
        """Take up where the record ends. An entry that was never seen before has nothing due until its next due time."""
        now = self._clock.now()
        for name in self.entries:
            known = await in_thread(self._history.accounted_until, name)
            if known is None:
                await in_thread(self._history.account, Accounted(name, now))
            self._accounted[name] = known or now
            if (pause := await in_thread(self._history.paused, name)) is not None:
                self._pauses[name] = pause

    # -- the loop ------------------------------------------------------------------------------------------------------

    async def _run(self, task: Supervised) -> None:
        while True:
            task.beat()
            for entry in self.entries.values():
                await self.attend(entry)
            await self._clock.sleep(self._seconds_to_wait())

    def _seconds_to_wait(self) -> float:
        now = self._clock.now()
        ours = [entry for entry in self.entries.values() if self._is_ours(entry)]
        dues = [entry.timetable.next_after(self._accounted_until(entry)) for entry in ours]
        until_due = min(((due - now).total_seconds() for due in dues), default=TICK_SECONDS)
        return min(max(until_due, 0.0), TICK_SECONDS)

    async def attend(self, entry: Entry) -> None:
        """Deal with the entry's due times up to now."""
        async with self._attending:
            if self._is_ours(entry):
                await self._attend(entry)
            elif self.is_armed:
                await self._follow(entry)

    async def _follow(self, entry: Entry) -> None:
        """Another one's record has the outcomes; ours goes on behind them, should we be on our own again."""
        until = self._accounted_until(entry)
        if until != self._accounted[entry.name]:
            await in_thread(self._history.account, Accounted(entry.name, until))
            self._accounted[entry.name] = until

    def _is_ours(self, entry: Entry) -> bool:
        return self.is_armed and self._leadership.may_begin(entry.kind)

    def _accounted_until(self, entry: Entry) -> datetime:
        """What this sidecar dealt with, or those that led before it."""
        ours = self._accounted.get(entry.name, self._clock.now())  # not there before `load`
        theirs = self._leadership.accounted_until(entry.name) if entry.kind in SHARED else None
        return max(ours, theirs) if theirs else ours

    async def _attend(self, entry: Entry) -> None:
        now = self._clock.now()
        accounted = self._accounted_until(entry)
        if now < accounted - TOLERANCE:
            log.warning("schedule.clock_set_back", schedule=entry.name, seconds=(accounted - now).total_seconds())
            await in_thread(self._history.turned_back, entry.kind, entry.set_name, now)
            self._accounted[entry.name] = now
            await self._tell(entry, now)
            return
        reckoning = reckon(entry.timetable, accounted, max(now, accounted))
        if reckoning.due is not None:
            await self._settle(entry, reckoning.missed, reckoning.due)
            self._accounted[entry.name] = reckoning.due

    async def _settle(self, entry: Entry, missed: Sequence[datetime], due: datetime) -> None:
        pause = self._pauses.get(entry.name)
        passed = [self._passed(entry, moment, pause) for moment in missed]
        if missed:
            log.warning("schedule.missed", schedule=entry.name, due_times=len(missed), since=missed[0].isoformat())
        if pause is not None and pause.covers(due):
            await self._account(entry, due, [*passed, self._passed(entry, due, pause)])
            return
        try:
            await self._begin(entry, Accounted(entry.name, due, tuple(passed)))
        except Busy as error:
            log.warning("schedule.skipped", schedule=entry.name, due=due.isoformat(), error=str(error))
            skipped = self._outcome(entry, due, Outcome.SKIPPED, error.code, str(error))
            await self._account(entry, due, [*passed, skipped])

    async def _account(self, entry: Entry, until: datetime, runs: Sequence[Run]) -> None:
        await in_thread(self._history.account, Accounted(entry.name, until, tuple(runs)))
        await self._tell(entry, until)

    async def _tell(self, entry: Entry, until: datetime) -> None:
        if entry.kind not in SHARED:
            return
        try:
            await self._leadership.account(entry.name, until)
        except SourceError as error:  # whoever leads next will deal with it once more
            log.warning("schedule.untold", schedule=entry.name, error=str(error))

    def _passed(self, entry: Entry, moment: datetime, pause: Pause | None) -> Run:
        if pause is not None and pause.covers(moment):
            return self._outcome(entry, moment, Outcome.SKIPPED, "paused", f"paused by {pause.by}")
        return self._outcome(
            entry,
            moment,
            Outcome.MISSED,
            "missed",
            "nobody was there to begin it: not running, not awake, or not leading",
        )

    def _outcome(self, entry: Entry, due: datetime, outcome: Outcome, code: str, message: str) -> Run:
        return Run(
            job_id=new_job_id(entry.kind, due),
            kind=entry.kind,
            set_name=entry.set_name,
            trigger=Trigger.SCHEDULED,
            started_at=due,
            due_at=due,
            ended_at=self._clock.now(),
            outcome=outcome,
            code=code,
            message=message,
        )

    # -- what people see and do ----------------------------------------------------------------------------------------

    def next_run(self, name: str) -> datetime | None:
        """When an entry runs next; None while it is paused without an end."""
        return self._next_after(name, max(self._clock.now(), self._accounted_until(self.entries[name])))

    def first_open(self, name: str) -> datetime | None:
        """The first due time that was not dealt with, in the past where this is not at work; None as for `next_run`."""
        return self._next_after(name, self._accounted_until(self.entries[name]))

    def _next_after(self, name: str, after: datetime) -> datetime | None:
        if (pause := self.pause_of(name)) is not None:
            if pause.until is None:
                return None
            after = max(after, pause.until - RESOLUTION)
        return self.entries[name].timetable.next_after(after)

    def pause_of(self, name: str) -> Pause | None:
        """The pause that is in force."""
        pause = self._pauses.get(name)
        return pause if pause is not None and pause.covers(self._clock.now()) else None

    async def pause(self, names: Iterable[str], until: datetime | None, by: str) -> None:
        """Begin nothing by schedule, for good or until then. What is under way goes on."""
        pause = Pause(self._clock.now(), until, by)
        for name in names:
            self._pauses[name] = pause
            await in_thread(self._history.pause, name, pause)
        log.warning("schedule.paused", by=by, until=until and until.isoformat())

    async def resume(self, names: Iterable[str], by: str) -> None:
        """Go on with the next due time; those that the pause covered are not caught up with."""
        for name in names:
            await self.attend(self.entries[name])
            self._pauses.pop(name, None)
            await in_thread(self._history.resume, name)
        log.info("schedule.resumed", by=by)
