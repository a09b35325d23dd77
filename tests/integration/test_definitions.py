"""Definitions are documents too: they come back byte for byte, however large, odd or old they are."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.datetime_ms import DatetimeMS

from sidecar.errors import RestoreMismatch, SourceError, WriteRejected
from sidecar.model import VERIFIED, BackupId, Collection, CollectionKind, Manifest
from sidecar.mongodb import definitions
from sidecar.restore.plan import plan
from sidecar.store.deep import verify_deep
from support.exact_server.cursors import FIRST_BATCH
from support.rig import CODEC, DB, Rig, rig
from support.servers import ServerProcess, seed

EVERY_TYPE: dict[str, Any] = {
    "double": 1.5,
    "negative zero": -0.0,
    "nan": math.nan,
    "infinity": math.inf,
    "string": "é\0\u2028",
    "document": {"$ne": {"a": {}}},
    "array": [1, [2, []], {"b": None}],
    "binary": bson.Binary(b"\x00\xff", 0x80),
    "uuid": bson.Binary(bytes(16), 4),
    "id": bson.ObjectId("507f1f77bcf86cd799439011"),
    "bool": True,
    "date": datetime(2026, 1, 1, tzinfo=UTC),
    "date past 9999": DatetimeMS(253402300800000),
    "first date": DatetimeMS(-(2**63)),
    "null": None,
    "regex": bson.Regex("^a", "im"),
    "code": bson.Code("function () {}"),
    "scoped code": bson.Code("x", {"x": 1}),
    "int32": -1,
    "timestamp": bson.Timestamp(1, 2),
    "int64": bson.Int64(2**62),
    "decimal": bson.Decimal128("1E-6176"),
    "min": bson.MinKey(),
    "max": bson.MaxKey(),
    "$oid": {"$oid": "507f1f77bcf86cd799439011"},
}
SIZES = (3_900, 4_096, 5_000, 70_000, 1_100_000, 15_900_000)


async def listed(at: Rig, db: str) -> dict[str, Collection]:
    """Everything in a database with its indexes, as raw BSON, without the identity that every collection has of its own."""
    found = {}
    for name, item in (await at.database.collections(db)).items():
        whole = await at.database.with_indexes(item, db)
        found[name] = Collection(name, whole.kind, None, whole.options, whole.indexes)
    return found


async def assert_round_trip(at: Rig) -> None:
    """Backed up, verified deep, planned, restored: the copy is defined as the original is, byte for byte."""
    manifest = await at.back_up()
    assert verdict(at, manifest) == VERIFIED
    assert (await plan(at.restore_order(manifest, "copy"))).obstacles == ()
    assert (await at.restore(manifest, "copy")).remarks == ()
    assert await listed(at, "copy") == await listed(at, DB)


def verdict(at: Rig, manifest: Manifest) -> Any:
    backup_id = BackupId.parse(manifest.backup_id)
    assert backup_id is not None
    return verify_deep(at.store, backup_id, CODEC)


async def test_every_type_of_bson_may_stand_in_a_definition(exact: ServerProcess, tmp_path: Path) -> None:
    async with rig(exact, tmp_path, ["*"]) as at:
        at.lab(create="users", validator=EVERY_TYPE)
        index = {"key": {"a": 1}, "name": "a_1", "partialFilterExpression": EVERY_TYPE}
        at.lab(createIndexes="users", indexes=[index])
        at.lab(create="pupils", viewOn="users", pipeline=[{"$match": EVERY_TYPE}])
        await assert_round_trip(at)


@pytest.mark.parametrize("size", SIZES)
async def test_options_and_pipelines_may_be_as_large_as_a_command(
    size: int, exact: ServerProcess, tmp_path: Path
) -> None:
    async with rig(exact, tmp_path, ["*"]) as at:
        at.lab(create="users", validator={"$jsonSchema": {"description": "x" * size}})
        at.lab(create="pupils", viewOn="users", pipeline=[{"$match": {"a": "y" * size}}])
        await assert_round_trip(at)


async def test_an_index_expires_after_nan_as_it_did(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": [{"_id": 1, "at": datetime(2026, 1, 1, tzinfo=UTC)}]})
    async with rig(exact, tmp_path, ["users"]) as at:
        at.lab(createIndexes="users", indexes=[{"key": {"at": 1}, "name": "at_1", "expireAfterSeconds": math.nan}])
        manifest = await at.back_up()
        await at.restore(manifest, "copy")
        assert await listed(at, "copy") == await listed(at, DB)
        assert verdict(at, manifest).message.startswith("Integrity verified; users: the index at_1: ")


async def test_more_collections_than_one_reply_holds_are_listed(exact: ServerProcess, tmp_path: Path) -> None:
    names = [f"c{number:03}" for number in range(FIRST_BATCH + 9)]
    seed(exact.uri, DB, {name: [{"_id": 1}] for name in names})
    async with rig(exact, tmp_path, ["*"]) as at:
        assert list((await at.back_up()).collections) == names


async def test_an_index_of_an_old_server_is_built_in_todays_form_and_that_is_said(
    exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": [{"_id": 1, "n": 1}]})
    said = "the index n_1: its option safe is unknown to today's servers, which build it without"
    async with rig(exact, tmp_path, ["users"]) as at:
        at.lab(createIndexes="users", indexes=[{"key": {"n": 1}, "name": "n_1", "safe": None}])
        manifest = await at.back_up()
        assert verdict(at, manifest).message == f"Integrity verified; users: {said}"
        assert (await plan(at.restore_order(manifest, "copy"))).collections[0].warnings == (said,)
        at.lab(labFault="createIndexes", action="error", code=197, message="The field 'safe' is not valid")
        assert (await at.restore(manifest, "copy")).remarks == (f"users: {said}",)
        held = (await listed(at, "copy"))["users"].indexes
        assert [bson.decode(one) for one in held][1:] == [{"v": 2, "key": {"n": 1}, "name": "n_1"}]


async def test_a_server_that_takes_an_old_index_keeps_it_as_it_was(exact: ServerProcess, tmp_path: Path) -> None:
    async with rig(exact, tmp_path, ["users"]) as at:
        at.lab(createIndexes="users", indexes=[{"key": {"n": True}, "name": "n_1", "safe": None}])
        assert (await at.restore(await at.back_up(), "copy")).remarks == ()
        assert await listed(at, "copy") == await listed(at, DB)


async def test_an_index_of_today_that_is_refused_is_not_built_otherwise(exact: ServerProcess, tmp_path: Path) -> None:
    async with rig(exact, tmp_path, ["users"]) as at:
        at.lab(createIndexes="users", indexes=[{"key": {"n": 1}, "name": "n_1", "unique": True}])
        manifest = await at.back_up()
        at.lab(labFault="createIndexes", action="error", code=67, message="no such index here")
        with pytest.raises(WriteRejected, match="no such index here"):
            await at.restore(manifest, "copy")


async def test_a_server_that_drops_an_option_silently_is_found_out(exact: ServerProcess, tmp_path: Path) -> None:
    async with rig(exact, tmp_path, ["users"]) as at:
        at.lab(createIndexes="users", indexes=[{"key": {"n": 1}, "name": "n_1", "sparse": True}])
        manifest = await at.back_up()
        plain = {"createIndexes": "users", "indexes": [{"key": {"n": 1}, "name": "n_1"}]}
        at.lab(labHook="renameCollection", db="copy", then={"dropIndexes": "users", "index": "n_1", "$db": "copy"})
        at.lab(labHook="renameCollection", db="copy", then={**plain, "$db": "copy"})
        with pytest.raises(RestoreMismatch, match="did not keep the index n_1"):
            await at.restore(manifest, "copy")


def test_the_name_of_a_collection_is_not_that_of_an_old_option() -> None:
    old = Collection("users", CollectionKind.COLLECTION, None, bson.encode({"create": "older", "flags": 1}))
    create = definitions.commands(old, "users.new").create
    assert create.command == {"create": "users.new", "flags": 1}
    assert create.instead == {"create": "users.new"}


@pytest.mark.parametrize("name", ["$db", "lsid", "writeConcern", "comment", "idIndex", "maxTimeMS"])
def test_what_belongs_to_a_command_is_no_option_of_its_collection(name: str) -> None:
    old = Collection("users", CollectionKind.COLLECTION, None, bson.encode({name: {"w": 1}, "capped": True}))
    today = Collection("users", CollectionKind.COLLECTION, None, bson.encode({"capped": True}))
    assert definitions.commands(old, "users.new").create.command == {"create": "users.new", "capped": True}
    assert definitions.differences(old, today) == []


@pytest.mark.parametrize(("asked", "shown"), [(1000, 1024), (4096, bson.Int64(4096)), (1000.0, bson.Int64(1024))])
def test_the_size_of_a_capped_collection_may_be_rounded_up(asked: float, shown: int) -> None:
    def capped(size: float) -> Collection:
        return Collection("log", CollectionKind.COLLECTION, None, bson.encode({"capped": True, "size": size}))

    assert definitions.differences(capped(asked), capped(shown)) == []
    assert definitions.differences(capped(asked), capped(shown + 256)) == ["the option size"]


@pytest.mark.parametrize("command", ["listCollections", "listIndexes"])
async def test_a_listing_that_goes_on_after_an_empty_reply_is_read_to_its_end(
    command: str, exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": [{"_id": 1}], "stops": [{"_id": 1}]})
    async with rig(exact, tmp_path, ["users", "stops"]) as at:
        at.lab(createIndexes="users", indexes=[{"key": {"name": 1}, "name": "name_1"}])
        for skip in (0, 1):
            at.lab(labFault=command, action="nothing", skip=skip)
        await assert_round_trip(at)


@pytest.mark.parametrize("command", ["listCollections", "listIndexes"])
async def test_a_listing_that_goes_on_with_empty_replies_fails_the_backup(
    command: str, exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": [{"_id": 1}]})
    async with rig(exact, tmp_path, ["users"]) as at:
        at.lab(labFault=command, action="nothing")
        at.lab(labFault="getMore", action="nothing", times=-1)
        with pytest.raises(SourceError, match="replies without documents and does not end"):
            await at.back_up()
        assert list(at.store.root.glob("*.json*")) == []


async def test_a_listing_that_no_restore_would_take_fails_the_backup(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": [{"_id": 1}]})
    async with rig(exact, tmp_path, ["users"]) as at:
        good = await at.back_up()
        at.lab(labFault="listIndexes", action="repeat")
        with pytest.raises(SourceError, match="the definitions of the set main: users: there are two indexes _id_"):
            await at.back_up()
        assert [str(files.id) for files in at.store.scan()] == [good.backup_id]
