"""Every due time ends in one recorded outcome, whatever happens to the process and to the clock."""

import asyncio
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.errors import Busy
from sidecar.history.record import History
from sidecar.history.rows import Accounted, JobFilter
from sidecar.model import Kind, Outcome, Run, Trigger
from sidecar.rules.blackout import Dark, parse
from sidecar.rules.schedule import Every
from sidecar.runs.jobs import new_job_id
from sidecar.runs.leadership import Alone
from sidecar.runs.scheduler import Routine, Scheduler
from support.clock import FakeClock

HOUR = timedelta(hours=1)
ROUTINE = Routine(Kind.BACKUP, "main", Every(HOUR), "every 1 h", 3600.0)
START = "2026-01-01T10:20:00+00:00"


class Process:
    """A scheduler with the record on disk, whose runs end at once and well, or not at all while `is_stuck`."""

    def __init__(self, directory: Path, clock: FakeClock, leadership: Alone | None = None) -> None:
        self.history = History(directory, lambda: (), clock.now())
        weakref.finalize(
            self, self.history.__exit__, None, None, None
        )  # Python 3.13 complains of a connection that is left open
        self.clock = clock
        self.is_stuck = False
        self._under_way: Run | None = None
        self.scheduler = Scheduler([ROUTINE], self.history, self._begin, clock, leadership)

    async def _begin(self, routine: Routine, accounted: Accounted) -> None:
        if self._under_way is not None:
            raise Busy("the last one is still under way")
        run = Run(
            job_id=new_job_id(routine.kind, accounted.until),
            kind=routine.kind,
            set_name=routine.set_name,
            trigger=Trigger.SCHEDULED,
            started_at=self.clock.now(),
            due_at=accounted.until,
        )
        self.history.begin(run, accounted=accounted)
        self._under_way = run
        if not self.is_stuck:
            self.end()

    def end(self) -> None:
        assert self._under_way is not None
        self.history.end(replace(self._under_way, outcome=Outcome.SUCCEEDED, ended_at=self.clock.now()))
        self._under_way = None

    async def attend(self) -> None:
        await self.scheduler.attend(ROUTINE)

    def outcomes(self) -> dict[str, str]:
        found = self.history.outcomes(Kind.BACKUP, "main")
        return {f"{due:%d %H:%M}": outcome.value if outcome else "under way" for due, outcome in sorted(found.items())}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
async def process(tmp_path: Path, clock: FakeClock) -> Process:
    return await started(tmp_path, clock)


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - the clock is a fake: this only lets the others go on
        await asyncio.sleep(0)


class OneOfAGroup(Alone):
    """That leads."""

    group = "school"


async def started(directory: Path, clock: FakeClock, leadership: Alone | None = None) -> Process:
    process = Process(directory, clock, leadership)
    await process.scheduler.load()
    return process


async def test_nothing_runs_merely_because_the_process_starts(
    process: Process, tmp_path: Path, clock: FakeClock
) -> None:
    await process.attend()
    again = await started(tmp_path, clock)
    await again.attend()
    assert again.outcomes() == {}


async def test_a_due_time_runs_once_however_often_one_looks(process: Process, clock: FakeClock) -> None:
    clock.advance(HOUR)
    await process.attend()
    await process.attend()
    assert process.outcomes() == {"01 11:00": "succeeded"}


async def test_after_downtime_the_last_due_time_is_caught_up_with_and_the_others_were_missed(
    tmp_path: Path, clock: FakeClock
) -> None:
    await started(tmp_path, clock)
    clock.advance(timedelta(hours=4))
    again = await started(tmp_path, clock)
    await again.attend()
    assert again.outcomes() == {
        "01 11:00": "missed",
        "01 12:00": "missed",
        "01 13:00": "missed",
        "01 14:00": "succeeded",
    }


async def test_a_due_time_while_the_last_run_is_under_way_is_skipped(process: Process, clock: FakeClock) -> None:
    process.is_stuck = True
    clock.advance(HOUR)
    await process.attend()
    clock.advance(HOUR)
    await process.attend()
    process.end()
    clock.advance(HOUR)
    await process.attend()
    assert process.outcomes() == {"01 11:00": "succeeded", "01 12:00": "skipped", "01 13:00": "under way"}


async def test_a_run_that_a_restart_cut_off_is_run_again_at_the_start(
    process: Process, tmp_path: Path, clock: FakeClock
) -> None:
    process.is_stuck = True
    clock.advance(HOUR)
    await process.attend()
    again = await started(tmp_path, clock)
    assert again.history.consecutive_failures(Kind.BACKUP, "main") == 1
    await again.attend()
    assert again.outcomes() == {"01 11:00": "succeeded"}
    assert [one.outcome for (one,) in again.history.jobs(JobFilter(), 9, 0)] == [Outcome.SUCCEEDED, Outcome.ABORTED]


