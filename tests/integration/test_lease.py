"""Sidecars that share nothing but a database agree who does what."""

import asyncio
from typing import Any

import pytest
from pymongo import MongoClient

from sidecar.engine.lease import Lease, Timing
from sidecar.engine.source import LEASES, Database
from sidecar.errors import LeaseLost
from support.rig import DB
from support.servers import ServerProcess

QUICK = Timing(beat_seconds=0.02, silence_seconds=0.2)


def held(exact: ServerProcess) -> list[dict[str, Any]]:
    with MongoClient[dict[str, Any]](exact.uri) as client:
        return list(client[DB][LEASES].find())


async def test_it_is_held_by_one_at_a_time_and_handed_on(exact: ServerProcess) -> None:
    at_work, most, done = 0, 0, 0

    async def work(database: Database) -> None:
        nonlocal at_work, most, done
        async with Lease(database, "work", QUICK).hold():
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0.05)
            at_work -= 1
            done += 1

    async with Database(exact.uri, DB, stall_seconds=20) as database:
        await asyncio.gather(*(work(database) for _ in range(5)))
    assert (most, done, held(exact)) == (1, 5, [])


async def test_one_whose_owner_died_is_taken_over_and_the_dead_one_learns_of_it(exact: ServerProcess) -> None:
    async with Database(exact.uri, DB, stall_seconds=20) as database:
        dead = Lease(database, "work", Timing(beat_seconds=3600))
        async with dead.hold():
            await dead.require()
            async with Lease(database, "work", QUICK).hold():
                with pytest.raises(LeaseLost, match="work was taken over"):
                    await dead.require()
        assert held(exact) == []


async def test_one_whose_owner_lives_is_not_taken_over(exact: ServerProcess) -> None:
    async with Database(exact.uri, DB, stall_seconds=20) as database, Lease(database, "work", QUICK).hold():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0), Lease(database, "work", QUICK).hold():
                pass
