"""Sidecars that share nothing but a database agree who does what."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from pymongo import MongoClient

from sidecar.errors import LeaseLost, SourceError, SourceStalled
from sidecar.mongodb.database import Database
from sidecar.mongodb.lease import Lease, Timing
from sidecar.rules.names import LEASES
from support.rig import DB
from support.servers import ServerProcess

QUICK = Timing(beat_seconds=0.02, silence_seconds=1.0)
SLOW = Timing.of(20)


def held(server: ServerProcess) -> list[dict[str, Any]]:
    with MongoClient[dict[str, Any]](server.uri) as client:
        return list(client[DB][LEASES].find())


@dataclass
class Clock:
    """Since boot, as a process sees it that a test lets sleep."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
async def database(exact: ServerProcess) -> AsyncIterator[Database]:
    async with Database(exact.uri, DB, stall_seconds=20) as database:
        yield database


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_it_is_held_by_one_at_a_time_and_handed_on(database: Database, exact: ServerProcess) -> None:
    at_work, most, done = 0, 0, 0

    async def work() -> None:
        nonlocal at_work, most, done
        async with Lease(database, "work", QUICK).hold():
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0.05)
            at_work -= 1
            done += 1

    await asyncio.gather(*(work() for _ in range(5)))
    (left,) = held(exact)
    assert (most, done, left["owner"], left["term"]) == (1, 5, None, 5)


async def test_the_real_server_of_the_demo_keeps_it_too(secantus: ServerProcess, dbname: str) -> None:
    async with Database(secantus.uri, dbname, stall_seconds=20) as database:
        first, second = Lease(database, "work", SLOW), Lease(database, "work", SLOW)
        assert await first.attempt()
        await first.renew({"main": "now"})
        assert not await second.attempt()
        await first.release()
        assert await second.attempt()
        assert second.seen is not None
        assert (second.term, second.seen.notes) == (2, {"main": "now"})


async def test_one_whose_owner_died_is_taken_over_and_the_dead_one_learns_of_it(database: Database) -> None:
    dead = Lease(database, "work", Timing(beat_seconds=3600, silence_seconds=0.2), clock=Clock())
    async with dead.hold():
        await dead.require()
        async with Lease(database, "work", QUICK).hold():
            with pytest.raises(LeaseLost, match="work was taken over"):
                await dead.require()
            assert not dead.is_held


async def test_one_whose_owner_lives_is_not_taken_over(database: Database) -> None:
    async with Lease(database, "work", QUICK).hold():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0), Lease(database, "work", QUICK).hold():
                pass


async def test_the_owner_has_lost_it_by_its_own_clock_before_another_may_take_it(
    database: Database, clock: Clock
) -> None:
    owner, other = Lease(database, "work", SLOW, clock), Lease(database, "work", SLOW, clock)
    assert await owner.attempt()
    assert not await other.attempt()
    for second in range(1, 21):
        clock.seconds += 1
        assert owner.is_held == (second < 15)
        assert not await other.attempt()
    clock.seconds += 0.1
    assert await other.attempt()


async def test_a_sleep_that_is_longer_than_the_lease_is_noticed_without_asking_anybody(
    database: Database, exact: ServerProcess, clock: Clock
) -> None:
    owner = Lease(database, "work", SLOW, clock)
    assert await owner.attempt()
    exact.kill()
    owner.check()
    clock.seconds += 60
    with pytest.raises(LeaseLost, match="ran out"):
        owner.check()


async def test_a_heartbeat_counts_from_when_it_was_sent_not_from_its_answer(database: Database) -> None:
    clock = Clock()
    owner = Lease(database, "work", SLOW, clock)
    assert await owner.attempt()

    renewing = asyncio.create_task(owner.renew())
    await asyncio.sleep(0)  # it is sent
    clock.seconds += 16
    await renewing
    assert not owner.is_held


async def test_a_longer_lease_of_the_owner_is_respected_by_one_with_a_shorter(database: Database, clock: Clock) -> None:
    owner, hasty = Lease(database, "work", Timing.of(60), clock), Lease(database, "work", Timing.of(5), clock)
    assert await owner.attempt()
    assert not await hasty.attempt()
    clock.seconds += 40
    assert owner.is_held
    assert not await hasty.attempt()


async def test_a_work_of_an_earlier_term_is_not_covered_by_the_present_one(database: Database, clock: Clock) -> None:
    owner = Lease(database, "work", SLOW, clock)
    assert await owner.attempt()
    before = owner.term
    owner.drop()
    assert await owner.attempt()
    await owner.require(owner.term)
    for ask in (owner.require(before), asyncio.to_thread(owner.check, before)):
        with pytest.raises(LeaseLost, match="any more"):
            await ask


async def test_a_taking_whose_answer_was_lost_is_found_out_at_the_next_look(
    database: Database, exact: ServerProcess, clock: Clock
) -> None:
    owner = Lease(database, "work", SLOW, clock)
    await database.command({"labFault": "insert", "action": "cut"})
    with pytest.raises(SourceError):
        await owner.attempt()
    assert (owner.is_held, held(exact)[0]["owner"]) == (False, owner.owner)
    assert await owner.attempt()
    assert owner.term == 2


async def test_a_write_that_a_new_primary_may_not_know_of_is_no_heartbeat(database: Database, clock: Clock) -> None:
    owner = Lease(database, "work", SLOW, clock)
    assert await owner.attempt()
    await database.command({"labFault": "update", "action": "writeConcernError", "message": "too few know"})
    clock.seconds += 14
    with pytest.raises(SourceError, match="too few know"):
        await owner.renew()
    clock.seconds += 2
    assert not owner.is_held


async def test_a_server_that_does_not_answer_is_waited_for_a_moment_only(
    database: Database, exact: ServerProcess
) -> None:
    owner = Lease(database, "work", QUICK)
    assert await owner.attempt()
    exact.pause()
    try:
        async with asyncio.timeout(15):  # the limit of everything else is 20
            with pytest.raises(SourceStalled, match=r"no answer within (the limit )?1 s"):
                await owner.renew()
    finally:
        exact.resume()


async def test_one_that_an_older_version_left_behind_is_taken_over(database: Database, clock: Clock) -> None:
    old = {"_id": "work", "owner": "somebody", "beats": 7}
    await database.command({"insert": LEASES, "documents": [old]})
    lease = Lease(database, "work", SLOW, clock)
    assert not await lease.attempt()
    clock.seconds += 21
    assert await lease.attempt()
