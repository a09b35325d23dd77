"""System calls on the backup directory that fail, any of them: nothing good is lost, nothing false is said, and it passes."""

import asyncio
import hashlib
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Final

import pytest
from bson import encode
from pymongo import MongoClient

from support.command import Command, assert_promise_kept, files
from support.disk_faults import NOWHERE, Calls, DiskFaults, Placement
from support.patience import PATIENCE_SECONDS
from support.processes import Nursery
from support.rig import BUSES, DB
from support.served import Served
from support.servers import ServerProcess, free_port, seed
from support.services import open_on

LONG: Final = int(os.environ.get("PLACEMENTS", "500"))
SEED: Final = int(os.environ.get("PLACEMENTS_SEED", "20261128"))
PEOPLE: Final[list[dict[str, Any]]] = [{"_id": n, "text": f"{n}" * 150} for n in range(1500)]
NONE: Final = Calls(0, 0, 0)
KEPT: Final = 3
State = dict[str, list[bytes]]


@dataclass
class World:
    """A server with data, three good backups, and a disk that can fail under the command."""

    server: ServerProcess
    nursery: Nursery
    faults: DiskFaults
    workplace: Path
    outcomes: Counter[str] = field(default_factory=Counter)
    calls: Calls = NONE  # while the fault was there, the last time

    @cached_property
    def directory(self) -> Path:
        return self.workplace / "backups"

    @cached_property
    def command(self) -> Command:
        return Command(self.server, self.directory, {"BACKUP_LIMIT": str(KEPT)}, self.nursery)

    def begin(self) -> None:
        seed(self.server.uri, DB, {"users": PEOPLE, "buses": BUSES})
        for _ in range(3):
            self.succeed("backup", "main")

    def succeed(self, *arguments: str) -> str:
        ended = self.command.run(*arguments)
        assert ended.returncode == 0, f"once the fault is gone: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def fail(self, *arguments: str, codes: tuple[int, ...] = (0, 1)) -> CompletedProcess[str]:
        """Run with the fault: it ends with one of these codes, and with an error in words where it is not 0."""
        ended = self.command.run(*arguments)
        self.mend()
        self.outcomes[f"{arguments[0]} exit {ended.returncode}"] += 1
        said = ended.stdout + ended.stderr
        assert ended.returncode in codes, f"exit {ended.returncode}: {said}"
        assert "Traceback" not in said
        assert "internal" not in said, said
        assert ended.returncode == 0 or said, "failed without a word"
        return ended

    def mend(self) -> None:
        self.calls = self.faults.calls
        self.faults.disarm()

    def good(self) -> dict[str, str]:
        """The backups whose data has the SHA-256 of their metadata, by their ids, as read by code of the test's own."""
        found = {}
        for metadata in sorted(self.directory.glob("seed_backup_*.meta.json")):
            name = metadata.name.removesuffix(".meta.json")
            with suppress(ValueError, KeyError, FileNotFoundError):
                digest = hashlib.sha256((self.directory / f"{name}.json").read_bytes()).hexdigest()
                if digest == json.loads(metadata.read_bytes())["checksum"].removeprefix("sha256:"):
                    found[name] = digest
        return found

    def documents(self) -> State:
        with MongoClient[dict[str, Any]](self.server.uri) as client:
            database = client[DB]
            names = [name for name in database.list_collection_names() if name != "sidecar_leases"]
            return {name: [encode(one) for one in database[name].find(sort=[("_id", 1)])] for name in names}


# -- what is done while the disk fails ---------------------------------------------------------------------------------


def backup(world: World) -> None:
    before = world.good()
    kept = {
        name: content for name, content in files(world.directory).items() if name.split(".")[0] in list(before)[-2:]
    }
    ended = world.fail("backup", "main")
    after = world.good()
    assert ended.returncode != 0 or set(after) - set(before), "a success without a backup"
    assert len(after) >= KEPT
    assert set(world.command.valid()) == set(after)
    assert_promise_kept(world.command, kept)


def listing(world: World) -> None:
    good = world.good()
    ended = world.fail("list", "main", "--json")
    if ended.returncode == 0:
        assert {one["backup_id"] for one in json.loads(ended.stdout) if one["is_valid"]} <= set(good)
    assert {one["backup_id"] for one in world.command.json("list", "main") if one["is_valid"]} == set(good)


def verification(world: World) -> None:
    good = list(world.good())
    damaged = world.directory / f"{good[0]}.json"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole.replace(b"1", b"2", 1))
    world.fail("verify", good[0], "--deep", codes=(1, 3))
    damaged.write_bytes(whole)
    assert {one["backup_id"] for one in world.command.json("list", "main") if one["is_valid"]} == set(good)


def deep_verification(world: World) -> None:
    good = world.good()
    world.fail("verify", list(good)[-1], "--deep")
    assert world.good() == good
    assert {one["backup_id"] for one in world.command.json("list", "main") if one["is_valid"]} == set(good)


