"""What is made of a reply without the driver is what the driver makes of it, for any reply that a server may send."""

from functools import partial
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from bson import DEFAULT_CODEC_OPTIONS, Int64, Regex, Timestamp, encode
from pymongo.message import _OpMsg
from pymongo.synchronous.cursor import RawBatchCursor

from sidecar.mongodb import raw_replies
from sidecar.mongodb.raw_replies import leave_documents_closed

DRIVER: Final = partial(cast("Any", RawBatchCursor)._unpack_response, None)
FIELDS: Final = {"cursor": {"firstBatch": 1, "nextBatch": 1}}
ENDS: Final = {"id": Int64(7), "ns": "school.users", "atClusterTime": Timestamp(1, 2)}
AROUND: Final = {"ok": 1.0, "operationTime": Timestamp(1, 2), "$clusterTime": {"clusterTime": Timestamp(1, 2)}}
BATCHES: Final[dict[str, list[Any]]] = {
    "none": [],
    "one": [{"_id": 1}],
    "a large one": [{"_id": 1, "text": "x" * 1_000_000}],
    "several": [{"_id": n, "text": "x" * n} for n in range(300)],
    "an empty one": [{}],
}


def shapes(batch: list[Any]) -> dict[str, dict[str, Any]]:
    return {
        "as mongod has it": {"cursor": {"firstBatch": batch, **ENDS}, **AROUND},
        "as mongos has it": {**AROUND, "cursor": {**ENDS, "nextBatch": batch}},
        "behind other fields": {"cursor": {"a": Regex("b", "i"), "c": {"d": [batch]}, "nextBatch": batch, "e": None}},
    }


REPLIES: Final = {
    f"{documents}, {shape}": encode(reply)
    for documents, batch in BATCHES.items()
    for shape, reply in shapes(batch).items()
}
REPLIES["a large one of another name"] = encode(
    {"cursor": {"firstBatch": {"00000": {"text": "x" * 1_000_000}}, **ENDS}, "ok": 1.0}
).replace(b"\x03firstBatch", b"\x04firstBatch")
OTHERS: Final = {
    "an error": encode({"ok": 0.0, "errmsg": "cursor not found", "code": 43}),
    "no batch": encode({"cursor": dict(ENDS), "ok": 1.0}),
    "a cursor that is none": encode({"cursor": "none", "ok": 1.0}),
    "a batch that is none": encode({"cursor": {"firstBatch": "none", **ENDS}, "ok": 1.0}),
    "two cursors": encode({"cursor": {"firstBatch": [{"_id": 1}]}, "cursoR": {"nextBatch": []}}).replace(
        b"cursoR", b"cursor"
    ),
    "two batches": encode({"cursor": {"firstBatch": [{"_id": 1}], "nextBatch": [{"_id": 2}], **ENDS}, "ok": 1.0}),
}
ONE: Final = encode({"cursor": {"firstBatch": [{"_id": 1}], **ENDS}, "ok": 1.0})
DAMAGED: Final = {
    f"{place} is {byte:#04x}": ONE[:place] + bytes([byte]) + ONE[place + 1 :]
    for place in range(4, ONE.index(b"_id"))
    for byte in (0, 1, 4, 0x7F, 0xFF)
}


def shortened(payload: bytes) -> Any:
    cursor = SimpleNamespace(delegate=SimpleNamespace(_unpack_response=DRIVER))
    leave_documents_closed(cursor)
    return unpacked(cursor.delegate._unpack_response, payload)


def unpacked(unpack: Any, payload: bytes) -> Any:
    """Or why not."""
    response = _OpMsg(0, memoryview(bytearray(payload)))
    try:
        (reply,) = unpack(response, 7, DEFAULT_CODEC_OPTIONS, user_fields=FIELDS)
        return {**reply, "cursor": dict(reply["cursor"])} if isinstance(reply.get("cursor"), dict) else dict(reply)
    except Exception as error:  # noqa: BLE001 - whatever the driver raises
        return type(error)


@pytest.mark.parametrize("name", REPLIES)
def test_a_batch_is_what_the_driver_makes_of_it(name: str) -> None:
    expected = unpacked(DRIVER, REPLIES[name])
    assert raw_replies._with_batch_closed(memoryview(bytearray(REPLIES[name]))) == expected  # the driver is not asked
    assert shortened(REPLIES[name]) == expected


@pytest.mark.parametrize("name", OTHERS)
def test_what_holds_no_batch_is_left_to_the_driver(name: str) -> None:
    assert shortened(OTHERS[name]) == unpacked(DRIVER, OTHERS[name])


def test_a_damaged_reply_never_gives_other_documents_than_the_driver_does() -> None:
    for name, payload in DAMAGED.items():
        assert shortened(payload) == unpacked(DRIVER, payload), name
