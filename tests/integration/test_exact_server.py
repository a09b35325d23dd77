"""The exact server does what the other tests rely on, seen through PyMongo."""

from collections.abc import Callable
from typing import Any

import bson
import pytest
from bson.errors import InvalidBSON
from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS, RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, DuplicateKeyError, NetworkTimeout, OperationFailure, WriteError

from support.servers import ServerProcess, seed

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
    spec = bson.encode({"v": 2, "key": {"name": 1, "bus": -1.0}, "name": "by_name", "sparse": True})
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


# -- faults and hooks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["find", "getMore"])
@pytest.mark.parametrize(
    ("action", "error"),
    [("error", OperationFailure), ("close", AutoReconnect), ("cut", AutoReconnect), ("garbage", InvalidBSON)],
)
def test_a_fault_breaks_the_read_it_was_armed_for(
    client: Client, command: str, action: str, error: type[Exception]
) -> None:
    arm(client, labFault=command, collection="pupils", action=action)
    with pytest.raises(error):
        list(client.school.pupils.find())
    assert list(client.school.pupils.find()) == PUPILS


def test_a_stalled_command_is_never_answered(exact: ServerProcess, client: Client, connect: Connect) -> None:
    arm(client, labFault="ping", action="stall")
    with pytest.raises(NetworkTimeout):
        connect(exact.uri, socketTimeoutMS=200, retryReads=False).admin.command("ping")
    assert client.admin.command("ping")["ok"] == 1


@pytest.mark.parametrize(("command", "left"), [("find", 50), ("getMore", 101 + 74)])
def test_a_cursor_can_end_although_documents_remain(client: Client, command: str, left: int) -> None:
    arm(client, labFault=command, action="end")
    assert list(client.school.pupils.find()) == PUPILS[:left]


def test_a_cursor_can_return_documents_twice(client: Client) -> None:
    arm(client, labFault="find", action="repeat")
    arm(client, labFault="getMore", action="repeat", skip=1)
    first, second = PUPILS[:100], PUPILS[100:200]
    assert list(client.school.pupils.find(batch_size=100)) == [*first, *first, *second, *second, *PUPILS[200:]]


def test_a_cursor_can_be_made_never_to_end(client: Client) -> None:
    arm(client, labFault="getMore", action="repeat", times=-1)
    reading = client.school.pupils.find(batch_size=100)
    assert ids(next(reading) for _ in range(1000)) == [*range(100)] * 10
    arm(client, labReset=1)
    assert ids(reading) == [*range(100, 250)]


def test_a_fault_skips_counts_and_looks_at_the_namespace(client: Client) -> None:
    arm(client, labFault="count", collection="pupils", skip=1, times=2, code=6, message="away")
    outcomes = []
    for name in ("pupils", "buses", "pupils", "pupils", "pupils"):
        try:
            outcomes.append(client.school.command("count", name)["n"])
        except OperationFailure as failure:
            outcomes.append((failure.code, str(failure.details and failure.details["errmsg"])))
    assert outcomes == [250, 0, (6, "away"), (6, "away"), 250]


def test_one_document_of_an_insert_can_be_refused(client: Client) -> None:
    arm(client, labFault="insert", collection="buses", action="writeError", index=1, code=8, message="no room")
    reply = client.school.command("insert", "buses", documents=[{"_id": 1}, {"_id": 2}, {"_id": 3}])
    assert (reply["n"], reply["writeErrors"]) == (1, [{"index": 1, "code": 8, "errmsg": "no room"}])


def test_a_hook_changes_data_in_the_middle_of_a_read(client: Client) -> None:
    arm(client, labHook="getMore", then={"insert": "pupils", "documents": [{"_id": 1000}]})
    assert ids(client.school.pupils.find(batch_size=100)) == [*range(250), 1000]


def test_losing_its_collection_kills_a_cursor(client: Client) -> None:
    arm(client, labHook="find", then={"renameCollection": "school.pupils", "to": "school.alumni", "$db": "admin"})
    with pytest.raises(OperationFailure) as killed:
        list(client.school.pupils.find())
    assert (killed.value.code, client.school.list_collection_names()) == (175, ["alumni"])


def test_commands_are_recorded_without_their_documents(client: Client) -> None:
    arm(client, labCommands=1)
    client.school.buses.insert_many([{"_id": 1}, {"_id": 2}], ordered=False)
    (seen,) = client.school.command({"labCommands": 1})["commands"]
    command = {key: seen["command"][key] for key in ("insert", "ordered", "$db")}
    assert (seen["name"], seen["db"], seen["documents"]) == ("insert", "school", 2)
    assert command == {"insert": "buses", "ordered": False, "$db": "school"}


# -- the process -------------------------------------------------------------------------------------------------------


def test_a_paused_server_goes_silent_and_answers_again_when_resumed(exact: ServerProcess, connect: Connect) -> None:
    hasty = connect(exact.uri, socketTimeoutMS=200, retryReads=False)
    hasty.admin.command("ping")
    exact.pause()
    with pytest.raises(NetworkTimeout):
        hasty.admin.command("ping")
    exact.resume()
    assert connect(exact.uri).admin.command("ping")["ok"] == 1


def test_a_killed_server_comes_back_empty_on_the_same_address(exact: ServerProcess, connect: Connect) -> None:
    seed(exact.uri, "school", {"pupils": PUPILS})
    before = exact.uri
    exact.restart()
    assert (exact.uri, connect(exact.uri).list_database_names()) == (before, [])


def test_the_shared_secantus_takes_seeds(secantus: ServerProcess, dbname: str, connect: Connect) -> None:
    seed(secantus.uri, dbname, {"pupils": PUPILS})
    assert list(connect(secantus.uri)[dbname].pupils.find().sort("_id", 1)) == PUPILS