def restore(world: World) -> None:
    chosen = max(world.good())
    go_on(world.server)
    old = world.documents()
    restored = {**old, "users": list(map(encode, PEOPLE)), "buses": list(map(encode, BUSES))}
    kept = {name: content for name, content in files(world.directory).items() if name.startswith(f"{chosen}.")}
    ended = world.fail("restore", chosen, "--yes")
    there = world.documents()
    assert ended.returncode != 0 or there == restored, "a success without a restore"
    assert {name: one for name, one in files(world.directory).items() if name in kept} == kept
    assert set(world.command.valid()) <= set(world.good())
    assert recovered(world) == []
    assert world.documents() in (old, restored)
    world.succeed("restore", chosen, "--yes")
    assert world.documents() == restored
    forget_safety_backups(world, chosen)


def start(world: World) -> None:
    served = Served(world.server, world.directory, world.command.variables, port=free_port(), nursery=world.nursery)
    try:
        is_alive = answers(served)
        if is_alive:
            for _ in range(3):
                assert served.get("/healthz", None).status in (200, 503)
                listed = served.get("/api/admin/backups?backup_type=main")
                assert listed.status < 500 or b"internal" not in listed.body, listed.body
        world.outcomes[f"serve {'goes on' if is_alive else 'ends'}"] += 1
        world.mend()
        if not is_alive:
            assert "Traceback" not in served.log_path.read_text()
            served.start()
        served.back_up()
        assert served.stop() == 0
    finally:
        world.faults.disarm()
        served.kill()
    assert KEPT <= len(world.good()) <= KEPT + 1  # one that could not be looked at a moment ago stays for another run
    assert set(world.command.valid()) == set(world.good())
    assert "internal" not in served.log_path.read_text(), served.log_path.read_text()
    served.log_path.unlink()


def answers(served: Served) -> bool:
    """Whether /healthz answers; the only other thing that a start may do is end with an error."""
    served.launch()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while served.process is not None and served.process.poll() is None:
        with suppress(OSError, HTTPException):
            return served.get("/healthz", None).status in (200, 503)
        assert time.monotonic() < deadline, served.log_path.read_text()
        time.sleep(0.02)
    assert served.process is not None
    assert served.process.returncode != 0
    return False


def go_on(server: ServerProcess) -> None:
    """What the application has become since the backup."""
    with MongoClient[dict[str, Any]](server.uri) as client:
        client.drop_database(DB)
    seed(
        server.uri,
        DB,
        {"users": [{"_id": n, "now": n} for n in range(500)], "buses": BUSES[:1], "routes": [{"_id": 1}]},
    )


def recovered(world: World) -> list[str]:
    """What a process does first of all."""

    async def recover() -> list[str]:
        async with open_on(world.server, world.workplace) as service:
            return await service.recover()

    return asyncio.run(recover())


def forget_safety_backups(world: World, chosen: str) -> None:
    for path in world.directory.glob("seed_backup_*"):
        if not path.name.startswith(f"{chosen}."):
            path.unlink()


# -- campaigns ---------------------------------------------------------------------------------------------------------

Work = Callable[[World], None]
SHARES: Final[dict[Work, int]] = {backup: 3, listing: 1, verification: 1, deep_verification: 1, start: 1, restore: 2}
ABOUT: Final = Calls(reads=60, changes=10, writes=10)  # so many at least are made by each of them


def assert_survives(world: World, work: Work, placements: int, calls: Calls) -> None:
    chance = random.Random(f"{SEED} {work.__name__}")
    broken = []
    for _ in range(placements):
        placement = Placement.any(chance, calls)
        world.faults.arm(placement)
        try:
            work(world)
        except AssertionError as error:
            world.faults.disarm()
            broken.append(f"{placement}, {world.faults.first}: {error}")
            print(f"\n{work.__name__}: {broken[-1]}")  # noqa: T201 - a campaign is long: what it found is told at once
        world.outcomes["struck"] += world.faults.has_struck
    figures = f"{work.__name__}: {placements} placements among {calls}: {dict(world.outcomes)}"
    print(f"\n{figures}")  # noqa: T201 - the figures of docs/reliability.md
    assert not broken, "\n\n".join([figures, *broken])


@pytest.fixture
def world(exact: ServerProcess, tmp_path: Path) -> Iterator[World]:
    faults = DiskFaults(tmp_path / "backups", tmp_path)
    with Nursery(tmp_path / "nursery", faults.environment) as nursery:
        world = World(exact, nursery, faults, tmp_path)
        world.begin()
        yield world


def test_a_few_failing_system_calls(world: World) -> None:
    for work in SHARES:
        assert_survives(world, work, 2 if work is backup else 1, ABOUT)


@pytest.mark.chaos
@pytest.mark.timeout(2 * 3600)
@pytest.mark.parametrize("work", SHARES, ids=lambda work: work.__name__)
def test_hundreds_of_failing_system_calls(work: Work, world: World) -> None:
    for _ in range(2):  # the first also makes what all later ones find there; the second is counted
        world.faults.arm(NOWHERE)
        work(world)
    assert_survives(world, work, round(LONG * SHARES[work] / sum(SHARES.values())), world.calls)