async def test_a_run_of_a_group_that_a_restart_cut_off_keeps_its_outcome_since_another_may_have_gone_on_behind_it(
    process: Process, tmp_path: Path, clock: FakeClock
) -> None:
    process.is_stuck = True
    clock.advance(HOUR)
    await process.attend()
    again = await started(tmp_path, clock, OneOfAGroup())
    await again.attend()
    assert again.outcomes() == {"01 11:00": "aborted"}


async def test_a_run_that_is_cut_off_twice_is_not_begun_a_third_time_for_the_same_due_time(
    process: Process, tmp_path: Path, clock: FakeClock
) -> None:
    process.is_stuck = True
    clock.advance(HOUR)
    await process.attend()
    for _ in range(3):
        clock.advance(timedelta(minutes=1))
        process = await started(tmp_path, clock)
        process.is_stuck = True
        await process.attend()
    assert process.outcomes() == {"01 11:00": "aborted"}
    clock.advance(HOUR)
    await process.attend()
    assert process.outcomes() == {"01 11:00": "aborted", "01 12:00": "under way"}


async def test_a_run_that_was_cut_off_long_ago_was_missed_and_the_last_due_time_is_caught_up_with(
    process: Process, tmp_path: Path, clock: FakeClock
) -> None:
    process.is_stuck = True
    clock.advance(HOUR)
    await process.attend()
    clock.advance(2 * HOUR)
    again = await started(tmp_path, clock)
    await again.attend()
    assert again.outcomes() == {"01 11:00": "missed", "01 12:00": "missed", "01 13:00": "succeeded"}


async def test_what_a_pause_covers_is_skipped_and_not_caught_up_with(process: Process, clock: FakeClock) -> None:
    await process.scheduler.pause([ROUTINE.name], None, "somebody")
    clock.advance(timedelta(hours=3))
    await process.attend()
    await process.scheduler.resume([ROUTINE.name], "somebody")
    await process.attend()
    clock.advance(HOUR)
    await process.attend()
    assert process.outcomes() == {
        "01 11:00": "skipped",
        "01 12:00": "skipped",
        "01 13:00": "skipped",
        "01 14:00": "succeeded",
    }


async def test_a_pause_ends_by_itself_and_survives_a_restart(
    process: Process, tmp_path: Path, clock: FakeClock
) -> None:
    await process.scheduler.pause([ROUTINE.name], clock.now() + timedelta(hours=2), "somebody")
    again = await started(tmp_path, clock)
    assert again.scheduler.next_run(ROUTINE.name) == datetime(2026, 1, 1, 13, tzinfo=UTC)
    clock.advance(timedelta(hours=3))
    await again.attend()
    assert again.outcomes() == {"01 11:00": "skipped", "01 12:00": "skipped", "01 13:00": "succeeded"}
    assert again.scheduler.pause_of(ROUTINE.name) is None


async def test_a_pause_without_an_end_has_no_next_run(process: Process) -> None:
    assert process.scheduler.next_run(ROUTINE.name) == datetime(2026, 1, 1, 11, tzinfo=UTC)
    await process.scheduler.pause([ROUTINE.name], None, "somebody")
    assert process.scheduler.next_run(ROUTINE.name) is None


async def test_the_first_open_due_time_lies_in_the_past_until_somebody_attends_to_it(
    process: Process, clock: FakeClock
) -> None:
    clock.advance(2 * HOUR)
    assert process.scheduler.first_open(ROUTINE.name) == datetime(2026, 1, 1, 11, tzinfo=UTC)
    assert process.scheduler.next_run(ROUTINE.name) == datetime(2026, 1, 1, 13, tzinfo=UTC)
    await process.attend()
    assert process.scheduler.first_open(ROUTINE.name) == datetime(2026, 1, 1, 13, tzinfo=UTC)
    await process.scheduler.pause([ROUTINE.name], None, "somebody")
    assert process.scheduler.first_open(ROUTINE.name) is None


async def test_a_clock_that_jumped_ahead_and_back_neither_floods_nor_starves(
    process: Process, clock: FakeClock
) -> None:
    clock.advance(HOUR)
    await process.attend()
    right = clock.now()
    clock.set_to(right + timedelta(days=365))
    await process.attend()
    clock.set_to(right)
    await process.attend()
    assert process.outcomes() == {"01 11:00": "succeeded"}
    clock.advance(HOUR)
    await process.attend()
    assert process.outcomes() == {"01 11:00": "succeeded", "01 12:00": "succeeded"}


async def test_a_clock_that_is_set_back_by_seconds_runs_nothing_twice(process: Process, clock: FakeClock) -> None:
    clock.advance(timedelta(minutes=40))
    await process.attend()
    clock.set_to(clock.now() - timedelta(seconds=30))
    await process.attend()
    clock.advance(timedelta(minutes=1))
    await process.attend()
    assert process.outcomes() == {"01 11:00": "succeeded"}


