"""A restore that is killed at any moment: the target is what it was or what the backup holds, and nothing is left over."""

import asyncio
import os
import pty
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from bson import encode
from pymongo import MongoClient

from support.command import Command
from support.patience import PATIENCE_SECONDS, wait_for
from support.rig import BUSES, DB
from support.served import Served
from support.servers import ServerProcess, seed
from support.services import open_on

SHORT, LONG = 10, 300
OURS = {"sidecar_leases"}
PEOPLE: list[dict[str, Any]] = [{"_id": n, "text": f"{n}" * 150} for n in range(3000)]
State = Mapping[str, Any]


def state(server: ServerProcess) -> State:
    """Every collection by name: its kind and options, its indexes, and its documents to the byte."""
    with MongoClient[dict[str, Any]](server.uri) as client:
        database = client[DB]
        there = [one for one in database.list_collections() if one["name"] not in OURS]
        return {
            one["name"]: (
                one["type"],
                one["options"],
                [] if one["type"] == "view" else sorted(map(encode, database[one["name"]].list_indexes())),
                []
                if one["type"] == "view"
                else [encode(found) for found in database[one["name"]].find(sort=[("_id", 1)])],
            )
            for one in there
        }


def go_on(server: ServerProcess) -> None:
    """What the application has become since the backup: other documents, another index, no holidays, a new collection."""
    with MongoClient[dict[str, Any]](server.uri) as client:
        client.drop_database(DB)
    seed(
        server.uri,
        DB,
        {"users": [{"_id": n, "now": n} for n in range(2000)], "buses": BUSES[:1], "routes": [{"_id": 1}]},
    )
    with MongoClient[dict[str, Any]](server.uri) as client:
        client[DB]["users"].create_index("now")


@pytest.fixture
def command(exact: ServerProcess, tmp_path: Path) -> Command:
    """A backup of users with an index, buses, holidays and a view; and a database that has gone on since."""
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES, "holidays": [{"_id": "h"}]})
    with MongoClient[dict[str, Any]](exact.uri) as client:
        client[DB]["users"].create_index("text", unique=True)
        client[DB].command({"create": "stops", "viewOn": "buses", "pipeline": []})
    command = Command(exact, tmp_path / "backups", {"BACKUP_LIMIT": "1000"})
    ended = command.run("backup", "main")
    assert ended.returncode == 0, ended.stderr
    return command


def begin_again(command: Command, directory: Path) -> list[str]:
    """What a process does first of all."""

    async def recover() -> list[str]:
        async with open_on(command.server, directory) as service:
            return await service.recover()

    return asyncio.run(recover())


def assert_survives_kills(command: Command, directory: Path, kills: int) -> dict[str, int]:
    moments = random.Random(20261124)
    (backup,) = command.valid()
    new = state(command.server)
    go_on(command.server)
    old = state(command.server)
    restored = dict(old) | dict(new)
    restore = ("restore", backup, "--yes")
    began = time.monotonic()
    assert command.run(*restore).returncode == 0
    longest = time.monotonic() - began
    assert state(command.server) == restored
    outcomes = {"old": 0, "new": 0}
    for _ in range(kills):
        go_on(command.server)
        with command.start(*restore) as process:
            deadline = time.monotonic() + moments.uniform(0.3, 1.05) * longest
            while process.poll() is None and time.monotonic() < deadline:
                pass
            process.kill()
        torn = {name: one for name, one in state(command.server).items() if "sidecar_restoring_" not in name}
        assert all(one in (old.get(name), new.get(name)) for name, one in torn.items())  # each collection is whole
        assert set(old) <= set(torn)
        assert begin_again(command, directory) == []
        there = state(command.server)
        assert there in (old, restored)
        assert list((command.directory / ".locks").glob(".restoring_*")) == []
        outcomes["old" if there == old else "new"] += 1
    return outcomes


def test_a_restore_killed_at_a_random_moment_leaves_the_old_or_the_new_state_whole(
    command: Command, tmp_path: Path
) -> None:
    assert sum(assert_survives_kills(command, tmp_path, SHORT).values()) == SHORT


@pytest.mark.chaos
@pytest.mark.timeout(7200)
def test_three_hundred_restores_killed_at_random_moments_leave_the_old_or_the_new_state_whole(
    command: Command, tmp_path: Path
) -> None:
    outcomes = assert_survives_kills(command, tmp_path, LONG)
    print(f"\n{LONG} kills of a restore: {outcomes}")  # noqa: T201 - figures of docs/reliability.md
    assert sum(outcomes.values()) == LONG


# -- at chosen moments -------------------------------------------------------------------------------------------------


