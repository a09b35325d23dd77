"""Two processes at once, and two runs within one second."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from sidecar.archive.manifest import to_bytes
from sidecar.model import BackupId
from support.command import Command, assert_promise_kept, files
from support.patience import PATIENCE_SECONDS, wait_for
from support.rig import BUSES, DB, PEOPLE
from support.servers import ServerProcess, seed


@pytest.fixture
def command(exact: ServerProcess, tmp_path: Path) -> Command:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES, "attendance": BUSES})
    return Command(exact, tmp_path / "backups")


def stall(command: Command, collection: str) -> None:
    with MongoClient[dict[str, Any]](command.server.uri) as client:
        client[DB].command({"labFault": "find", "collection": collection, "action": "stall", "times": -1})


def reset(command: Command) -> None:
    with MongoClient[dict[str, Any]](command.server.uri) as client:
        client[DB].command({"labReset": 1})


def wait_for_temporary_file(command: Command, process: "subprocess.Popen[str]") -> None:
    wait_for(lambda: process.poll() is not None or any(name.endswith(".tmp") for name in files(command.directory)))
    assert process.poll() is None, process.communicate()


def test_the_second_on_a_set_is_told_who_the_first_is(command: Command) -> None:
    stall(command, "users")
    with command.start("backup", "main") as first:
        wait_for_temporary_file(command, first)
        during = sorted(files(command.directory))
        second = command.run("backup", "main")
        assert second.returncode == 4
        assert f"process {first.pid} " in second.stderr
        assert sorted(files(command.directory)) == during  # what is written in them may come any moment
        first.send_signal(signal.SIGKILL)
    reset(command)
    assert_promise_kept(command, {})


def test_another_set_is_not_in_the_way(command: Command) -> None:
    stall(command, "users")
    with command.start("backup", "main") as first:
        wait_for_temporary_file(command, first)
        assert command.run("backup", "attendance").returncode == 0
        first.kill()


def test_readers_are_not_in_the_way_of_a_run(command: Command) -> None:
    assert command.run("backup", "main").returncode == 0
    stall(command, "users")
    with command.start("backup", "main") as first:
        wait_for_temporary_file(command, first)
        assert [one["is_valid"] for one in command.json("list", "main")] == [True]
        first.kill()


def test_two_runs_in_one_second_get_two_seconds(command: Command) -> None:
    processes = [command.start("backup", "main") for _ in range(3)]
    codes = []
    for process in processes:
        with process:
            process.communicate(timeout=PATIENCE_SECONDS)
            codes.append(process.returncode)
    assert set(codes) <= {0, 4}
    assert len(command.valid()) == codes.count(0)
    assert all(BackupId.parse(one) for one in command.valid())


def test_a_backup_that_is_being_read_is_not_deleted(command: Command) -> None:
    strict = Command(command.server, command.directory, {"BACKUP_LIMIT": "1"})
    assert strict.run("backup", "main").returncode == 0
    (oldest,) = strict.stored()
    with strict.store.open_data(oldest.id):
        assert strict.run("backup", "main").returncode == 0
        assert str(oldest.id) in strict.valid()
    assert strict.run("prune", "main").returncode == 0
    assert str(oldest.id) not in strict.valid()


def test_a_pinned_backup_is_not_deleted(command: Command) -> None:
    strict = Command(command.server, command.directory, {"BACKUP_LIMIT": "1"})
    assert strict.run("backup", "main").returncode == 0
    (oldest,) = strict.stored()
    with strict.store.locked("test") as lock:
        strict.store.pin(lock, oldest.id)
    for _ in range(3):
        assert strict.run("backup", "main").returncode == 0
    assert [one.is_pinned for one in strict.stored()] == [False, True]


def test_a_clock_that_was_set_back_does_not_cost_the_backup_just_made(command: Command) -> None:
    """To the rules it is the oldest; it is also all there is of today."""
    assert command.run("backup", "main").returncode == 0
    (made,) = command.stored()
    future = BackupId(made.id.taken_at.replace(year=2099), made.id.prefix)
    assert made.manifest is not None
    renamed = made.manifest.model_copy(update={"backup_id": str(future), "filename": future.data_name})
    (command.directory / made.id.data_name).rename(command.directory / future.data_name)
    (command.directory / made.id.metadata_name).unlink()
    (command.directory / future.metadata_name).write_bytes(to_bytes(renamed))
    strict = Command(command.server, command.directory, {"BACKUP_LIMIT": "1"})
    assert strict.run("backup", "main").returncode == 0
    assert [one.verdict.is_valid for one in strict.stored()] == [True, True]
