"""Values that a server takes for equal, as a query and as a unique index compare them, and the paths that lead to them."""

import math
import struct
from decimal import Decimal
from typing import Any

import bson
import pytest
from bson.decimal128 import Decimal128
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.archive.bson import Element, elements
from sidecar.archive.criteria import Criterion, TypedValue
from sidecar.archive.values import bytes_of_all_equal, index_key_of, index_keys, key_of, values_at
from support.bson_bytes import ARRAY, DECIMAL, DOCUMENT, DOUBLE, INT32, INT64, STRING, SYMBOL, UNDEFINED, Value, element
from support.bson_strategies import exact_documents
from support.exact_server.raw_bson import document

BESIDE_2_53 = [2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1]

_doubles = st.one_of(
    st.floats(), st.sampled_from([0.0, -0.0, 0.1, 2.5, *map(float, BESIDE_2_53)]), st.integers(-9, 9).map(float)
)
_integers = st.one_of(st.integers(-9, 9), st.sampled_from(BESIDE_2_53))
_decimals = st.sampled_from(["0", "-0", "1", "1.0", "1E+1", "10", "2.50", "0.1", "NaN", "-NaN", "sNaN", "Infinity"])
_numbers = st.one_of(
    _doubles.map(lambda value: (DOUBLE, struct.pack("<d", value))),
    _integers.map(lambda value: (INT64, struct.pack("<q", value))),
    st.integers(-9, 9).map(lambda value: (INT32, struct.pack("<i", value))),
    (_decimals | _integers.map(str)).map(lambda value: (DECIMAL, Decimal128(value).bid)),
)


def of(value: Value) -> Element:
    return Element(value[0], b"v", value[1])


def query_finds(wanted: Value, stored: Value) -> bool:
    value = TypedValue("", frozenset([key_of(of(wanted))]), tuple(filter(None, [bytes_of_all_equal(of(wanted))])))
    return Criterion("v", (value,)).is_met_by(document(element(b"v", stored)))


def index_refuses(one: Value, other: Value) -> bool:
    first, second = (
        {index_key_of(key) for key in index_keys(document(element(b"v", value)), [[b"v"]])} for value in (one, other)
    )
    return not first.isdisjoint(second)


def as_python(value: Value) -> Any:
    kind, raw = value
    found = (
        Decimal128.from_bid(raw).to_decimal() if kind == DECIMAL else bson.decode(document(element(b"v", value)))["v"]
    )
    return "NaN" if (found.is_nan() if isinstance(found, Decimal) else math.isnan(found)) else found


@settings(max_examples=60)
@given(_numbers, _numbers)
def test_query_and_index_take_numbers_for_equal_by_their_exact_value(one: Value, other: Value) -> None:
    is_equal = as_python(one) == as_python(other)
    assert (query_finds(one, other), index_refuses(one, other)) == (is_equal, is_equal)


def retyped(value: Value) -> Value:
    """An equal value: with each number of another type if there is one, and a symbol for each string."""
    kind, raw = value
    if kind in (DOCUMENT, ARRAY):
        return kind, document(*(element(one.name, retyped((one.kind, one.value))) for one in elements(raw)))
    if kind == INT32:
        return DOUBLE, struct.pack("<d", *struct.unpack("<i", raw))
    if kind == INT64:
        return DECIMAL, Decimal128(str(*struct.unpack("<q", raw))).bid
    return SYMBOL if kind == STRING else kind, raw


@settings(max_examples=15)
@given(exact_documents)
def test_query_and_index_find_an_equal_value_of_other_types_at_any_depth(held: bytes) -> None:
    for value in [(DOCUMENT, held), *((one.kind, one.value) for one in elements(held))]:
        assert query_finds(retyped(value), value)
        assert index_refuses(retyped(value), value)


@settings(max_examples=15)
@given(exact_documents, exact_documents)
def test_query_and_index_agree_on_which_embedded_documents_are_equal(one: bytes, other: bytes) -> None:
    left, right = (DOCUMENT, one), (DOCUMENT, other)
    assert query_finds(left, right) == index_refuses(left, right)


@settings(max_examples=15)
@given(exact_documents, st.lists(st.sampled_from([b"a", b"b", b"_id", b"$foo"]), min_size=1, max_size=3))
def test_a_query_finds_every_value_that_an_index_has_a_key_for(held: bytes, names: list[bytes]) -> None:
    found = {key_of(one) for one in values_at(held, names)}
    keys = {key_of(one) for (one,) in index_keys(held, [names]) if one is not None and one.kind != UNDEFINED}
    assert keys <= found


@pytest.mark.parametrize(
    ("paths", "stored", "keys"),
    [
        ("a", {}, [[None]]),
        ("a", {"a": None}, [["null"]]),
        ("a", {"a": []}, [["undefined"]]),
        ("a", {"a": [1, [2], []]}, [[1], [[2]], [[]]]),
        ("a.b", {"a": []}, [[None]]),
        ("a.b", {"a": 7}, [[None]]),
        ("a.b", {"a": [7, {"b": 1}, {"b": [2, 3]}, [{"b": 4}]]}, [[None], [1], [2], [3], [None]]),
        ("a.$id", {"a": {"$ref": "c", "$id": 5}}, [[5]]),
        ("a.b a.c", {"a": [{"b": 1, "c": 2}, {"b": 3}]}, [[1, 2], [3, None]]),
        ("a.b d", {"a": [{"b": 1}, {"b": 2}], "d": 9}, [[1, 9], [2, 9]]),
    ],
)
def test_an_index_has_a_key_for_each_element_of_an_array(paths: str, stored: dict[str, Any], keys: list[Any]) -> None:
    names = [path.encode().split(b".") for path in paths.split()]
    assert [[shown(one) for one in key] for key in index_keys(bson.encode(stored), names)] == keys


def shown(one: Element | None) -> Any:
    if one is None or not one.value:
        return one and {0x06: "undefined", 0x0A: "null"}[one.kind]
    return bson.decode(document(element(b"v", (one.kind, one.value))))["v"]


def test_a_sparse_index_has_no_key_where_all_fields_are_missing() -> None:
    stored = bson.encode({"a": [7, {"b": None}]})
    assert [[shown(one) for one in key] for key in index_keys(stored, [[b"a", b"b"]], is_sparse=True)] == [["null"]]
    assert list(index_keys(bson.encode({"b": 1}), [[b"a"], [b"b"]], is_sparse=True)) != []
    assert list(index_keys(bson.encode({"c": 1}), [[b"a"], [b"b"]], is_sparse=True)) == []


def test_arrays_in_two_fields_of_an_index_are_refused_as_a_server_refuses_them() -> None:
    with pytest.raises(ValueError, match="arrays in two fields"):
        list(index_keys(bson.encode({"a": [1], "b": [2]}), [[b"a"], [b"b"]]))


def test_the_first_of_two_fields_of_a_name_counts() -> None:
    twice = document(element(b"a", (STRING, b"\2\0\0\0x\0")), element(b"a", (STRING, b"\2\0\0\0y\0")))
    assert list(index_keys(twice, [[b"a"]])) == [list(values_at(twice, [b"a"]))]
