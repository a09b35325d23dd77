"""Real file systems that are full, become full, or take no writes."""

import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from support.command import Command, assert_promise_kept, files, small_disk
from support.rig import BUSES, DB
from support.servers import ServerProcess, seed


@pytest.fixture
def command(exact: ServerProcess, tmp_path: Path) -> Command:
    seed(exact.uri, DB, {"users": [{"_id": n, "text": f"{n}" * 40} for n in range(4000)], "buses": BUSES})
    return Command(exact, tmp_path / "disk", {"BACKUP_LIMIT": "2"})


@pytest.mark.parametrize("room_kb", [0, 4, 8, 64, 500, 700])
def test_a_disk_that_fills_at_any_stage_is_a_clear_error(room_kb: int, command: Command) -> None:
    with small_disk(command.directory, "4m") as disk:
        assert command.run("backup", "main").returncode == 0
        good = files(disk)
        _leave_room(disk, room_kb)
        failed = command.run("backup", "main")
        assert failed.returncode == 1, failed.stdout + failed.stderr
        assert "MB are needed" in failed.stderr or "No space left on device" in failed.stderr
        (disk / "ballast").unlink()
        assert files(disk) == good
        assert_promise_kept(command, good)


@pytest.mark.parametrize("room_kb", [0, 4, 12, 64, 500, 700])
def test_a_disk_that_fills_although_there_seemed_to_be_room(room_kb: int, command: Command) -> None:
    """The prediction comes from the server; one that knows no sizes lets a run start that cannot end."""
    with small_disk(command.directory, "4m") as disk:
        assert command.run("backup", "main").returncode == 0
        good = files(disk)
        _leave_room(disk, room_kb)
        _forget_sizes(command)
        failed = command.run("backup", "main")
        assert failed.returncode == 1, failed.stdout + failed.stderr
        assert "MB are needed" in failed.stderr or "No space left on device" in failed.stderr
        (disk / "ballast").unlink()
        assert files(disk) == good
        assert_promise_kept(command, good)


def test_a_disk_without_the_room_that_must_stay_free_starts_no_run(command: Command) -> None:
    strict = Command(command.server, command.directory, {"MIN_STORAGE_MB": "50"})
    with small_disk(command.directory, "20m") as disk:
        refused = strict.run("backup", "main")
        assert refused.returncode == 1
        assert "MB are needed: 50.0 MB that must stay free" in refused.stderr
        assert files(disk) == {}


def test_a_directory_that_takes_no_writes_fails_writers_and_serves_readers(command: Command) -> None:
    with small_disk(command.directory, "8m") as disk:
        assert command.run("backup", "main").returncode == 0
        good = files(disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for writer in (("backup", "main"), ("prune", "main")):
            failed = command.run(*writer)
            assert failed.returncode == 1
            assert "Read-only file system" in failed.stderr
        assert [one["is_valid"] for one in command.json("list", "main")] == [True]
        backup_id = command.valid()[0]
        assert command.run("verify", backup_id, "--deep").returncode == 0
        assert command.run("restore", backup_id, "--target-db", "copy", "--yes").returncode == 0
        assert command.run("prune", "main", "--dry-run").returncode == 0
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert_promise_kept(command, good)


def _leave_room(disk: Path, room_kb: int) -> None:
    """Fill the disk with a file of somebody else's until only `room_kb` are free."""
    with (disk / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    size = (disk / "ballast").stat().st_size - room_kb * 1024
    with (disk / "ballast").open("r+b") as file:
        file.truncate(max(size, 0))


def _forget_sizes(command: Command) -> None:
    with MongoClient[dict[str, Any]](command.server.uri) as client:
        client[DB].command({"labFault": "aggregate", "collection": "users", "action": "error", "code": 59, "times": 1})
