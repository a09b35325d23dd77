"""Of several sidecars one begins what is due; the next one goes on where it ended, and nothing is done or missed twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import LeaseLost, SourceUnavailable
from sidecar.events import Listener
from sidecar.history.record import History
from sidecar.history.rows import Accounted
from sidecar.model import Kind, Outcome, Run, Trigger
from sidecar.mongodb.database import Database
from sidecar.mongodb.lease import Lease, Timing, since_boot
from sidecar.rules.names import LEASES
from sidecar.rules.schedule import Every, Shifted
from sidecar.runs.jobs import Done, Job, Jobs, Work, new_job_id
from sidecar.runs.leadership import Member, Standing
from sidecar.runs.scheduler import Routine, Scheduler
from sidecar.runtime.clock import SystemClock
from sidecar.service import Service
from sidecar.store.durable import temporary_of
from support.clock import FakeClock
from support.command import files
from support.patience import PATIENCE_SECONDS
from support.rig import BUSES, DB, PEOPLE
from support.servers import ServerProcess, seed
from support.services import open_on

HOUR = timedelta(hours=1)
ROUTINE = Routine(Kind.BACKUP, "main", Every(HOUR), "every 1 h", 3600.0)
VERIFY = Routine(Kind.VERIFY, "main", Every(HOUR), "every 1 h", 3600.0)
UNEVEN = replace(ROUTINE, timetable=Shifted(Every(HOUR), timedelta(microseconds=123_456)))
START = "2026-01-01T10:20:00+00:00"
LEASE_SECONDS = 200.0  # long, so that hours pass in few turns


async def nobody_asks(_: Run) -> None:
    """What a server does after a run; here nobody looks."""


class Replica:
    """A sidecar's schedules with a record of their own, whose runs end at once and well."""

    def __init__(self, directory: Path, database: Database, clock: FakeClock, routine: Routine = ROUTINE) -> None:
        self.routine = routine
        self.clock = clock
        self.history = History(directory, lambda: (), clock.now())
        self.jobs = Jobs(self.history, nobody_asks)
        self.lease = Lease(database, "schedules of school", Timing.of(LEASE_SECONDS), clock=clock.monotonic)
        self.member = Member("school", self.lease, self.jobs, clock)
        self.member.stand()
        self.scheduler = Scheduler([routine, VERIFY], self.history, self.begin, clock, self.member)

    async def begin(self, routine: Routine, accounted: Accounted) -> None:
        run = Run(
            job_id=new_job_id(routine.kind, accounted.until),
            kind=routine.kind,
            set_name=routine.set_name,
            trigger=Trigger.SCHEDULED,
            started_at=self.clock.now(),
            due_at=accounted.until,
        )
        self.history.begin(run, accounted=accounted)
        if routine.kind is Kind.BACKUP:
            await self.member.account(accounted.schedule, accounted.until)
        self.history.end(replace(run, outcome=Outcome.SUCCEEDED, ended_at=self.clock.now()))

    async def turn(self) -> None:
        await self.member.turn()
        for routine in self.scheduler.routines.values():
            await self.scheduler.attend(routine)

    def outcomes(self, kind: Kind = Kind.BACKUP) -> dict[str, str]:
        found = self.history.outcomes(kind, "main")
        return {f"{due:%H:%M}": outcome.value if outcome else "under way" for due, outcome in sorted(found.items())}


@dataclass
class Group:
    """Replicas on one database and one clock."""

    directory: Path
    database: Database
    clock: FakeClock

    async def join(self, name: str, routine: Routine = ROUTINE) -> Replica:
        replica = Replica(self.directory / name, self.database, self.clock, routine)
        await replica.scheduler.load()
        return replica

    async def go_on(self, by: timedelta, *replicas: Replica) -> None:
        """Time passes, and those that are named live through it."""
        end = self.clock.now() + by
        while self.clock.now() < end:
            self.clock.advance(min(timedelta(seconds=0.6 * LEASE_SECONDS), end - self.clock.now()))
            for replica in replicas:
                await replica.turn()


@pytest.fixture
async def group(exact: ServerProcess, tmp_path: Path) -> AsyncIterator[Group]:
    async with Database(exact.uri, DB, stall_seconds=20) as database:
        yield Group(tmp_path, database, FakeClock(START))


async def test_one_begins_what_is_due_and_the_others_record_nothing_of_it(group: Group) -> None:
    first, second = await group.join("first"), await group.join("second")
    await group.go_on(timedelta(hours=2), first, second)
    assert (first.member.role, second.member.role) == (Standing.LEADER, Standing.FOLLOWER)
    assert first.outcomes() == {"11:00": "succeeded", "12:00": "succeeded"}
    assert second.outcomes() == {}
    assert second.member.leader == first.member.leader == first.member.id


async def test_each_verifies_its_own_directory(group: Group) -> None:
    first, second = await group.join("first"), await group.join("second")
    await group.go_on(HOUR, first, second)
    assert first.outcomes(Kind.VERIFY) == second.outcomes(Kind.VERIFY) == {"11:00": "succeeded"}


