"""What a restore brings back and what it leaves alone, over a real socket."""

import re
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient

from sidecar.errors import BackupInvalid, IndexRejected, RestoreMismatch, SourceError, UsageError, WriteRejected
from sidecar.model import Manifest
from support.rig import BUSES, DB, PEOPLE, Rig, raw, rig
from support.servers import ServerProcess, seed


def element(kind: int, key: bytes, value: bytes) -> bytes:
    return bytes([kind]) + key + b"\0" + value


def document(*elements: bytes) -> bytes:
    body = b"".join(elements) + b"\0"
    return struct.pack("<i", len(body) + 4) + body


HOSTILE = [
    document(
        element(0x10, b"_id", struct.pack("<i", 1)), element(0x10, b"a", b"\1\0\0\0"), element(0x10, b"a", b"\2\0\0\0")
    ),
    document(element(0x10, b"_id", struct.pack("<i", 2)), element(0x02, b"text", b"\3\0\0\0\xff\xfe\0")),
    document(element(0x10, b"_id", struct.pack("<i", 3)), element(0x11, b"empty", bytes(8))),
    document(element(0x10, b"_id", struct.pack("<i", 4)), element(0x09, b"date", struct.pack("<q", -(2**63)))),
    document(element(0x10, b"_id", struct.pack("<i", 5)), element(0x01, b"nan", struct.pack("<Q", (0x7FF8 << 48) | 1))),
    bson.encode({"_id": 6, "look": {"$oid": "507f1f77bcf86cd799439011"}, "$date": 5}),
]


