"""The exact server does what the other tests rely on, seen through PyMongo."""

from collections.abc import Callable
from typing import Any

import bson
import pytest
from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS, RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError, OperationFailure, WriteError

from support.servers import ServerProcess, exact_server, seed

Client = MongoClient[dict[str, Any]]
Connect = Callable[..., Client]

PUPILS = [{"_id": number, "name": f"pupil {number}"} for number in range(250)]


def element(kind: int, name: bytes, value: bytes) -> bytes:
    return bytes([kind]) + name + b"\0" + value


def document(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return (len(body) + 5).to_bytes(4, "little") + body + b"\0"


def ids(documents: Any) -> list[Any]:
    return [one["_id"] for one in documents]


def arm(client: Client, **command: Any) -> None:
    client.school.command(command)


@pytest.fixture
def client(exact: ServerProcess, connect: Connect) -> Client:
    """A client of a school with 250 pupils; it does not hide faults by trying twice."""
    seed(exact.uri, "school", {"pupils": PUPILS})
    return connect(exact.uri, retryReads=False, retryWrites=False)


# -- documents ---------------------------------------------------------------------------------------------------------

ONE = element(0x10, b"_id", b"\1\0\0\0")
ODD_DOCUMENTS = {
    "duplicate keys": document(ONE, element(0x08, b"a", b"\1"), element(0x08, b"a", b"\0")),
    "invalid UTF-8": document(ONE, element(0x02, b"s", b"\3\0\0\0\xff\xfe\0")),
    "a boolean that is neither": document(ONE, element(0x08, b"b", b"\7")),
    "deprecated types": document(ONE, element(0x06, b"u", b""), element(0x0E, b"y", b"\2\0\0\0z\0")),
    "a date out of range": document(ONE, element(0x09, b"d", b"\xff" * 7 + b"\x7f")),
    "a NaN with a payload": document(ONE, element(0x01, b"n", b"\1\2\3\0\0\0\xf8\xff")),
    "an empty timestamp": document(ONE, element(0x11, b"t", bytes(8))),
    "an _id that is not first": document(element(0x08, b"a", b"\1"), ONE),
}


@pytest.mark.parametrize("raw", ODD_DOCUMENTS.values(), ids=ODD_DOCUMENTS.keys())
def test_gives_every_document_back_byte_for_byte(exact: ServerProcess, raw: bytes) -> None:
    seed(exact.uri, "school", {"odd": [raw]})
    with MongoClient[RawBSONDocument](exact.uri, document_class=RawBSONDocument) as client:
        assert [one.raw for one in client.school.odd.find()] == [raw]


def test_fills_an_empty_timestamp_unless_told_not_to(client: Client) -> None:
    client.school.odd.insert_one({"_id": 1, "at": bson.Timestamp(0, 0)})
    filled = client.school.odd.find_one()
    assert filled is not None
    assert filled["at"] > bson.Timestamp(0, 0)


def test_sorts_ids_as_mongodb_does_and_counts_equal_numbers_as_one_id(client: Client) -> None:
    oid = bson.ObjectId()
    client.school.mixed.insert_many([{"_id": value} for value in (True, oid, "b", 10, "a", 2.5, bson.Int64(-1))])
    with pytest.raises(DuplicateKeyError):
        client.school.mixed.insert_one({"_id": 10.0})
    in_order = client.school.mixed.find().sort("_id", 1).hint([("_id", 1)])
    assert ids(in_order) == [-1, 2.5, 10, "a", "b", oid, True]
    assert ids(client.school.mixed.find({"_id": "a"}, {"_id": 1})) == ["a"]


def test_pages_through_a_collection_in_batches_of_the_size_asked_for(client: Client) -> None:
    client.school.command({"labCommands": 1})
    assert list(client.school.pupils.find(batch_size=100)) == PUPILS
    seen = client.school.command({"labCommands": 1})["commands"]
    assert [(one["name"], one["command"].get("batchSize")) for one in seen] == [
        ("find", 100),
        ("getMore", 100),
        ("getMore", 100),
    ]


def test_an_ordered_insert_stops_at_a_duplicate_and_an_unordered_one_goes_on(client: Client) -> None:
    client.school.pupils.create_index("name", unique=True)
    rows = [{"_id": 900, "name": "new"}, {"_id": 901, "name": "new"}, {"_id": 902, "name": "newer"}]
    ordered = client.school.command("insert", "pupils", documents=rows)
    client.school.pupils.delete_one({"_id": 900})
    unordered = client.school.command("insert", "pupils", documents=rows, ordered=False)
    assert [(one["n"], [(e["index"], e["code"]) for e in one["writeErrors"]]) for one in (ordered, unordered)] == [
        (1, [(1, 11000)]),
        (2, [(1, 11000)]),
    ]


def test_refuses_a_document_without_a_required_field_unless_validation_is_bypassed(client: Client) -> None:
    client.school.create_collection("strict", validator={"name": {"$exists": True}})
    with pytest.raises(WriteError) as refused:
        client.school.strict.insert_one({"_id": 1})
    assert refused.value.code == 121
    client.school.strict.insert_one({"_id": 1}, bypass_document_validation=True)
    assert ids(client.school.strict.find()) == [1]


def test_replaces_sets_and_deletes(client: Client) -> None:
    client.school.pupils.delete_many({"_id": 0})
    client.school.pupils.replace_one({"_id": 1}, {"name": "replaced"})
    client.school.pupils.update_one({"_id": 2}, {"$set": {"bus": 7}})
    found = list(client.school.pupils.find().sort("_id", 1).limit(2))
    assert found == [{"_id": 1, "name": "replaced"}, {"_id": 2, "name": "pupil 2", "bus": 7}]
    assert client.school.pupils.delete_many({}).deleted_count == 249


# -- definitions -------------------------------------------------------------------------------------------------------


def test_lists_collections_views_and_time_series_with_their_options(client: Client) -> None:
    client.school.create_collection("readings", timeseries={"timeField": "at"})
    client.school.create_collection("seniors", viewOn="pupils", pipeline=[{"$match": {"age": 17}}])
    listed = {one["name"]: one for one in client.school.list_collections()}
    assert {name: (one["type"], one["options"], "idIndex" in one) for name, one in listed.items()} == {
        "pupils": ("collection", {}, True),
        "readings": ("timeseries", {"timeseries": {"timeField": "at"}}, False),
        "seniors": ("view", {"viewOn": "pupils", "pipeline": [{"$match": {"age": 17}}]}, False),
    }
    assert listed["pupils"]["info"]["uuid"].subtype == 4
    assert client.school.seniors.count_documents({}) == 250


def test_keeps_index_specifications_byte_for_byte_and_refuses_clashes(client: Client) -> None:
    settings = bson.encode({"v": 2, "key": {"name": 1, "bus": -1.0}, "name": "by_name", "sparse": True})
    spec = document(settings[4:-1], element(0x08, b"sparse", b"\1"))  # the same key twice, which decoding would lose
    client.school.command("createIndexes", "pupils", indexes=[RawBSONDocument(spec)])
    reply = client.school.command("listIndexes", "pupils", codec_options=DEFAULT_RAW_BSON_OPTIONS)
    assert reply["cursor"]["firstBatch"][1].raw == spec
    clashes = []
    for change in ({"sparse": False}, {"key": {"bus": 1}}, {"name": "other"}):
        with pytest.raises(OperationFailure) as refused:
            client.school.command("createIndexes", "pupils", indexes=[{**bson.decode(spec), **change}])
        clashes.append(refused.value.code)
    assert clashes == [85, 86, 85]


def test_a_rename_over_another_collection_keeps_the_uuid_of_the_renamed(client: Client) -> None:
    client.school.staged.insert_one({"_id": "new"})
    before = {one["name"]: one["info"]["uuid"] for one in client.school.list_collections()}
    with pytest.raises(OperationFailure) as refused:
        client.school.staged.rename("pupils")
    client.school.staged.rename("pupils", dropTarget=True)
    after = {one["name"]: one["info"]["uuid"] for one in client.school.list_collections()}
    assert refused.value.code == 48
    assert after == {"pupils": before["staged"]}
    assert ids(client.school.pupils.find()) == ["new"]


# -- snapshots ---------------------------------------------------------------------------------------------------------


def test_a_snapshot_sees_one_moment_whatever_is_written_later(client: Client) -> None:
    with client.start_session(snapshot=True) as session:
        reading = client.school.pupils.find(batch_size=10, session=session)
        first = next(reading)
        client.school.pupils.delete_many({})
        client.school.pupils.insert_one({"_id": 1000})
        assert [first, *reading] == PUPILS
        assert client.school.pupils.count_documents({}, session=session) == 250
    assert ids(client.school.pupils.find()) == [1000]


def test_a_plain_read_sees_what_is_written_while_it_goes_on(client: Client) -> None:
    reading = client.school.pupils.find(batch_size=10)
    next(reading)
    client.school.pupils.delete_one({"_id": 200})
    client.school.pupils.insert_one({"_id": 1000})
    assert ids(reading) == [*range(1, 200), *range(201, 250), 1000]


@pytest.mark.parametrize(("change", "code"), [("drop", 246), ("rename", 246), ("labSnapshotHistory", 239)])
def test_a_snapshot_is_lost_with_its_collection_or_its_history(client: Client, change: str, code: int) -> None:
    with client.start_session(snapshot=True) as session:
        client.school.pupils.find_one(session=session)
        if change == "drop":
            client.school.pupils.drop()
            client.school.pupils.insert_one({})
        elif change == "rename":
            client.school.pupils.rename("alumni")
        else:
            arm(client, labSnapshotHistory=0)
        with pytest.raises(OperationFailure) as lost:
            client.school.pupils.find_one(session=session)
    assert lost.value.code == code


def test_snapshot_history_can_be_lost_in_the_middle_of_a_read(client: Client) -> None:
    arm(client, labSnapshotHistory=2)
    with client.start_session(snapshot=True) as session, pytest.raises(OperationFailure) as lost:
        list(client.school.pupils.find(batch_size=50, session=session))
    assert lost.value.code == 239


def test_a_history_of_no_length_makes_every_snapshot_too_old(connect: Connect) -> None:
    with exact_server("--snapshot-seconds", "0") as server, pytest.raises(OperationFailure) as lost:
        connect(server.uri).school.command({"find": "pupils", "readConcern": {"level": "snapshot"}})
    assert lost.value.code == 239


def test_refuses_to_count_or_to_read_capped_collections_from_a_snapshot(client: Client) -> None:
    client.school.create_collection("log", capped=True, size=4096)
    concern = {"level": "snapshot"}
    codes = []
    for command in ({"count": "pupils"}, {"find": "log"}):
        with pytest.raises(OperationFailure) as refused:
            client.school.command({**command, "readConcern": concern})
        codes.append(refused.value.code)
    assert codes == [72, 246]


def test_a_standalone_refuses_snapshots_and_a_liar_ignores_them(
    standalone: ServerProcess, lying: ServerProcess, connect: Connect
) -> None:
    find = {"find": "pupils", "readConcern": {"level": "snapshot"}}
    with pytest.raises(OperationFailure) as refused:
        connect(standalone.uri).school.command(find)
    assert refused.value.code == 123
    assert "atClusterTime" not in connect(lying.uri).school.command(find)["cursor"]