async def test_a_verification_that_the_leader_passes_over_is_still_made_by_the_others(group: Group) -> None:
    first, second = await group.join("first"), await group.join("second")
    await group.go_on(timedelta(minutes=10), first, second)
    await first.scheduler.pause([VERIFY.name], None, "somebody")
    await second.scheduler.pause([VERIFY.name], group.clock.now() + HOUR, "somebody")
    await group.go_on(timedelta(hours=2), first, second)
    assert first.outcomes(Kind.VERIFY) == {"11:00": "skipped", "12:00": "skipped"}
    assert second.outcomes(Kind.VERIFY) == {"11:00": "skipped", "12:00": "succeeded"}


async def test_the_next_one_goes_on_where_the_last_one_ended(group: Group) -> None:
    first, second = await group.join("first"), await group.join("second")
    await group.go_on(HOUR, first, second)
    await group.go_on(HOUR, second)
    assert second.member.role is Standing.LEADER
    assert (first.outcomes(), second.outcomes()) == ({"11:00": "succeeded"}, {"12:00": "succeeded"})


async def test_what_was_due_while_nobody_led_is_missed_once_and_the_last_of_it_caught_up_with(group: Group) -> None:
    first, second = await group.join("first"), await group.join("second")
    await group.go_on(HOUR, first, second)
    group.clock.advance(timedelta(hours=3))
    await group.go_on(timedelta(minutes=10), second)
    await group.go_on(timedelta(minutes=10), first, second)
    assert first.outcomes() == {"11:00": "succeeded"}
    assert second.outcomes() == {"12:00": "missed", "13:00": "missed", "14:00": "succeeded"}


async def test_one_that_leads_again_neither_repeats_nor_misses_what_the_other_did(group: Group) -> None:
    first, second = await group.join("first"), await group.join("second")
    await group.go_on(HOUR, first, second)
    await group.go_on(timedelta(hours=2), second)
    assert first.member.role is Standing.FOLLOWER  # by its own clock, before it could ask anybody
    await group.go_on(timedelta(minutes=10), first, second)
    await group.go_on(HOUR, first)
    assert first.outcomes() == {"11:00": "succeeded", "14:00": "succeeded"}
    assert second.outcomes() == {"12:00": "succeeded", "13:00": "succeeded"}


async def test_a_lease_that_somebody_drops_with_the_database_makes_nothing_due_again(group: Group) -> None:
    first, second = await group.join("first"), await group.join("second")
    await group.go_on(timedelta(hours=3), first, second)
    await group.database.command({"drop": LEASES})
    await group.go_on(HOUR, second, first)
    assert second.member.role is Standing.LEADER
    assert list(first.outcomes()) == ["11:00", "12:00", "13:00"]
    assert second.outcomes() == {"14:00": "succeeded"}


async def test_one_that_is_on_its_own_again_has_missed_nothing(group: Group) -> None:
    first, second = await group.join("first"), await group.join("second")
    await group.go_on(timedelta(hours=3), first, second)
    alone = Scheduler([ROUTINE], second.history, second.begin, group.clock)
    await alone.load()
    await alone.attend(ROUTINE)
    assert second.outcomes() == {}


async def test_due_times_between_two_seconds_are_handed_on_exactly(group: Group) -> None:
    first, second = await group.join("first", UNEVEN), await group.join("second", UNEVEN)
    await group.go_on(HOUR, first, second)
    await group.go_on(timedelta(minutes=30), second)
    assert (first.outcomes(), second.member.role, second.outcomes()) == ({"11:00": "succeeded"}, Standing.LEADER, {})


async def test_what_the_leader_passed_over_while_paused_is_not_caught_up_with_by_the_next(group: Group) -> None:
    first, second = await group.join("first"), await group.join("second")
    await group.go_on(timedelta(minutes=10), first, second)
    await first.scheduler.pause([ROUTINE.name], None, "somebody")
    await group.go_on(HOUR, first, second)
    await group.go_on(timedelta(minutes=20), second)
    assert (first.outcomes(), second.outcomes()) == ({"11:00": "skipped"}, {})


async def test_who_leaves_is_followed_at_once(group: Group) -> None:
    first, second = await group.join("first"), await group.join("second")
    async with first.member.running():
        await group.go_on(timedelta(minutes=10), first, second)
        assert first.member.role is Standing.LEADER
    await second.member.turn()
    assert second.member.role is Standing.LEADER


async def test_who_does_not_stand_is_not_elected(group: Group) -> None:
    lease = Lease(group.database, "schedules of school")
    first = await group.join("first")
    held = Member("school", lease, first.jobs, SystemClock())
    async with held.running():
        await until(lambda: held.tasks[0].is_running)
        assert (held.role, lease.seen) == (Standing.FOLLOWER, None)
        held.stand()
        await until(lambda: held.role is Standing.LEADER)


