"""A server whose replies are wrong in one place after the other: no hang, nothing `internal`, bounded memory."""

import asyncio
import os
import random
import resource
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from pymongo import MongoClient

from sidecar.errors import SidecarError
from sidecar.inspect.compare import compare_live
from sidecar.model import BackupId, Manifest
from sidecar.mongodb import reader, reading
from sidecar.mongodb.lease import Lease
from sidecar.restore import drill
from sidecar.restore.plan import plan
from support.rig import CODEC, DB, Rig, rig
from support.servers import ServerProcess, seed

BROKEN_THREADS: Final = pytest.mark.filterwarnings(  # the driver's monitor dies of some replies to `hello`
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)
LONG: Final = int(os.environ.get("MUTATIONS", "2000"))
SHORT: Final = 45
SEED: Final = 60
HANG_SECONDS: Final = 120
GROWTH_MB: Final = 300
Work = Callable[[Rig, Manifest], Awaitable[Any]]


async def back_up(at: Rig, _: Manifest) -> None:
    await at.back_up()


async def restore(at: Rig, good: Manifest) -> None:
    await at.restore(good, "copy")


async def look(at: Rig, good: Manifest) -> None:
    await plan(at.restore_order(good))


async def compare(at: Rig, good: Manifest) -> None:
    backup_id = BackupId.parse(good.backup_id)
    assert backup_id is not None
    await compare_live((at.store, backup_id), at.database, CODEC, at.store.root)


async def rehearse(at: Rig, good: Manifest) -> None:
    await drill.sweep(at.database, "0badcafe")
    await drill.drill(at.restore_order(good), "0badcafe")


async def take_turns(at: Rig, _: Manifest) -> None:
    await at.database.ping(5)
    lease = Lease(at.database, "work")
    if await lease.attempt():
        await lease.require()
        await lease.release()


READS: Final = ("listCollections", "listIndexes", "aggregate", "find", "getMore", "hello", "killCursors", "endSessions")
WRITES: Final = (*("create", "createIndexes", "collMod", "insert", "renameCollection", "drop"), "buildInfo", *READS)
WORKS: Final[Mapping[Work, tuple[str, ...]]] = {
    back_up: ("buildInfo", *READS),
    restore: WRITES,
    look: ("buildInfo", *READS),
    compare: READS,
    rehearse: ("dropDatabase", "listDatabases", *WRITES),
    take_turns: ("ping", "find", "insert", "update", "hello"),
}


async def campaign(
    server: ServerProcess, directory: Path, mutations: int, monkeypatch: pytest.MonkeyPatch
) -> Counter[str]:
    """How often each outcome came."""
    monkeypatch.setattr(reader, "BATCH_BYTES", 2_000)
    monkeypatch.setattr(reading, "RETRY_SECONDS", 0.0)
    seed(server.uri, DB, {"users": [{"_id": number, "pad": "x" * 100} for number in range(60)]})
    outcomes: Counter[str] = Counter()
    async with rig(server, directory, ["*"], stall_seconds=2.0) as at:
        at.lab(create="speeds", timeseries={"timeField": "at"}, expireAfterSeconds=10**9)
        at.lab(create="pupils", viewOn="users", pipeline=[])
        at.lab(createIndexes="users", indexes=[{"key": {"pad": 1}, "name": "pad_1", "unique": False}])
        good = await at.back_up()
    chance = random.Random(SEED)
    done = 0
    while done < mutations:
        async with rig(server, directory, ["*"], stall_seconds=2.0) as at:
            work = chance.choice(list(WORKS))
            command = chance.choice(WORKS[work])
            times = (
                chance.choice([1, 1, 3, -1]) if command != "hello" else 3
            )  # each connection begins with it, also ours
            seed_of_it, skip = chance.randrange(2**31), chance.choice([0, 0, 1])
            tell(server, labFault=command, action="mutate", seed=seed_of_it, skip=skip, times=times)
            outcomes[await outcome(work, at, good)] += 1
        done += tell(server, labReset=1)["mutated"]
    assert "internal" not in outcomes
    return outcomes


def tell(server: ServerProcess, **command: Any) -> Mapping[str, Any]:
    """A command to the laboratory, whatever happens to those that the driver sends by itself."""
    for _ in range(10):
        client = MongoClient[dict[str, Any]](server.uri)
        try:
            return client[DB].command(command)
        except Exception:  # noqa: BLE001, S112 - a mutated reply to the driver's own commands: with the next connection
            continue
        finally:
            for _ in range(2):  # it first says good-bye to its sessions, which only the first time can fail
                with suppress(Exception):
                    client.close()
    raise AssertionError("the server takes no commands")


async def outcome(work: Work, at: Rig, good: Manifest) -> str:
    """`good` or the code of the error. Anything that is no error of ours, and a hang, fails the test."""
    try:
        async with asyncio.timeout(HANG_SECONDS):
            await work(at, good)
    except SidecarError as error:
        return error.code
    return "good"


async def assert_survived(
    server: ServerProcess, directory: Path, mutations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = await campaign(server, directory, mutations, monkeypatch)
    growth_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{mutations} mutated replies: {dict(outcomes)}, {growth_mb:.0f} MB more at most")  # noqa: T201 - the figures of docs/reliability.md
    assert growth_mb < GROWTH_MB


@BROKEN_THREADS
async def test_a_few_mutated_replies(exact: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await assert_survived(exact, tmp_path, SHORT, monkeypatch)


@BROKEN_THREADS
@pytest.mark.chaos
@pytest.mark.timeout(3 * 3600)
async def test_thousands_of_mutated_replies(
    exact: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await assert_survived(exact, tmp_path, LONG, monkeypatch)
