"""`sidecar config check --connect`: each thing that a first start would stumble over is named, with its cure."""

from dataclasses import replace
from pathlib import Path

import pytest

from sidecar import config
from sidecar.bootstrap.service import open_service
from sidecar.inspect import preflight, rights
from support.command import Command, files
from support.configuration import with_file
from support.rig import BUSES, DB
from support.roles import DRILLS, actions, allow, privileges
from support.servers import ServerProcess, seed

PURPOSES = ("rights: backup", "rights: restore", "rights: drill")


@pytest.fixture
def command(exact: ServerProcess, tmp_path: Path) -> Command:
    seed(exact.uri, DB, {"buses": BUSES})
    with_file(tmp_path, '[sets.main]\ncollections = ["*"]\n[sets.attendance]\nenabled = false\n')
    variables = {"SIDECAR_CONFIG": str(tmp_path / "sidecar.toml"), "SIDECAR_DRILL_DB": DRILLS}
    return Command(exact, tmp_path / "backups", variables)


async def tried(command: Command, **variables: str) -> list[preflight.Check]:
    settings = config.load(command.environment | variables)
    async with open_service(settings) as service:
        return await preflight.look(settings, service.database)


async def bad(command: Command, **variables: str) -> dict[str, str]:
    """What is not as it should be, with its cure."""
    found = await tried(command, **variables)
    return {one.subject: f"{one.message}: {one.cure}" for one in found if not one.is_good}


def test_the_command_line_says_what_it_did_not_try_and_ends_with_1_for_what_it_tried_in_vain(command: Command) -> None:
    away = replace(command, variables={"MONGO_URL": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200"})
    valid = away.run("config", "check")
    assert valid.returncode == 0
    assert "Not tried without --connect: MongoDB, its user's rights, the backup directory" in valid.stdout
    connected = away.run("config", "check", "--connect")
    assert connected.returncode == 1
    assert "Check that MongoDB runs and that MONGO_URL names it" in connected.stdout
    assert connected.stdout.endswith("Not ready: mongodb.\n")
    assert not command.directory.exists()


def test_a_name_that_is_nearly_one_of_ours_is_told() -> None:
    given = {"BAKUP_DIR": "/x", "MONGO_URI": "x", "DB_NAMES": "x", "DB_NAME": "y", "HOMEPAGE": "z"}
    assert config.likely_mistakes(given) == [("BAKUP_DIR", "BACKUP_DIR"), ("MONGO_URI", "MONGO_URL")]


async def test_what_is_needed_is_tried_and_nothing_is_left_behind(command: Command) -> None:
    before = files(command.directory.parent)
    subjects = [one.subject for one in await tried(command)]
    assert subjects == ["mongodb", "rights", "clock", "directory", "space"]
    assert await bad(command) == {}
    assert files(command.directory.parent) == before


async def test_each_right_that_is_missing_is_named_with_what_needs_it(command: Command) -> None:
    allow(command.server, privileges("sidecarBackup", "sidecarRestore", "sidecarDrill"))
    assert await bad(command) == {}
    assert set(PURPOSES) < {one.subject for one in await tried(command)}

    allow(command.server, privileges("sidecarBackup"))
    lacking = await bad(command)
    assert set(lacking) == {"rights: restore", "rights: drill"}
    assert lacking["rights: restore"].startswith("the user lacks createCollection, convertToCapped, insert")
    assert "SIDECAR_DRILL_SCHEDULE" in lacking["rights: drill"]
    assert set(await bad(command, SIDECAR_DRILL_SCHEDULE="")) == {"rights: restore"}

    allow(command.server, privileges("sidecarBackup", without="listIndexes"))
    assert "the user lacks listIndexes on the database" in (await bad(command))["rights: backup"]


async def test_a_directory_and_a_disk_that_will_not_do_are_told_with_their_cure(command: Command) -> None:
    taken = command.directory.with_name("sidecar.toml")  # a file, in which no directory can be made
    small = await bad(command, MIN_STORAGE_MB="999999", BACKUP_DIR=str(taken / "backups"))
    assert set(small) == {"directory", "space"}
    assert f"does not exist and cannot be made in {taken}: Give it to the user" in small["directory"]


def test_the_rights_asked_for_are_those_of_the_roles_that_are_delivered() -> None:
    assert [*rights.BACKUP] == actions("sidecarBackup")
    assert [*rights.LEASE] == actions("sidecarLease")
    assert [*rights.RESTORE] == actions("sidecarRestore")
    assert [*rights.DRILL] == actions("sidecarDrill")