async def test_without_mongodb_nobody_leads_and_afterwards_one_does(group: Group, exact: ServerProcess) -> None:
    first, second = await group.join("first"), await group.join("second")
    await group.go_on(timedelta(minutes=10), first, second)
    exact.pause()
    try:
        for _ in range(2):
            group.clock.advance(timedelta(seconds=LEASE_SECONDS / 2))
            await asyncio.gather(first.member.turn(), second.member.turn())
        assert (first.member.role, second.member.role) == (Standing.FOLLOWER, Standing.FOLLOWER)
        assert (first.member.leader, second.member.leader) == (None, None)
        assert first.member.error is not None
    finally:
        exact.resume()
    await until_async(lambda: go_on_until_led(group, first, second))
    assert sorted([first.member.role, second.member.role]) == [Standing.FOLLOWER, Standing.LEADER]
    assert first.member.leader == second.member.leader is not None


async def go_on_until_led(group: Group, *replicas: Replica) -> bool:
    await group.go_on(timedelta(seconds=LEASE_SECONDS / 5), *replicas)
    await group.go_on(timedelta(seconds=LEASE_SECONDS / 5), *replicas)
    return any(one.member.role is Standing.LEADER for one in replicas) and all(one.member.leader for one in replicas)


async def until_async(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():
            pass


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 - only lets the others go on
            await asyncio.sleep(0.001)


# -- runs under way ----------------------------------------------------------------------------------------------------


class Endless:
    """Work that goes on until it is called off."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()

    async def __call__(self, _: Listener) -> Done:
        self.has_begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def begin(self, replica: Replica, kind: Kind, trigger: Trigger) -> Job:
        work = Work(claim=f"{kind} {trigger}", do=self)
        job = await replica.jobs.start(kind, trigger, {"main": work})
        await self.has_begun.wait()
        return job


async def test_who_leads_no_more_calls_off_what_it_began_by_schedule_and_nothing_else(group: Group) -> None:
    first, second = await group.join("first"), await group.join("second")
    await group.go_on(timedelta(minutes=10), first, second)
    backup = await Endless().begin(first, Kind.BACKUP, Trigger.SCHEDULED)
    drill = await Endless().begin(first, Kind.DRILL, Trigger.SCHEDULED)
    others = [
        await Endless().begin(first, Kind.VERIFY, Trigger.SCHEDULED),
        await Endless().begin(first, Kind.BACKUP, Trigger.MANUAL),
    ]
    await group.go_on(timedelta(seconds=2 * LEASE_SECONDS), second)
    await first.member.turn()
    for job in (backup, drill):
        assert await job.wait(60)
        run = job.runs["main"]
        assert (run.outcome, run.code) == (Outcome.ABORTED, "lease_lost")
    assert [job.over.is_set() for job in others] == [False, False]
    await first.jobs.stop()


@dataclass
class Leading:
    """A service whose sidecar leads."""

    service: Service
    lease: Lease
    member: Member

    async def back_up(self) -> str:
        return (await self.service.back_up("main", Trigger.SCHEDULED, fence=self.member.fence())).manifest.filename


@asynccontextmanager
async def leading(
    server: ServerProcess, folder: Path, clock: Callable[[], float] = since_boot
) -> AsyncIterator[Leading]:
    seed(server.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with open_on(server, folder) as service:
        with History(folder / "history", lambda: (), datetime.now(UTC)) as history:
            lease = Lease(service.database, "schedules of school", clock=clock)
            member = Member("school", lease, Jobs(history, nobody_asks), FakeClock(START))
            member.stand()
            await member.turn()
            assert member.role is Standing.LEADER
            yield Leading(service, lease, member)


async def test_a_backup_is_not_published_when_another_one_took_over_in_mid_run(
    exact: ServerProcess, tmp_path: Path
) -> None:
    async with leading(exact, tmp_path) as at:
        made = await at.back_up()
        before = files(tmp_path / "backups")
        assert made in before
        takes_over = {"update": LEASES, "updates": [{"q": {"_id": at.lease.name}, "u": {"$set": {"owner": "another"}}}]}
        # The third listing comes when all data is read: between it and the metadata another one takes over.
        await at.service.database.command({"labHook": "listCollections", "skip": 2, "then": takes_over})
        with pytest.raises(LeaseLost, match="taken over"):
            await at.back_up()
        assert files(tmp_path / "backups") == before


async def test_a_process_that_sleeps_at_the_last_moment_does_not_publish_either(
    exact: ServerProcess, tmp_path: Path
) -> None:
    metadata = temporary_of(Path("seed_backup_*.meta.json")).name

    def asleep_while_the_metadata_is_written() -> float:
        return 5000.0 if any((tmp_path / "backups").glob(metadata)) else 1000.0

    async with leading(exact, tmp_path, asleep_while_the_metadata_is_written) as at:
        with pytest.raises(LeaseLost, match="ran out"):
            await at.back_up()
    assert files(tmp_path / "backups") == {}


async def test_without_mongodb_at_the_end_nothing_is_published_either(exact: ServerProcess, tmp_path: Path) -> None:
    async with leading(exact, tmp_path) as at:
        await at.service.database.command({"labFault": "update", "action": "close", "times": -1})
        with pytest.raises(SourceUnavailable):
            await at.back_up()
        assert files(tmp_path / "backups") == {}
        await at.service.database.command({"labReset": 1})
        await at.back_up()
