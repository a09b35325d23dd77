"""A restore drill proves the newest backup, finds every planted defect, and leaves nothing behind."""

import asyncio
from pathlib import Path
from typing import Any

import bson
import pytest

from sidecar.errors import RestoreMismatch, SidecarError, WriteRejected
from sidecar.restore.drill import MARKER, PREFIX, drill, sweep
from support.rig import BUSES, DB, PEOPLE, Rig, rig
from support.servers import ServerProcess, seed

OWNER = "0a1b2c3d"
INDEX = {"createIndexes": "buses", "indexes": [{"name": "seats", "key": {"seats": 1}}]}
VIEW = {"create": "big_buses", "viewOn": "buses", "pipeline": [{"$match": {"seats": {"$gt": 100}}}]}
CAPPED = {"create": "log", "capped": True, "size": 4096}
EVERYTHING = ("users", "buses", "log", "big_buses")


def prepare(at: Rig) -> None:
    seed(at.server.uri, DB, {"users": PEOPLE, "buses": BUSES})
    for command in (INDEX, VIEW, CAPPED):
        at.lab(**command)


def databases(at: Rig) -> list[str]:
    return [one["name"] for one in at.lab_admin(listDatabases=1)["databases"] if one["name"].startswith(PREFIX)]


async def test_a_drill_compares_everything_and_drops_its_database(exact: ServerProcess, tmp_path: Path) -> None:
    async with rig(exact, tmp_path, EVERYTHING) as at:
        prepare(at)
        manifest = await at.back_up()
        proven = await drill(at.restore_order(manifest), OWNER)
        assert proven.backup_id == manifest.backup_id
        assert {name: found.documents for name, found in proven.collections.items()} == manifest.collections
        assert proven.views == ("big_buses",)
        assert databases(at) == []
        assert at.names() == sorted(EVERYTHING)


DEFECTS: dict[str, dict[str, Any]] = {
    "a document changed": {"update": "buses", "updates": [{"q": {"_id": 3}, "u": {"$set": {"seats": 1}}}]},
    "a document removed": {"delete": "buses", "deletes": [{"q": {"_id": 3}, "limit": 1}]},
    "a document added": {"insert": "buses", "documents": [{"_id": "another"}]},
    "an index missing": {"dropIndexes": "buses", "index": "seats"},
    "an option lost": {"drop": "log"},
    "a view lost": {"drop": "big_buses"},
}


@pytest.mark.parametrize("defect", DEFECTS)
async def test_a_drill_finds(defect: str, exact: ServerProcess, tmp_path: Path) -> None:
    """Planted by the server itself, when everything is in its place but the last view."""
    async with rig(exact, tmp_path, EVERYTHING) as at:
        prepare(at)
        manifest = await at.back_up()
        at.lab(labHook="create", collection="big_buses", then=DEFECTS[defect])
        with pytest.raises(RestoreMismatch):
            await drill(at.restore_order(manifest), OWNER)
        assert databases(at) == []


@pytest.mark.parametrize(
    "command", ["create", "insert", "createIndexes", "renameCollection", "find", "listCollections"]
)
async def test_a_drill_that_fails_drops_its_database_too(command: str, exact: ServerProcess, tmp_path: Path) -> None:
    async with rig(exact, tmp_path, EVERYTHING) as at:
        prepare(at)
        manifest = await at.back_up()
        at.lab(labFault=command, action="error", times=-1, code=6, message="not now")
        with pytest.raises(SidecarError, match="not now"):
            await drill(at.restore_order(manifest), OWNER)
        at.lab(labReset=1)
        assert databases(at) == []


async def test_a_drill_that_is_cancelled_while_its_database_is_made_drops_it(
    exact: ServerProcess, tmp_path: Path
) -> None:
    async with rig(exact, tmp_path, EVERYTHING, stall_seconds=1) as at:
        prepare(at)
        manifest = await at.back_up()
        at.lab(labHook="create", then={"labFault": "listCollections", "action": "stall"})
        drilling = asyncio.ensure_future(drill(at.restore_order(manifest), OWNER))
        while not await asyncio.to_thread(databases, at):
            pass
        drilling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await drilling
        assert databases(at) == []