async def test_brings_every_document_back_byte_for_byte(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": HOSTILE, "buses": raw(BUSES)})
    async with rig(exact, tmp_path) as at:
        manifest = await at.back_up()
        result = await at.restore(manifest, "copy")
        assert at.documents("users", "copy") == HOSTILE
        assert at.documents("buses", "copy") == raw(BUSES)
        assert {n: d.documents for n, d in result.collections.items()} == manifest.collections
        assert at.names("copy") == ["buses", "users"]


async def test_brings_back_a_document_of_nearly_16_mb(exact: ServerProcess, tmp_path: Path) -> None:
    huge = [bson.encode({"_id": number, "blob": bytes(15_900_000)}) for number in range(2)]
    seed(exact.uri, DB, {"users": huge})
    async with rig(exact, tmp_path) as at:
        await at.restore(await at.back_up(), "copy")
        assert at.documents("users", "copy") == huge


async def test_replaces_what_the_target_holds(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with rig(exact, tmp_path) as at:
        manifest = await at.back_up()
        at.lab(delete="users", deletes=[{"q": {"_id": 7}, "limit": 1}])
        at.lab(insert="users", documents=[{"_id": "new"}])
        await at.restore(manifest)
        assert at.documents("users") == raw(PEOPLE)
        assert at.names() == ["buses", "users"]


async def test_restores_only_the_collections_that_were_chosen(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with rig(exact, tmp_path) as at:
        manifest = await at.back_up()
        await at.restore(manifest, "copy", collections=("buses",))
        assert at.names("copy") == ["buses"]
        with pytest.raises(UsageError, match="does not hold students; it holds users, buses"):
            await at.restore(manifest, "copy", collections=("students",))


DEFINITIONS: dict[str, Mapping[str, Any]] = {
    "capped": {"capped": True, "size": 1 << 20, "max": 1000},
    "validated": {"validator": {"name": {"$exists": True}}, "validationLevel": "moderate", "validationAction": "warn"},
    "collated": {"collation": {"locale": "de", "strength": 2}},
    "clustered": {"clusteredIndex": {"key": {"_id": 1}, "unique": True, "name": "by id"}},
}
INDEXES: list[dict[str, Any]] = [
    {"key": {"name": 1}, "name": "unique", "unique": True},
    {"key": {"a": 1, "b": -1}, "name": "compound", "sparse": True},
    {"key": {"c": 1}, "name": "partial", "partialFilterExpression": {"c": {"$type": 2}}},
    {"key": {"d": 1}, "name": "expiring", "expireAfterSeconds": 86400},
    {"key": {"_fts": "text", "_ftsx": 1}, "name": "words", "weights": {"e": 1}, "default_language": "german"},
    {"key": {"f": "2dsphere"}, "name": "where", "2dsphereIndexVersion": 3},
    {"key": {"g": "hashed"}, "name": "hashed"},
    {"key": {"$**": 1}, "name": "wild", "wildcardProjection": {"h": 1}},
    {"key": {"i": 1}, "name": "hidden", "hidden": True},
]


def definitions(at: Rig, db: str) -> dict[str, Any]:
    """Options and raw indexes of everything in a database, without the identities that every collection has of its own."""
    with MongoClient[dict[str, Any]](at.server.uri) as client:
        found = {}
        for one in client[db].list_collections():
            has_indexes = one["type"] != "view"
            indexes = sorted(map(bson.encode, client[db][one["name"]].list_indexes())) if has_indexes else []
            found[one["name"]] = (one["type"], bson.encode(one["options"]), indexes)
        return found


async def test_makes_options_indexes_and_views_again(exact: ServerProcess, tmp_path: Path) -> None:
    async with rig(exact, tmp_path, ["*"]) as at:
        for name, options in DEFINITIONS.items():
            at.lab(create=name, **options)
        at.lab(create="a view on a view", viewOn="users_view", pipeline=[])
        at.lab(create="users_view", viewOn="users", pipeline=[{"$match": {}}])
        at.lab(create="users")
        at.lab(createIndexes="users", indexes=INDEXES)
        manifest = await at.back_up()
        at.lab(labCommands=1)
        result = await at.restore(manifest, "copy")
        assert definitions(at, "copy") == definitions(at, DB)
        assert result.views == ("users_view", "a view on a view")


async def test_builds_the_indexes_that_expire_documents_after_everything_else(
    exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE})
    async with rig(exact, tmp_path, ["users"]) as at:
        at.lab(createIndexes="users", indexes=INDEXES)
        manifest = await at.back_up()
        at.lab(labCommands=1)
        await at.restore(manifest, "copy")
        sent = [
            [index["name"] for index in one["command"]["indexes"]] if one["name"] == "createIndexes" else one["name"]
            for one in at.lab(labCommands=1)["commands"]
            if one["name"] in ("createIndexes", "find", "renameCollection")
        ]
        assert sent == [
            *([index["name"]] for index in INDEXES if index["name"] != "expiring"),
            "find",
            ["expiring"],
            "renameCollection",
        ]


FAILING: dict[str, dict[str, Any]] = {
    "an insert that fails": {"labFault": "insert", "action": "error", "code": 9001},
    "a document that is refused": {"labFault": "insert", "action": "writeError", "code": 121, "index": 1},
    "a connection that breaks": {"labFault": "insert", "action": "close"},
    "an index that cannot be built": {"labFault": "createIndexes", "action": "error", "code": 67},
    "a rename that is refused": {"labFault": "renameCollection", "action": "error", "code": 20},
    "a collection that cannot be made": {"labFault": "create", "action": "error", "code": 13},
    "reading back that fails": {"labFault": "find", "action": "error", "code": 43, "times": -1},
    "reading back less": {"labFault": "find", "action": "end", "times": -1},
}


@pytest.mark.parametrize("failure", FAILING)
async def test_a_restore_that_fails_leaves_the_target_as_it_was(
    failure: str, exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with rig(exact, tmp_path) as at:
        at.lab(createIndexes="users", indexes=INDEXES[:2])
        manifest = await at.back_up()
        at.lab(delete="users", deletes=[{"q": {"_id": 7}, "limit": 1}])
        before = (at.documents("users"), at.documents("buses"), definitions(at, DB))
        at.lab(**FAILING[failure])
        with pytest.raises((SourceError, RestoreMismatch)):
            await at.restore(manifest)
        at.lab(labReset=1)
        assert (at.documents("users"), at.documents("buses"), definitions(at, DB)) == before
        await at.restore(manifest)
        assert at.documents("users") == raw(PEOPLE)


async def test_says_which_document_was_refused_and_why(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE})
    async with rig(exact, tmp_path, ["users"]) as at:
        manifest = await at.back_up()
        at.lab(labFault="insert", action="writeError", code=11000, index=5)
        with pytest.raises(WriteRejected, match=r"users: the server refused 1 document, the first with _id 5: .*11000"):
            await at.restore(manifest)


async def test_a_damaged_backup_is_refused_before_anything_is_written(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with rig(exact, tmp_path) as at:
        manifest = await at.back_up()
        path = at.store.directory / manifest.filename
        path.write_bytes(path.read_bytes().replace(b"pupil 17", b"pupil 71"))
        at.lab(labCommands=1)
        with pytest.raises(BackupInvalid, match="SHA-256"):
            await at.restore(manifest)
        assert {one["name"] for one in at.lab(labCommands=1)["commands"]} <= {"endSessions"}


async def test_documents_that_a_validator_would_refuse_today_come_back(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE})
    async with rig(exact, tmp_path, ["users"]) as at:
        at.lab(collMod="users", validator={"address": {"$exists": True}})
        await at.restore(await at.back_up(), "copy")
        assert at.documents("users", "copy") == raw(PEOPLE)


async def test_a_time_series_is_made_again_in_place_and_replaced(exact: ServerProcess, tmp_path: Path) -> None:
    """It cannot be renamed, its `_id`s need not be unique, and inserts into it may not bypass validation."""
    measured = [
        bson.encode({"at": datetime(2026, 11, n + 1, tzinfo=UTC), "_id": n // 2, "speed": n}) for n in range(20)
    ]
    async with rig(exact, tmp_path, ["speeds"]) as at:
        at.lab(create="speeds", timeseries={"timeField": "at", "granularity": "minutes"}, expireAfterSeconds=10**9)
        seed(exact.uri, DB, {"speeds": measured})
        manifest = await at.back_up()
        at.lab(labCommands=1)
        for _ in range(2):
            await at.restore(manifest, "copy")
            assert at.documents("speeds", "copy") == measured
        assert definitions(at, "copy")["speeds"][0] == "timeseries"
        sent = [one["command"] for one in at.lab(labCommands=1)["commands"]]
        assert not any("bypassDocumentValidation" in one for one in sent if one.get("insert") == "speeds")
        assert [one["expireAfterSeconds"] for one in sent if "collMod" in one] == [10**9, 10**9]


REFUSED = {"labFault": "createIndexes", "action": "error", "times": 1, "code": 67, "message": "no such index here"}
SAID = r"users: the server does not build the index compound: .*no such index here"


async def indexed(at: Rig) -> Manifest:
    seed(at.server.uri, DB, {"users": PEOPLE, "buses": BUSES})
    at.lab(createIndexes="users", indexes=[INDEXES[1], INDEXES[3]])
    return await at.back_up()


def index_names(at: Rig, db: str) -> list[str]:
    with MongoClient[dict[str, Any]](at.server.uri) as client:
        return [one["name"] for one in client[db]["users"].list_indexes()]


async def test_an_index_that_the_server_refuses_is_named_with_its_collection_and_the_reason(
    exact: ServerProcess, tmp_path: Path
) -> None:
    async with rig(exact, tmp_path) as at:
        manifest = await indexed(at)
        at.lab(**REFUSED)
        with pytest.raises(IndexRejected, match=SAID) as refused:
            await at.restore(manifest, "copy")
        assert refused.value.details == {"collection": "users", "index": "compound", "server_code": 67}
        assert at.names("copy") == []


async def test_a_forced_restore_goes_on_without_an_index_that_the_server_refuses_and_says_so(
    exact: ServerProcess, tmp_path: Path
) -> None:
    async with rig(exact, tmp_path) as at:
        manifest = await indexed(at)
        at.lab(**REFUSED)
        (remark,) = (await at.restore(manifest, "copy", force=True)).remarks
        assert re.fullmatch(SAID + r".*; restored without it", remark)
        assert (at.documents("users", "copy"), index_names(at, "copy")) == (raw(PEOPLE), ["_id_", "expiring"])


async def test_a_forced_restore_goes_on_without_an_expiry_that_the_server_refuses_and_says_so(
    exact: ServerProcess, tmp_path: Path
) -> None:
    async with rig(exact, tmp_path, ["readings"]) as at:
        at.lab(create="readings", timeseries={"timeField": "at"}, expireAfterSeconds=float("nan"))
        seed(at.server.uri, DB, {"readings": [{"_id": 1, "at": datetime(2026, 1, 1, tzinfo=UTC)}]})
        manifest = await at.back_up()
        for _ in range(2):
            at.lab(labFault="collMod", action="error", code=72, message="no such expiry here")
        said = r"readings: the server does not take expireAfterSeconds: .*no such expiry here"
        with pytest.raises(IndexRejected, match=said):
            await at.restore(manifest, "copy")
        (remark,) = (await at.restore(manifest, "copy", force=True)).remarks
        assert re.fullmatch(said + r"; restored without it", remark)
        assert at.documents("readings", "copy") == at.documents("readings")


@pytest.mark.parametrize("action", ["close", "stall"])
async def test_a_server_that_goes_away_while_it_builds_an_index_is_no_refusal(
    action: str, exact: ServerProcess, tmp_path: Path
) -> None:
    async with rig(exact, tmp_path) as at:
        manifest = await indexed(at)
    async with rig(exact, tmp_path, stall_seconds=0.5) as at:
        at.lab(labFault="createIndexes", action=action, times=-1)
        with pytest.raises(SourceError) as gone:
            await at.restore(manifest, "copy", force=True)
        assert not isinstance(gone.value, IndexRejected)


async def test_documents_come_back_without_any_index_where_none_is_wanted(exact: ServerProcess, tmp_path: Path) -> None:
    async with rig(exact, tmp_path) as at:
        manifest = await indexed(at)
        at.lab(labCommands=1)
        restored = await at.restore(manifest, "copy", with_indexes=False)
        assert restored.remarks == ("without indexes, as asked for",)
        assert (at.commands("createIndexes"), index_names(at, "copy")) == ([], ["_id_"])
        assert at.documents("users", "copy") == raw(PEOPLE)


async def test_the_number_of_listings_and_of_readings_does_not_grow_with_the_collections(
    exact: ServerProcess, tmp_path: Path
) -> None:
    names = [f"c{number}" for number in range(12)]
    seed(exact.uri, DB, dict.fromkeys(names, BUSES[:2]))
    async with rig(exact, tmp_path, ["*"]) as at:
        manifest = await at.back_up()
        listings = []
        for wanted in (names[:1], names):
            at.lab(labCommands=1)
            await at.restore(manifest, collections=tuple(wanted))
            listings.append(len(at.commands("listCollections")))
        assert listings[0] == listings[1] <= 2
