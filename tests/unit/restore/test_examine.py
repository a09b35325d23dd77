from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
from bson.decimal128 import Decimal128

from sidecar.model import Collection, CollectionKind
from sidecar.restore.examine import Examination

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def findings(index: Mapping[str, Any], documents: Iterable[Mapping[str, Any]]) -> list[str]:
    raw = (bson.encode({"v": 2, "name": "i", **index}),)
    examination = Examination(Collection("c", CollectionKind.COLLECTION, None, bson.encode({}), raw), NOW)
    examination.add(b"".join(map(bson.encode, documents)))
    found = examination.findings()
    examination.close()
    return found


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


def test_what_only_the_server_can_compare_is_said() -> None:
    index = {"key": {"a": 1}, "unique": True, "collation": {"locale": "de"}}
    assert findings(index, [{"a": "x"}, {"a": "x"}]) == ["the unique index i was not examined: only the server can"]


def test_documents_past_their_expiry_are_counted() -> None:
    old, young = NOW - timedelta(seconds=61), NOW - timedelta(seconds=59)
    documents: list[dict[str, Any]] = [{"t": old}, {"t": young}, {"t": [young, old]}, {"t": "never"}, {}]
    assert findings({"key": {"t": 1}, "expireAfterSeconds": 60}, documents) == [
        "2 documents are past their expiry: the server will delete them within a minute"
    ]