async def test_what_a_killed_drill_left_is_swept_and_nothing_else(exact: ServerProcess, tmp_path: Path) -> None:
    ours, others, unmarked = f"{PREFIX}{OWNER}_0123abcd", f"{PREFIX}99999999_0123abcd", f"{PREFIX}{OWNER}_0123abce"
    async with rig(exact, tmp_path) as at:
        for name in (ours, others, f"{PREFIX}mine"):
            seed(exact.uri, name, {f"{MARKER}_{OWNER}": [{"_id": 1}]})
        seed(exact.uri, unmarked, {"users": PEOPLE})
        assert await sweep(at.database, OWNER) == [ours]
        assert databases(at) == sorted([others, unmarked, f"{PREFIX}mine"])


async def test_drills_in_a_database_of_a_fixed_name_drop_it_and_sweep_it(exact: ServerProcess, tmp_path: Path) -> None:
    async with rig(exact, tmp_path) as at:
        seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
        manifest = await at.back_up()
        proven = await drill(at.restore_order(manifest), OWNER, "rehearsal")
        assert proven.collections == manifest.collection_details
        assert at.names("rehearsal") == []
        seed(exact.uri, "rehearsal", {f"{MARKER}_{OWNER}": [{"_id": 1}], "users": PEOPLE})  # killed half-way
        assert await sweep(at.database, OWNER, "rehearsal") == ["rehearsal"]


@pytest.mark.parametrize("others", ["users", f"{MARKER}_99999999"])
async def test_a_database_of_a_fixed_name_that_holds_anything_of_others_is_left_alone(
    others: str, exact: ServerProcess, tmp_path: Path
) -> None:
    async with rig(exact, tmp_path) as at:
        seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
        manifest = await at.back_up()
        seed(exact.uri, "rehearsal", {others: [{"_id": 1}]})
        with pytest.raises(WriteRejected, match=f"rehearsal exists already and holds {others}"):
            await drill(at.restore_order(manifest), OWNER, "rehearsal")
        assert await sweep(at.database, OWNER, "rehearsal") == []
        assert at.names("rehearsal") == [others]


async def test_of_two_that_begin_at_the_same_moment_one_at_least_goes_back(
    exact: ServerProcess, tmp_path: Path
) -> None:
    async with rig(exact, tmp_path) as at:
        seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
        manifest = await at.back_up()
        at.lab(labHook="create", db="rehearsal", then={"create": f"{MARKER}_99999999", "$db": "rehearsal"})
        with pytest.raises(WriteRejected, match="rehearsal exists already"):
            await drill(at.restore_order(manifest), OWNER, "rehearsal")
        assert at.names("rehearsal") == [f"{MARKER}_99999999"]


async def test_a_collection_whose_name_leaves_little_room_is_rehearsed_in_a_database_of_a_short_name(
    exact: ServerProcess, tmp_path: Path
) -> None:
    long = "c" * (255 - len(f"{DB}."))
    seed(exact.uri, DB, {long: BUSES})
    seed(exact.uri, f"sd_{OWNER}", {f"{MARKER}_{OWNER}": [{"_id": 1}]})  # left by one that was killed
    async with rig(exact, tmp_path, (long,)) as at:
        manifest = await at.back_up()
        at.lab(labCommands=1)
        assert (await drill(at.restore_order(manifest), OWNER)).collections == manifest.collection_details
        used = {one["$db"] for one in at.commands("insert")}
        assert used == {f"sd_{OWNER}"}
        assert at.names(f"sd_{OWNER}") == []
        with pytest.raises(WriteRejected, match=r"set SIDECAR_DRILL_DB to a name of at most 11 bytes"):
            await drill(at.restore_order(manifest), OWNER, "a name that is too long")


async def test_documents_that_no_text_can_carry_are_proven_as_well(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": [bson.encode({"_id": 1, "look": {"$oid": "x"}})]})
    async with rig(exact, tmp_path, ("users",)) as at:
        manifest = await at.back_up()
        assert manifest.collection_details["users"].escaped_documents == 1
        restored = await drill(at.restore_order(manifest), OWNER)
        assert restored.collections["users"].fingerprint == manifest.collection_details["users"].fingerprint
