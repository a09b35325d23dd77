"""Values as people type them, and the documents that they mean."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import bson
import pytest
from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sidecar.archive.bson import Element, elements, split
from sidecar.archive.criteria import Criterion, by_ids, fields, id_key, listed, meeting, typed
from sidecar.archive.definition import joined
from sidecar.errors import UsageError
from support.bson_strategies import any_documents, current_documents
from support.rig import CODEC

OID = ObjectId("65a1b2c3d4e5f60718293a4b")
UID = UUID("12345678-1234-5678-1234-567812345678")
SCHOOL: list[dict[str, Any]] = [
    {"_id": OID, "name": "Ada", "tags": ["new", "north"], "address": {"city": "Berlin", "no": 7}},
    {"_id": str(OID), "name": "Alan", "stops": [{"at": "08:10", "seats": 4}, {"at": "08:20", "seats": 40}]},
    {"_id": 42, "name": "42", "is_active": True, "left": None},
    {"_id": "42", "name": 42.0, "is_active": "true"},
    {"_id": Decimal128("0.5"), "balance": Int64(7)},
    {"_id": 0.1, "balance": Decimal128("7.00")},
    {"_id": {"bus": 1, "day": "Mo"}},
    {"_id": Binary.from_uuid(UID)},
]
BATCH = b"".join(map(bson.encode, SCHOOL))


def met(*criteria: Criterion) -> list[Any]:
    return [bson.decode(document)["_id"] for document in meeting(criteria, BATCH)]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (str(OID), [OID, str(OID)]),
        (f'"{OID}"', [str(OID)]),
        (json.dumps({"$oid": str(OID)}), [OID]),
        ("42", [42, "42"]),
        ('"42"', ["42"]),
        ('{"$numberLong": "42"}', [42]),
        ('{"$numberDouble": "42.0"}', [42]),
        ("0.5", [Decimal128("0.5")]),
        ("0.1", [0.1]),
        ('{"bus": 1, "day": "Mo"}', [{"bus": 1, "day": "Mo"}]),
        ('{"bus": {"$numberDouble": "1.0"}, "day": "Mo"}', [{"bus": 1, "day": "Mo"}]),
        ('{"day": "Mo", "bus": 1}', []),
        (str(UID), [Binary.from_uuid(UID)]),
        ("nobody", []),
    ],
)
def test_an_id_is_found_by_what_somebody_types(text: str, ids: list[Any]) -> None:
    assert met(by_ids([typed(text)])) == ids


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({"name": "Ada"}, [OID]),
        ({"name": "42"}, [42, "42"]),
        ({"tags": "north"}, [OID]),
        ({"tags": ["new", "north"]}, [OID]),
        ({"tags.1": "north"}, [OID]),
        ({"address.city": "Berlin", "address.no": 7}, [OID]),
        ({"address.city": "Berlin", "address.no": 8}, []),
        ({"stops.seats": "40"}, [str(OID)]),
        ({"is_active": True}, [42]),
        ({"is_active": "true"}, [42, "42"]),
        ({"left": None}, [42]),
        ({"balance": 7}, [Decimal128("0.5"), 0.1]),
        ({"nothing": 1}, []),
    ],
)
def test_fields_are_compared_as_the_server_compares_them(where: dict[str, Any], ids: list[Any]) -> None:
    assert met(*fields(json.dumps(where))) == ids


def test_a_signalling_nan_is_found_where_the_server_finds_it() -> None:
    signalling = bson.encode({"_id": Decimal128.from_bid((0x7E << 120).to_bytes(16, "little"))})
    wanted = by_ids([typed('{"$numberDouble": "NaN"}')])
    assert list(meeting([wanted], signalling)) == [signalling]
    assert id_key(signalling) in wanted.values[0].keys


def test_a_list_is_split_at_commas_that_no_extended_json_holds() -> None:
    text = f'a b, 42,{{"bus": 1, "day": "Mo"}} , "x,y",{OID}'
    assert [value.text for value in listed(text)] == ["a b", "42", '{"bus": 1, "day": "Mo"}', '"x,y"', str(OID)]


@pytest.mark.parametrize("text", ["", "a,", ",", '{"$oid": "zz"}', '{"a":', '"a" b', "[1", "x" * 5000])
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected|is not"):
        listed(text)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"": 1}', '{"a..b": 1}', "{", "7", '{"a": {"$oid": 1}}'])
def test_what_names_no_fields_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected|is not"):
        fields(text)


@settings(max_examples=20)
@given(st.lists(current_documents, min_size=1, max_size=2), st.data())
def test_every_field_at_the_top_is_found_by_its_extended_json(held: list[bytes], data: st.DataObject) -> None:
    fields_held = [(raw, one) for raw in held for one in elements(raw) if one.name and b"." not in one.name]
    assume(fields_held)
    raw, wanted = data.draw(st.sampled_from(fields_held))
    text = CODEC.encode(joined([Element(wanted.kind, b"v", wanted.value)])).text.decode()
    assume('"$bson"' not in text and len(text) < 4096)
    assert raw in meeting([Criterion(wanted.name.decode(), (typed(text[len('{"v":') : -1].strip()),))], b"".join(held))


@settings(max_examples=20)
@given(st.lists(any_documents, max_size=2), st.sampled_from(["42", "a", "true", "null", "[]", "{}", str(OID)]))
def test_looking_for_bytes_first_loses_nothing(held: list[bytes], text: str) -> None:
    criterion = Criterion("a", (typed(text),))
    slowly = Criterion("a", (replace(typed(text), stored=()),))
    batch = b"".join(raw for raw in held if list(split_or_none(raw)) == [raw])
    assert list(meeting([criterion], batch)) == list(meeting([slowly], batch))


def split_or_none(raw: bytes) -> list[bytes]:
    try:
        return list(split(raw))
    except ValueError:
        return []
