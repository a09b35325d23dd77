"""Real file systems that are full, become full, or take no writes."""

import random
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from sidecar.model import Form
from support.command import Command, assert_promise_kept, files, small_disk
from support.forms import over_forms
from support.rig import BUSES, DB
from support.servers import ServerProcess, seed

TEXTS = random.Random(20261128)  # which no compression makes small


@pytest.fixture
def form() -> Form:
    """That of the backups, where a test does not name others."""
    return Form.PLAIN


@pytest.fixture
def command(form: Form, exact: ServerProcess, tmp_path: Path) -> Command:
    seed(exact.uri, DB, {"users": [{"_id": n, "text": TEXTS.randbytes(60).hex()} for n in range(4000)], "buses": BUSES})
    return Command(exact, tmp_path / "disk", {"BACKUP_LIMIT": "2"}, form=form)


@over_forms(share=[0, 0.005, 0.01, 0.08, 0.6, 0.85])
def test_a_disk_that_fills_at_any_stage_is_a_clear_error(share: float, command: Command) -> None:
    with small_disk(command.directory, "4m") as disk:
        assert command.run("backup", "main").returncode == 0
        good = files(disk)
        _leave_room(disk, share * max(map(len, good.values())))
        failed = command.run("backup", "main")
        assert failed.returncode == 1, failed.stdout + failed.stderr
        assert "iB are needed" in failed.stderr or "No space left on device" in failed.stderr
        (disk / "ballast").unlink()
        assert files(disk) == good
        assert_promise_kept(command, good)


@over_forms(share=[0, 0.005, 0.015, 0.08, 0.6, 0.85])
def test_a_disk_that_fills_although_there_seemed_to_be_room(share: float, command: Command) -> None:
    """The prediction comes from the server; one that knows no sizes lets a run start that cannot end."""
    with small_disk(command.directory, "4m") as disk:
        assert command.run("backup", "main").returncode == 0
        good = files(disk)
        _leave_room(disk, share * max(map(len, good.values())))
        _forget_sizes(command)
        failed = command.run("backup", "main")
        assert failed.returncode == 1, failed.stdout + failed.stderr
        assert "iB are needed" in failed.stderr or "No space left on device" in failed.stderr
        (disk / "ballast").unlink()
        assert files(disk) == good
        assert_promise_kept(command, good)


def test_a_disk_without_the_room_that_must_stay_free_starts_no_run(command: Command) -> None:
    strict = Command(command.server, command.directory, {"MIN_STORAGE_MB": "50"})
    with small_disk(command.directory, "20m") as disk:
        refused = strict.run("backup", "main")
        assert refused.returncode == 1
        assert "MiB are needed: 50.0 MiB must stay free" in refused.stderr
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


def _leave_room(disk: Path, size: float) -> None:
    """Fill the disk with a file of somebody else's until only so much is free."""
    with (disk / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    size = (disk / "ballast").stat().st_size - round(size)
    with (disk / "ballast").open("r+b") as file:
        file.truncate(max(size, 0))


def _forget_sizes(command: Command) -> None:
    with MongoClient[dict[str, Any]](command.server.uri) as client:
        client[DB].command({"labFault": "aggregate", "collection": "users", "action": "error", "code": 59, "times": 1})
