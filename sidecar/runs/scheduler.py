"""Begin each due run once, and record due times that had no run. One loop, which does not wait for the runs."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sidecar.errors import Busy, SourceError
from sidecar.history.record import History
from sidecar.history.rows import Accounted, Pause
from sidecar.logger import Logger
from sidecar.model import Kind, Outcome, Run, Trigger
from sidecar.rules.blackout import Dark
from sidecar.rules.schedule import Timetable, reckon, schedule_name
from sidecar.runs.jobs import new_job_id
from sidecar.runs.leadership import SHARED, Alone
from sidecar.runtime.clock import Clock
from sidecar.runtime.supervision import Supervised
from sidecar.runtime.threads import in_thread

TICK_SECONDS = 1.0  # look often: the clock may be changed, or the machine suspended
SILENCE_SECONDS = 10.0  # after so long without a round the loop counts as not running
RESOLUTION = timedelta(microseconds=1)
TOLERANCE = timedelta(minutes=1)  # if the clock is set back by less, wait until it has caught up

log = Logger(__name__)

Begin = Callable[["Routine", Accounted], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Routine:
    """One schedule: what kind of work it begins on which set, and when."""

    kind: Kind
    set_name: str
    timetable: Timetable
    description: str
    interval_seconds: float

    @property
    def name(self) -> str:
        return schedule_name(self.kind, self.set_name)

    def dark_until(self, moment: datetime) -> datetime | None:
        """Return the end of the blackout that is in force at this moment, None if there is none."""
        return self.timetable.end_over(moment) if isinstance(self.timetable, Dark) else None

    def passed_over(self, after: datetime, until: datetime) -> list[datetime]:
        """Return the due times in between that fell into a blackout."""
        return self.timetable.passed_over(after, until) if isinstance(self.timetable, Dark) else []


class Scheduler:
    """Records exactly one outcome for every due time of every routine. After downtime only the latest due time is run.

    `begin` records and starts a run for a due time, and raises Busy if the routine's last run is still running. Routines
    that another sidecar begins are left alone: the outcomes are in that sidecar's record.
    """

    def __init__(
        self, routines: Iterable[Routine], history: History, begin: Begin, clock: Clock, leadership: Alone | None = None
    ) -> None:
        self.routines = {routine.name: routine for routine in routines}
        self.task = Supervised("scheduler", self._run, clock, SILENCE_SECONDS)
        self._history = history
        self._begin = begin
        self._clock = clock
        self._leadership = leadership or Alone()
        self.is_armed = True  # while False nothing is begun; what was due meanwhile is treated as after downtime
        self._accounted: dict[str, datetime] = {}  # the last due time of each routine that was dealt with
        self._pauses: dict[str, Pause] = {}
        self._attending = asyncio.Lock()  # no due time is dealt with twice

    async def load(self) -> None:
        """Continue where the record ends. A new routine has nothing due before its next due time.

        A run that a restart ended is due again, once; not in a group, where the present leader continues.
        """
        now = self._clock.now()
        for name, routine in self.routines.items():
            if self._leadership.group is None or routine.kind not in SHARED:
                await in_thread(self._history.reopen, routine.kind, routine.set_name)
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
            for routine in self.routines.values():
                await self.attend(routine)
            await self._clock.sleep(self._seconds_to_wait())

    def _seconds_to_wait(self) -> float:
        now = self._clock.now()
        ours = [routine for routine in self.routines.values() if self._is_ours(routine)]
        dues = [self._first_begun(routine, self._accounted_until(routine)) for routine in ours]
        until_due = min(((due - now).total_seconds() for due in dues), default=TICK_SECONDS)
        return min(max(until_due, 0.0), TICK_SECONDS)

    async def attend(self, routine: Routine) -> None:
        """Begin or account for the routine's due times up to now."""
        async with self._attending:
            if self._is_ours(routine):
                await self._attend(routine)
            elif self.is_armed:
                await self._follow(routine)

    async def _follow(self, routine: Routine) -> None:
        """Note which due times the leader has dealt with, so that we continue from there if we ever lead or are alone."""
        until = self._accounted_until(routine)
        if until != self._accounted[routine.name]:
            await in_thread(self._history.account, Accounted(routine.name, until))
            self._accounted[routine.name] = until

    def _is_ours(self, routine: Routine) -> bool:
        return self.is_armed and self._leadership.may_begin(routine.kind)

    def _accounted_until(self, routine: Routine) -> datetime:
        """Return the last due time that this sidecar or its group has dealt with."""
        ours = self._accounted.get(routine.name, self._clock.now())  # missing before `load`
        theirs = self._leadership.accounted_until(routine.name) if routine.kind in SHARED else None
        return max(ours, theirs) if theirs else ours

    async def _attend(self, routine: Routine) -> None:
        now = self._clock.now()
        if routine.dark_until(now) is not None:  # earlier due times wait for the end of the blackout too
            return
        accounted = self._accounted_until(routine)
        if now < accounted - TOLERANCE:
            log.warning("schedule.clock_set_back", schedule=routine.name, seconds=(accounted - now).total_seconds())
            await in_thread(self._history.turned_back, routine.kind, routine.set_name, now)
            self._accounted[routine.name] = now
            await self._tell(routine, now)
            return
        reckoning = reckon(routine.timetable, accounted, max(now, accounted))
        if reckoning.due is not None:
            await self._settle(routine, reckoning.missed, reckoning.due)
            self._accounted[routine.name] = reckoning.due

    async def _settle(self, routine: Routine, missed: Sequence[datetime], due: datetime) -> None:
        pause = self._pauses.get(routine.name)
        dark = [
            self._in_the_dark(routine, moment) for moment in routine.passed_over(self._accounted_until(routine), due)
        ]
        passed = dark + [self._passed(routine, moment, pause) for moment in missed]
        if missed:
            log.warning("schedule.missed", schedule=routine.name, due_times=len(missed), since=missed[0].isoformat())
        if pause is not None and pause.covers(due):
            await self._account(routine, due, [*passed, self._passed(routine, due, pause)])
            return
        try:
            await self._begin(routine, Accounted(routine.name, due, tuple(passed)))
        except Busy as error:
            log.warning("schedule.skipped", schedule=routine.name, due=due.isoformat(), error=str(error))
            skipped = self._outcome(routine, due, Outcome.SKIPPED, error.code, str(error))
            await self._account(routine, due, [*passed, skipped])

    async def _account(self, routine: Routine, until: datetime, runs: Sequence[Run]) -> None:
        await in_thread(self._history.account, Accounted(routine.name, until, tuple(runs)))
        await self._tell(routine, until)

    async def _tell(self, routine: Routine, until: datetime) -> None:
        if routine.kind not in SHARED:
            return
        try:
            await self._leadership.account(routine.name, until)
        except SourceError as error:  # the next leader will deal with these due times again
            log.warning("schedule.not_accounted", schedule=routine.name, error=str(error))

    def _passed(self, routine: Routine, moment: datetime, pause: Pause | None) -> Run:
        if pause is not None and pause.covers(moment):
            return self._outcome(routine, moment, Outcome.SKIPPED, "paused", f"paused by {pause.by}")
        return self._outcome(
            routine,
            moment,
            Outcome.MISSED,
            "missed",
            "it could not begin: the sidecar was not running, asleep, or not leading",
        )

    def _in_the_dark(self, routine: Routine, moment: datetime) -> Run:
        return self._outcome(
            routine, moment, Outcome.SKIPPED, "blackout", "within a blackout; made up for once when it ended"
        )

    def _outcome(self, routine: Routine, due: datetime, outcome: Outcome, code: str, message: str) -> Run:
        return Run(
            job_id=new_job_id(routine.kind, due),
            kind=routine.kind,
            set_name=routine.set_name,
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
        """Return when a routine runs next, None while it is paused without an end."""
        return self._next_after(name, max(self._clock.now(), self._accounted_until(self.routines[name])))

    def first_open(self, name: str) -> datetime | None:
        """Return the first due time that nobody has dealt with; it is in the past if the scheduler does not work.

        None as for `next_run`.
        """
        return self._next_after(name, self._accounted_until(self.routines[name]))

    def _next_after(self, name: str, after: datetime) -> datetime | None:
        if (pause := self.pause_of(name)) is not None:
            if pause.until is None:
                return None
            after = max(after, pause.until - RESOLUTION)
        return self._first_begun(self.routines[name], after)

    def _first_begun(self, routine: Routine, after: datetime) -> datetime:
        """Return the first due time after `after`, but not before the end of a blackout that is in force now."""
        due, light = routine.timetable.next_after(after), routine.dark_until(self._clock.now())
        return max(due, light) if light else due

    def pause_of(self, name: str) -> Pause | None:
        """Return the pause that is in force, None if there is none."""
        pause = self._pauses.get(name)
        return pause if pause is not None and pause.covers(self._clock.now()) else None

    async def pause(self, names: Iterable[str], until: datetime | None, by: str) -> None:
        """Pause schedules until a time, or without an end (None). Running work goes on."""
        pause = Pause(self._clock.now(), until, by)
        for name in names:
            self._pauses[name] = pause
            await in_thread(self._history.pause, name, pause)
        log.warning("schedule.paused", by=by, until=until and until.isoformat())

    async def resume(self, names: Iterable[str], by: str) -> None:
        """Resume schedules at their next due time. Due times within the pause are not made up for."""
        for name in names:
            await self.attend(self.routines[name])
            self._pauses.pop(name, None)
            await in_thread(self._history.resume, name)
        log.info("schedule.resumed", by=by)
