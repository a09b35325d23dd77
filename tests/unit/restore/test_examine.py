from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bson
import pytest
from bson.decimal128 import Decimal128

from sidecar.model import Collection, CollectionKind
from sidecar.restore.examine import Examination

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def findings(index: Mapping[str, Any], documents: Iterable[Mapping[str, Any]]) -> list[str]:
    raw = (bson.encode({"v": 2, "name": "i", **index}),)
    item = Collection("c", CollectionKind.COLLECTION, None, bson.encode({}), raw)
    with TemporaryDirectory() as directory, Examination(item, NOW, Path(directory)) as examination:
        examination.add(b"".join(map(bson.encode, documents)))
        return examination.findings()


def repeats(key: Mapping[str, int], *documents: Mapping[str, Any], **options: Any) -> int:
    found = findings({"key": key, "unique": True, **options}, documents)
    return int(found[0].split()[0]) if found else 0


def test_numbers_of_any_type_are_equal_and_others_are_not() -> None:
    assert repeats({"a": 1}, {"a": 1}, {"a": 1.0}, {"a": bson.Int64(1)}, {"a": Decimal128("1.0")}) == 3
    assert repeats({"a": 1}, {"a": 1}, {"a": True}, {"a": "1"}, {"a": 1.5}, {"a": None}) == 0


def test_documents_without_the_field_are_equal_unless_the_index_is_sparse() -> None:
    assert repeats({"a": 1}, {"b": 1}, {"b": 2}, {"a": None}) == 2
    assert repeats({"a": 1}, {"b": 1}, {"b": 2}, sparse=True) == 0


def test_compound_keys_are_compared_as_a_whole() -> None:
    assert repeats({"a": 1, "b": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 1}) == 1


def test_elements_of_arrays_and_paths_through_them_count() -> None:
    assert repeats({"a.b": 1}, {"a": [{"b": 1}, {"b": 2}]}, {"a": {"b": 2}}) == 1
    assert repeats({"a": 1}, {"a": [1, 1]}, {"a": [2, 3]}) == 0  # twice in one document is no repeat


def test_an_empty_array_is_a_key_of_its_own_also_in_a_sparse_index() -> None:
    assert repeats({"a": 1}, {"a": []}, {"a": None}) == 0
    assert repeats({"a": 1}, {"a": []}, {"a": []}, sparse=True) == 1


def test_fields_of_one_array_are_compared_element_by_element() -> None:
    crossed = [{"a": [{"b": 1, "c": 2}, {"b": 2, "c": 1}]}, {"a": [{"b": 1, "c": 1}, {"b": 2, "c": 2}]}]
    assert repeats({"a.b": 1, "a.c": 1}, *crossed) == 0
    assert repeats({"a.b": 1, "a.c": 1}, crossed[0], {"a": {"b": 2, "c": 1.0}}) == 1


def test_references_are_compared_by_what_they_refer_to() -> None:
    assert repeats({"a.$id": 1}, *({"a": {"$ref": "c", "$id": one}} for one in (1, 2, 2))) == 1


def test_a_document_that_a_server_refuses_is_left_to_the_server() -> None:
    assert findings({"key": {"a": 1, "b": 1}, "unique": True}, [{"a": [1], "b": [2]}]) == [
        "1 document could not be checked in advance: the server decides on the insert"
    ]


@pytest.mark.parametrize(
    "index",
    [
        {"key": {"a": 1}, "unique": True, "collation": {"locale": "de"}},
        {"key": {"a": 1}, "unique": True, "partialFilterExpression": {"b": 1}},
        {"key": {"a": "2dsphere"}, "unique": True},
        {"key": {"a.0": 1}, "unique": True},
    ],
)
def test_what_only_the_server_can_compare_is_said(index: Mapping[str, Any]) -> None:
    assert findings(index, [{"a": "x"}, {"a": "x"}]) == [
        "the unique index i cannot be checked in advance: the server decides when it builds it"
    ]


def test_documents_past_their_expiry_are_counted() -> None:
    old, young = NOW - timedelta(seconds=61), NOW - timedelta(seconds=59)
    documents: list[dict[str, Any]] = [{"t": old}, {"t": young}, {"t": [young, old]}, {"t": "never"}, {}]
    assert findings({"key": {"t": 1}, "expireAfterSeconds": 60}, documents) == [
        "the server will delete 2 documents within a minute: past the expiry date"
    ]


SIGNALLING = Decimal128.from_bid((0x7E << 120).to_bytes(16, "little"))
NAN = Decimal128("NaN")


def test_every_not_a_number_is_equal_and_the_infinities_are_not() -> None:
    assert repeats({"a": 1}, {"a": SIGNALLING}, {"a": NAN}, {"a": float("nan")}) == 2
    infinities: list[Any] = [float("inf"), Decimal128("Infinity"), float("-inf"), Decimal128("-Infinity")]
    assert repeats({"a": 1}, *({"a": value} for value in infinities)) == 2


def test_a_number_of_thousands_of_digits_is_compared_as_well() -> None:
    assert (
        repeats({"a": 1}, {"a": Decimal128("1E+6144")}, {"a": Decimal128("10E+6143")}, {"a": Decimal128("1E-6144")})
        == 1
    )


@pytest.mark.parametrize("seconds", ["60", None, float("nan"), float("inf"), True, SIGNALLING, {"a": 1}, b"x"])
def test_an_expiry_that_is_no_number_of_seconds_expires_nothing(seconds: Any) -> None:
    assert findings({"key": {"t": 1}, "expireAfterSeconds": seconds}, [{"t": NOW - timedelta(days=1)}]) == []


@pytest.mark.parametrize("seconds", [60, 60.0, bson.Int64(60), Decimal128("60")])
def test_an_expiry_may_be_a_number_of_any_type(seconds: Any) -> None:
    found = findings({"key": {"t": 1}, "expireAfterSeconds": seconds}, [{"t": NOW - timedelta(days=1)}])
    assert found == ["the server will delete 1 document within a minute: past the expiry date"]


@pytest.mark.parametrize("index", [{"key": 1, "unique": True}, {"key": {"a": 1, "t": 1}, "expireAfterSeconds": 1}])
def test_an_index_that_only_an_old_server_understands_is_left_to_the_server(index: Mapping[str, Any]) -> None:
    assert findings(index, [{"a": 1, "t": NOW - timedelta(days=1)}] * 2) == []


def test_dates_that_python_does_not_know_and_bytes_that_are_no_text_are_examined_too() -> None:
    far = bson.encode({"a": bson.DatetimeMS(2**62)})
    bad_text = bson.encode({"a": "xx"}).replace(b"xx", b"\xff\xfe")
    other_bad_text = bson.encode({"a": "xx"}).replace(b"xx", b"\xfe\xff")
    raw = (bson.encode({"v": 2, "name": "i", "key": {"a": 1}, "unique": True}),)
    item = Collection("c", CollectionKind.COLLECTION, None, bson.encode({}), raw)
    with TemporaryDirectory() as directory, Examination(item, NOW, Path(directory)) as examination:
        examination.add(far + far + bad_text + other_bad_text)
        assert [one.split(":")[0] for one in examination.findings()] == [
            "1 document with a key of the unique index i that another document has"
        ]