def lab(server: ServerProcess, **document: Any) -> Mapping[str, Any]:
    with MongoClient[dict[str, Any]](server.uri) as client:
        return client[DB].command(document)


def commands(server: ServerProcess) -> list[Any]:
    """Those that came since this was last asked."""
    return list(lab(server, labCommands=1)["commands"])


def killed_before_its_last_step(command: Command) -> tuple[State, State]:
    """The state before the restore, and the one that the killed restore left."""
    (backup,) = command.valid()
    go_on(command.server)
    old = state(command.server)
    lab(command.server, labFault="create", collection="stops", action="stall", times=-1)
    commands(command.server)
    with command.start("restore", backup, "--yes") as process:
        wait_for(lambda: any(one["command"].get("create") == "stops" for one in commands(command.server)))
        process.kill()
    lab(command.server, labReset=1)
    torn = state(command.server)
    assert torn != old
    return old, torn


def test_the_next_start_of_the_server_puts_back_what_a_killed_restore_replaced(command: Command) -> None:
    old, _ = killed_before_its_last_step(command)
    with Served(command.server, command.directory) as served:
        wait_for(lambda: not list((command.directory / ".locks").glob(".restoring_*")))
        assert state(command.server) == old
        served.stop()
        assert "restore.undone" in [line["event"] for line in served.log()]


def test_what_was_written_since_a_killed_restore_is_never_overwritten(command: Command, tmp_path: Path) -> None:
    _, torn = killed_before_its_last_step(command)
    with MongoClient[dict[str, Any]](command.server.uri) as client:
        client[DB]["users"].insert_one({"_id": "written since", "text": "precious"})
        precious = client[DB]["users"].count_documents({})
    (said,) = begin_again(command, tmp_path)
    assert "users were written to since, so that nothing was undone: seed_backup_" in said
    there = state(command.server)
    assert {name: one for name, one in there.items() if name != "users"} == {
        name: one for name, one in torn.items() if name != "users" and "sidecar_restoring_" not in name
    }
    with MongoClient[dict[str, Any]](command.server.uri) as client:
        assert client[DB]["users"].count_documents({}) == precious
    assert begin_again(command, tmp_path) == [said]  # until somebody restores
    assert command.run("restore", command.valid()[-1], "--yes").returncode == 0
    assert begin_again(command, tmp_path) == []


def test_the_restore_of_another_process_that_lives_is_left_alone(command: Command, tmp_path: Path) -> None:
    (backup,) = command.valid()
    go_on(command.server)
    lab(command.server, labFault="createIndexes", action="stall", times=-1)
    commands(command.server)
    with command.start("restore", backup, "--yes") as process:
        wait_for(lambda: "createIndexes" in [one["name"] for one in commands(command.server)])
        staged = [name for name in state(command.server) if "sidecar_restoring_" in name]
        assert begin_again(command, tmp_path) == []
        assert [name for name in state(command.server) if "sidecar_restoring_" in name] == staged != []
        process.kill()
    lab(command.server, labReset=1)
    assert begin_again(command, tmp_path) == []
    assert [name for name in state(command.server) if "sidecar_restoring_" in name] == []


def test_whoever_presses_ctrl_c_again_and_again_hears_what_became_of_the_data(command: Command) -> None:
    (backup,) = command.valid()
    go_on(command.server)
    old = state(command.server)
    lab(command.server, labFault="create", collection="stops", action="stall", times=1)
    commands(command.server)
    with command.start("restore", backup, "--yes") as process:
        wait_for(lambda: any(one["command"].get("create") == "stops" for one in commands(command.server)))
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        said = process.communicate()[1]
    safety = command.valid()[0]
    assert process.returncode == 130
    assert f"what the target held before was put back, and {safety} holds it" in said
    assert "interrupted:" not in said
    assert state(command.server) == old
    assert list((command.directory / ".locks").glob(".restoring_*")) == []


def test_a_restore_whose_terminal_is_gone_puts_back_what_it_replaced(command: Command) -> None:
    (backup,) = command.valid()
    go_on(command.server)
    old = state(command.server)
    lab(command.server, labFault="renameCollection", action="stall", skip=1, times=1)
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-m", "sidecar", "restore", backup, "--yes"],
        env=command.environment,
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
    )
    os.close(its_end)
    wait_for(lambda: (now := state(command.server)) and any(now.get(name) != old[name] for name in old))
    os.close(terminal)
    assert process.wait(PATIENCE_SECONDS) == 1
    lab(command.server, labReset=1)
    assert state(command.server) == old
    assert list((command.directory / ".locks").glob(".restoring_*")) == []
