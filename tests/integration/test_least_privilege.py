"""The roles of deploy/mongodb: enough for all that the sidecar does, and no action too many.

The server is a model of MongoDB's access control (support.exact_server.authorisation), not a mongod.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient

from sidecar.errors import AccessRefused, SourceError
from sidecar.model import Manifest
from sidecar.mongodb.lease import Lease, Timing
from sidecar.restore.drill import drill, sweep
from support.command import Command
from support.rig import BUSES, DB, PEOPLE, Rig, rig
from support.roles import DRILLS, actions, allow, privileges
from support.served import Served
from support.servers import ServerProcess, seed

COLLECTIONS = ("buses", "logs", "readings", "tokens", "users", "young")
OWNER = "0123abcd"
NEEDED_BY_BACKUP = ("find", "listCollections", "listIndexes")
REFUSALS: Mapping[str, str] = {  # the first command that is refused where the action is missing
    "find": "(find|aggregate|renameCollection)",
    "listCollections": "listCollections",
    "listIndexes": "listIndexes",
    "createCollection": "create",
    "convertToCapped": "create",
    "insert": "insert",
    "bypassDocumentValidation": "insert",
    "createIndex": "createIndexes",
    "collMod": "collMod",
    "renameCollectionSameDB": "renameCollection",
    "dropCollection": "renameCollection",
    "dropDatabase": "dropDatabase",
}


def fill(server: ServerProcess) -> None:
    """A set with one of everything that takes an action of its own."""
    with MongoClient[dict[str, Any]](server.uri) as client:
        db = client[DB]
        db.create_collection("logs", capped=True, size=1 << 20)
        db.create_collection("readings", timeseries={"timeField": "at"}, expireAfterSeconds=3600)
        db.create_collection("young", viewOn="users", pipeline=[])
        db.command({"createIndexes": "buses", "indexes": [{"key": {"seats": 1}, "name": "seats_1", "unique": True}]})
        db.command({"createIndexes": "tokens", "indexes": [{"key": {"at": 1}, "name": "ttl", "expireAfterSeconds": 9}]})
    now = datetime.now(UTC)
    seed(server.uri, DB, {"users": PEOPLE, "buses": BUSES, "logs": [{"_id": 1}]})
    seed(server.uri, DB, {"readings": [{"_id": 1, "at": now}], "tokens": [{"_id": 1, "at": now}]})


@pytest.fixture
async def guarded(exact: ServerProcess, tmp_path: Path) -> AsyncIterator[Rig]:
    """A rig on a filled server where the sidecar may do nothing yet."""
    fill(exact)
    allow(exact, [])
    async with rig(exact, tmp_path, COLLECTIONS) as made:
        yield made


@pytest.fixture
async def backed_up(guarded: Rig) -> Manifest:
    allow(guarded.server, privileges("sidecarBackup"))
    return await guarded.back_up()


def everything(guarded: Rig) -> dict[str, list[bytes]]:
    return {name: guarded.documents(name) for name in COLLECTIONS}


async def test_a_backup_needs_no_more_than_its_role(guarded: Rig) -> None:
    allow(guarded.server, privileges("sidecarBackup"))
    made = await guarded.back_up()
    assert (
        made.consistency == "per_collection"
    )  # the model, as MongoDB before 8.0, has no snapshot of a capped collection
    assert {name: one.documents for name, one in made.collection_details.items()} == {
        "buses": len(BUSES),
        "logs": 1,
        "readings": 1,
        "tokens": 1,
        "users": len(PEOPLE),
    }


@pytest.mark.parametrize("missing", NEEDED_BY_BACKUP)
async def test_without_an_action_of_its_role_a_backup_fails_and_names_the_command(guarded: Rig, missing: str) -> None:
    allow(guarded.server, privileges("sidecarBackup", without=missing))
    with pytest.raises(AccessRefused, match=f"not authorized on {DB} to run {REFUSALS[missing]}$"):
        await guarded.back_up()
    assert guarded.files() == []


async def test_what_is_left_of_the_role_of_backups_only_says_how_large_they_will_be(guarded: Rig) -> None:
    assert set(actions("sidecarBackup")) == {*NEEDED_BY_BACKUP, "collStats"}
    allow(guarded.server, privileges("sidecarBackup", without="collStats"))
    assert await guarded.database.data_bytes(["users"]) == 0
    assert (await guarded.back_up()).collection_details["users"].documents == len(PEOPLE)
    allow(guarded.server, privileges("sidecarBackup"))
    assert await guarded.database.data_bytes(["users"]) == sum(len(bson.encode(one)) for one in PEOPLE)


async def test_the_role_of_backups_changes_nothing(guarded: Rig, backed_up: Manifest) -> None:
    before = everything(guarded)
    with pytest.raises(SourceError, match="not authorized"):
        await guarded.restore(backed_up)
    with pytest.raises(SourceError, match="not authorized"):
        await drill(guarded.restore_order(backed_up), OWNER, DRILLS)
    assert everything(guarded) == before


async def test_a_restore_needs_no_more_than_its_role(guarded: Rig, backed_up: Manifest) -> None:
    before = everything(guarded)
    guarded.lab(delete="users", deletes=[{"q": {}, "limit": 0}])
    allow(guarded.server, privileges("sidecarRestore"))
    await guarded.restore(backed_up)
    assert everything(guarded) == before


@pytest.mark.parametrize("missing", actions("sidecarRestore"))
async def test_without_an_action_of_its_role_a_restore_fails_names_the_command_and_loses_nothing(
    guarded: Rig, backed_up: Manifest, missing: str
) -> None:
    before = guarded.documents("users")
    allow(guarded.server, privileges("sidecarRestore", without=missing))
    with pytest.raises(SourceError, match=f"not authorized on .* to run {REFUSALS[missing]}"):
        await guarded.restore(backed_up)
    assert guarded.documents("users") == before


async def test_the_role_of_drills_reaches_no_other_database(guarded: Rig, backed_up: Manifest) -> None:
    before = everything(guarded)
    allow(guarded.server, privileges("sidecarDrill"))
    with pytest.raises(SourceError, match=f"not authorized on {DB} "):
        await guarded.back_up()
    with pytest.raises(SourceError, match=f"not authorized on {DB} "):
        await guarded.restore(backed_up)
    with pytest.raises(SourceError, match="not authorized on sidecar_drill_"):
        await drill(guarded.restore_order(backed_up), OWNER)
    assert everything(guarded) == before


async def test_a_drill_needs_no_more_than_its_role(guarded: Rig, backed_up: Manifest) -> None:
    allow(guarded.server, privileges("sidecarDrill"))
    proven = await drill(guarded.restore_order(backed_up), OWNER, DRILLS)
    assert proven.collections == backed_up.collection_details
    assert await sweep(guarded.database, OWNER, DRILLS) == []


@pytest.mark.parametrize("missing", actions("sidecarDrill"))
async def test_without_an_action_of_its_role_a_drill_proves_nothing_or_leaves_its_database_behind(
    guarded: Rig, backed_up: Manifest, missing: str
) -> None:
    allow(guarded.server, privileges("sidecarDrill", without=missing))
    if missing == "dropDatabase":
        await drill(guarded.restore_order(backed_up), OWNER, DRILLS)
        with MongoClient[dict[str, Any]](guarded.server.uri) as client:
            assert DRILLS in client.list_database_names()
        return
    with pytest.raises(SourceError, match=f"not authorized on .* to run {REFUSALS[missing]}"):
        await drill(guarded.restore_order(backed_up), OWNER, DRILLS)


async def test_sidecars_agree_with_no_more_than_the_role_of_the_lease(guarded: Rig) -> None:
    allow(guarded.server, privileges("sidecarLease"))
    async with Lease(guarded.database, "work", Timing(0.05, 0.2)).hold():
        pass
    async with Lease(guarded.database, "work", Timing(0.05, 0.2)).hold():  # also where the first could not be removed
        pass


@pytest.mark.parametrize("missing", actions("sidecarLease"))
async def test_without_an_action_of_the_lease_nobody_gets_it(guarded: Rig, missing: str) -> None:
    if missing != "insert":  # which only the very first one needs; others take over what is there
        guarded.lab(insert="sidecar_leases", documents=[{"_id": "work", "owner": "somebody", "beats": 0}])
    allow(guarded.server, privileges("sidecarLease", without=missing))
    with pytest.raises(SourceError, match=f"not authorized on {DB} to run {missing}"):
        async with Lease(guarded.database, "work", Timing(0.05, 0.2)).hold():
            pass


# -- the commands that people type, and the server -----------------------------------------------------------------------------


def test_the_command_line_backs_up_restores_and_rehearses_with_the_roles(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    command = Command(exact, tmp_path / "backups", {"SIDECAR_DRILL_DB": DRILLS})
    allow(exact, privileges("sidecarBackup"))
    assert command.run("backup", "main").returncode == 0
    (backup_id,) = command.valid()
    refused = command.run("restore", backup_id, "--yes")
    assert (refused.returncode, "not authorized on" in refused.stderr) == (1, True)
    allow(exact, privileges("sidecarBackup", "sidecarRestore"))
    restored = command.run("restore", backup_id, "--yes")
    assert restored.returncode == 0, restored.stderr
    allow(exact, privileges("sidecarBackup", "sidecarDrill"))
    drilled = command.run("drill", "main")
    assert drilled.returncode == 0, drilled.stderr


def test_an_empty_database_is_restored_at_the_start_with_the_roles(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    assert Command(exact, tmp_path / "backups").run("backup", "main").returncode == 0
    with MongoClient[dict[str, Any]](exact.uri) as client:
        client.drop_database(DB)
        allow(exact, privileges("sidecarBackup", "sidecarLease", "sidecarRestore"))
        with Served(exact, tmp_path / "backups", {"SIDECAR_RESTORE_ON_EMPTY": "true"}) as served:
            served.wait_until("/readyz", "is_ready", value=True)
            assert {name: client[DB][name].count_documents({}) for name in ("users", "buses")} == {
                "users": len(PEOPLE),
                "buses": len(BUSES),
            }
            assert served.back_up()["backup_type"] == "main"