async def test_a_scheduler_that_dies_is_seen_and_started_again(tmp_path: Path, clock: FakeClock) -> None:
    process = await started(tmp_path, clock)
    scheduler = process.scheduler
    seen = []

    async def broken(routine: Routine) -> None:
        del routine
        seen.append(scheduler.task.is_running)
        raise RuntimeError("broken")

    scheduler.attend = broken  # type: ignore[method-assign] # the fault
    async with scheduler.task.running():
        await until(lambda: scheduler.task.restarts == 2)
        assert (scheduler.task.is_running, scheduler.task.error) == (False, "RuntimeError: broken")
        del scheduler.attend
        await until(lambda: scheduler.task.is_running)
    assert not scheduler.task.is_running


async def test_a_scheduler_that_hangs_is_seen(process: Process, clock: FakeClock) -> None:
    async with process.scheduler.task.running():
        await until(lambda: process.scheduler.task.is_running)
        clock.advance(timedelta(seconds=11))
        assert not process.scheduler.task.is_running


Looks = list[tuple[timedelta, bool]]


LOOKS = st.lists(
    st.tuples(st.timedeltas(timedelta(seconds=1), timedelta(days=20)), st.booleans()), min_size=20, max_size=120
)


@given(LOOKS)
@settings(max_examples=2)
def test_a_year_of_an_hourly_schedule_with_any_downtime_has_one_outcome_per_due_time(
    tmp_path_factory: pytest.TempPathFactory, looks: Looks
) -> None:
    asyncio.run(_hourly(timedelta(days=365), tmp_path_factory.mktemp("year"), looks))


@given(LOOKS)
@settings(max_examples=20)
def test_a_month_of_it_with_many_kinds_of_downtime_too(tmp_path_factory: pytest.TempPathFactory, looks: Looks) -> None:
    asyncio.run(_hourly(timedelta(days=31), tmp_path_factory.mktemp("month"), looks))


async def _hourly(length: timedelta, directory: Path, looks: Looks) -> None:
    clock = FakeClock(START)
    process = await started(directory, clock)
    runs = 0
    end = clock.now() + length
    for away, restarts in [*looks, (length, True)]:
        before = clock.now()
        clock.set_to(min(before + away, end))
        if restarts:
            process = await started(directory, clock)
        await process.attend()
        runs += bool(list(_dues(before, clock.now())))
    outcomes = process.history.outcomes(Kind.BACKUP, "main")
    expected = list(_dues(datetime.fromisoformat(START), end))
    assert sorted(outcomes) == expected
    counts = Counter(outcomes.values())
    assert counts == Counter({Outcome.SUCCEEDED: runs, Outcome.MISSED: len(expected) - runs}) - Counter()


def _dues(after: datetime, until: datetime) -> Iterator[datetime]:
    due = after.replace(minute=0, second=0, microsecond=0) + HOUR
    while due <= until:
        yield due
        due += HOUR


# -- blackouts -----------------------------------------------------------------------------------------------------------

DARK = replace(ROUTINE, timetable=Dark(Every(HOUR), parse(["12:00-15:30"]), ZoneInfo("UTC")))


async def in_the_dark(directory: Path, clock: FakeClock) -> Process:
    process = Process(directory, clock)
    process.scheduler.routines = {DARK.name: DARK}
    await process.scheduler.load()
    return process


async def test_what_is_due_in_a_blackout_is_skipped_and_made_up_for_once(tmp_path: Path, clock: FakeClock) -> None:
    process = await in_the_dark(tmp_path, clock)
    for _ in range(6 * 60):
        await process.scheduler.attend(DARK)
        clock.advance(timedelta(minutes=1))
    assert process.outcomes() == {
        "01 11:00": "succeeded",
        "01 12:00": "skipped",
        "01 13:00": "skipped",
        "01 14:00": "skipped",
        "01 15:00": "skipped",
        "01 15:30": "succeeded",
        "01 16:00": "succeeded",
    }
    skipped = process.history.jobs(JobFilter(outcome=Outcome.SKIPPED), limit=1, offset=0)
    assert [run.code for runs in skipped for run in runs] == ["blackout"]


async def test_what_was_due_before_a_blackout_is_not_begun_within_it(tmp_path: Path, clock: FakeClock) -> None:
    process = await in_the_dark(tmp_path, clock)
    clock.advance(timedelta(hours=2))  # the machine slept from 10:20 to 12:20
    await process.scheduler.attend(DARK)
    assert process.outcomes() == {}
    light = datetime(2026, 1, 1, 15, 30, tzinfo=UTC)
    assert (process.scheduler.next_run(DARK.name), process.scheduler.first_open(DARK.name)) == (light, light)
    clock.set_to(light)
    await process.scheduler.attend(DARK)
    assert process.outcomes() == {
        "01 11:00": "missed",
        **{f"01 {hour}:00": "skipped" for hour in (12, 13, 14, 15)},
        "01 15:30": "succeeded",
    }
