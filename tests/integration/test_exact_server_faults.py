"""The exact server fails, changes data and goes away on demand, seen through PyMongo."""

from collections.abc import Callable
from typing import Any

import bson
import pytest
from bson.errors import InvalidBSON
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, NetworkTimeout, OperationFailure

from support.exact_server.faults import Lab
from support.exact_server.wire import Request
from support.servers import ServerProcess, seed

Client = MongoClient[dict[str, Any]]
Connect = Callable[..., Client]

PUPILS = [{"_id": number, "name": f"pupil {number}"} for number in range(250)]


def ids(documents: Any) -> list[Any]:
    return [one["_id"] for one in documents]


def arm(client: Client, **command: Any) -> None:
    client.school.command(command)


@pytest.fixture
def client(exact: ServerProcess, connect: Connect) -> Client:
    """A client of a school with 250 pupils; it does not hide faults by trying twice."""
    seed(exact.uri, "school", {"pupils": PUPILS})
    return connect(exact.uri, retryReads=False, retryWrites=False)


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


def test_documents_sent_inside_the_command_are_not_recorded_either() -> None:
    lab = Lab()
    lab.record(Request.of(bson.encode({"insert": "buses", "documents": [{"_id": 1}], "$db": "school"})))
    (seen,) = lab.take_commands()
    assert (seen["documents"], dict(seen["command"])) == (1, {"insert": "buses", "$db": "school"})


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
