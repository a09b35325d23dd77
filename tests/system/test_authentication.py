"""A user with a password and the roles of deploy/mongodb, on SecantusDB, which authenticates by SCRAM and enforces roles.

A second opinion beside the model in tests/integration/test_least_privilege.py; it is no mongod either.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from pymongo import MongoClient

from support.command import Command
from support.rig import BUSES, DB, PEOPLE
from support.roles import DRILLS, ROLES, privileges
from support.servers import ServerProcess, secantus, seed

USERS: Final[Mapping[str, list[str]]] = {
    "nobody": [],
    "backup": ["sidecarBackup"],
    "restore": ["sidecarBackup", "sidecarRestore"],
    "drill": ["sidecarBackup", "sidecarDrill"],
}
PASSWORD: Final = "p@ss/w0rd of the tests"
ENCODED: Final = "p%40ss%2Fw0rd%20of%20the%20tests"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    path = tmp_path_factory.mktemp("secantus") / "db"
    with secantus(path) as server:
        seed(server.uri, DB, {"users": PEOPLE, "buses": BUSES})
        with MongoClient[dict[str, Any]](server.uri) as client:
            for role in ROLES:
                client.admin.command({"createRole": role, "privileges": list(privileges(role)), "roles": []})
            for user, roles in USERS.items():
                client.admin.command({"createUser": user, "pwd": PASSWORD, "roles": roles})
        seed(server.uri, "last", {"write": [{"_id": 1}]})  # journaled, and with it all before it
    with secantus(path, "--auth") as server:
        yield server


def as_user(server: ServerProcess, directory: Path, user: str, password: str = ENCODED) -> Command:
    url = f"mongodb://{user}:{password}@127.0.0.1:{server.port}/?authSource=admin&serverSelectionTimeoutMS=3000"
    return Command(server, directory, {"MONGO_URL": url, "SIDECAR_DRILL_DB": DRILLS})


def test_each_role_is_enough_for_its_work_and_for_no_more(guarded: ServerProcess, tmp_path: Path) -> None:
    backup, restore, drill = (as_user(guarded, tmp_path / "backups", user) for user in ("backup", "restore", "drill"))
    made = backup.run("backup", "main")
    assert made.returncode == 0, made.stderr
    (backup_id,) = backup.valid()
    restored = restore.run("restore", backup_id, "--yes")
    assert restored.returncode == 0, restored.stderr
    drilled = drill.run("drill", "main")
    assert drilled.returncode == 0, drilled.stderr
    for command, arguments in ((backup, ("restore", backup_id, "--yes")), (drill, ("restore", backup_id, "--yes"))):
        refused = command.run(*arguments)
        assert (refused.returncode, f"not authorized on {DB} to execute command" in refused.stderr) == (1, True)
    refused = backup.run("drill", "main")
    assert (refused.returncode, f"not authorized on {DRILLS} to execute command" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("user", "password", "complaint"),
    [("nobody", ENCODED, "not authorized on"), ("backup", "wrong", "authentication failed")],
)
def test_whoever_may_not_read_is_told_so_and_nothing_is_left(
    user: str, password: str, complaint: str, guarded: ServerProcess, tmp_path: Path
) -> None:
    refused = as_user(guarded, tmp_path / "backups", user, password).run("backup", "main")
    assert (refused.returncode, complaint in refused.stderr.lower()) == (1, True)
    assert "p@ss" not in refused.stderr + refused.stdout
    assert not list((tmp_path / "backups").glob("*.json"))
