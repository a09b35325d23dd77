"""A run that is killed at any moment: whatever was good stays good, and nothing half-made is ever believed."""

import random
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from sidecar.model import Form
from support.command import Command, assert_promise_kept, files
from support.forms import every_form, over_forms
from support.patience import PATIENCE_SECONDS, wait_for
from support.rig import BUSES, DB
from support.servers import ServerProcess, seed

SHORT, LONG = 10, 50


def lab(command: Command, **document: Any) -> Mapping[str, Any]:
    with MongoClient[dict[str, Any]](command.server.uri) as client:
        return client[DB].command(document)


@pytest.fixture
def form() -> Form:
    """That of the backups, where a test does not name others."""
    return Form.PLAIN


@pytest.fixture
def command(form: Form, exact: ServerProcess, tmp_path: Path) -> Command:
    """Three backups exist and three are kept, so that every run has one to delete."""
    seed(exact.uri, DB, {"users": [{"_id": n, "text": f"{n}" * 150} for n in range(6000)], "buses": BUSES})
    command = Command(exact, tmp_path / "backups", {"BACKUP_LIMIT": "3"}, form=form)
    for _ in range(3):
        ended = command.run("backup", "main")
        assert ended.returncode == 0, ended.stderr
    return command


def assert_survives_kills(command: Command, kills: int) -> None:
    moments = random.Random(20261124)
    longest = _seconds_of_a_run(command)
    for _ in range(kills):
        before = command.valid()
        kept = {name: content for name, content in files(command.directory).items() if name.split(".")[0] in before[:2]}
        with command.start("backup", "main") as process:
            deadline = time.monotonic() + moments.uniform(0.3, 1.05) * longest
            while process.poll() is None and time.monotonic() < deadline:
                pass
            process.kill()
        assert_promise_kept(command, kept)


def _seconds_of_a_run(command: Command) -> float:
    began = time.monotonic()
    assert command.run("backup", "main").returncode == 0
    return time.monotonic() - began


def test_a_run_killed_at_a_random_moment_loses_nothing(command: Command) -> None:
    assert_survives_kills(command, SHORT)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
@every_form
def test_fifty_runs_of_each_form_killed_at_random_moments_lose_nothing(command: Command) -> None:
    assert_survives_kills(command, LONG)


@over_forms(moment=["find", "getMore", "listCollections", "listIndexes", "aggregate"])
def test_a_run_killed_while_it_waits_for_the_server_loses_nothing(moment: str, command: Command) -> None:
    good = dict(list(files(command.directory).items())[2:])
    lab(command, labFault=moment, action="stall", times=-1)
    lab(command, labCommands=1)  # forget what the fixture's own runs sent
    with command.start("backup", "main") as process:
        wait_for(lambda: any(one["name"] == moment for one in lab(command, labCommands=1)["commands"]))
        process.kill()
    lab(command, labReset=1)
    assert_promise_kept(command, good)


def test_sigterm_ends_a_run_cleanly_and_leaves_nothing(command: Command) -> None:
    before = files(command.directory)
    lab(command, labFault="getMore", action="stall", times=-1)
    with command.start("backup", "main") as process:
        wait_for(lambda: any(".tmp" in name for name in files(command.directory)))
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 1
        assert "interrupted" in err
    assert files(command.directory) == before
