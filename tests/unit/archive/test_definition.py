"""What stored definitions say, and which of them no server can have listed."""

import math
from collections.abc import Mapping
from typing import Any

import bson
import pytest

from sidecar.archive import definition, legacy
from sidecar.archive.bson import Element
from sidecar.model import Collection, CollectionKind
from sidecar.mongodb import definitions

VIEW, SERIES, PLAIN = CollectionKind.VIEW, CollectionKind.TIMESERIES, CollectionKind.COLLECTION
ID_INDEX = bson.encode({"v": 2, "key": {"_id": 1}, "name": "_id_"})


def item(
    name: str,
    options: Mapping[str, Any] | None = None,
    *indexes: Mapping[str, Any],
    kind: CollectionKind = PLAIN,
) -> Collection:
    return Collection(name, kind, None, bson.encode(options or {}), tuple(map(bson.encode, indexes)))


def view(name: str, source: str) -> Collection:
    return item(name, {"viewOn": source, "pipeline": []}, kind=VIEW)


def field(value: Any) -> Element:
    return definition.fields(bson.encode({"field": value}))["field"]


def test_fields_joined_again_are_the_same_bytes() -> None:
    document = bson.encode({"a": math.nan, "b": {"c": [1, None]}, "d": bson.Regex("x", "i"), "e": bson.Timestamp(0, 0)})
    assert definition.joined(definition.fields(document).values()) == document


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, bson.Int64(1), True),
        (1, 1.0, True),
        (1, True, True),
        (1, bson.Decimal128("1.00"), True),
        (1, 2, False),
        (1, "1", False),
        ({"a": 1.0, "b": [2]}, {"a": 1, "b": [2.0]}, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
        ([1, 2], [1], False),
        (math.nan, math.nan, True),
        ("text", "text", True),
    ],
)
def test_a_value_is_the_same_whatever_the_type_of_its_numbers(one: object, other: object, same: bool) -> None:  # noqa: FBT001 - a column of the table above
    assert definition.is_same(field(one), field(other)) is same


SOUND = {
    "users": item("users", None, {"v": 2, "key": {"_id": 1}, "name": "_id_"}),
    "speeds": item("speeds", {"timeseries": {"timeField": "at"}}, kind=SERIES),
    "pupils": view("pupils", "users"),
    "seniors": view("seniors", "pupils"),
    "lost": view("lost", "a collection that is in another backup"),
}


def test_what_a_server_lists_is_sound() -> None:
    definition.require_sound(SOUND, {"users", "speeds"})


UNSOUND: Mapping[str, tuple[Collection, str]] = {
    "a view that looks at nothing": (item("a", {"pipeline": []}, kind=VIEW), "a is a view, its options say otherwise"),
    "a view of a number": (item("a", {"viewOn": 5}, kind=VIEW), "does not name its source"),
    "a collection that is a view": (item("a", {"viewOn": "users"}), "a is a collection, its options say otherwise"),
    "a view of itself": (view("a", "a"), "reads itself"),
    "a time series without a time": (item("a", {"timeseries": {}}, kind=SERIES), "timeField"),
    "a nameless index": (item("a", None, {"key": {"a": 1}}), "a: an index has no name"),
    "an index without a key": (item("a", None, {"name": "a_1", "key": {}}), "a: the index a_1 has no key"),
    "two indexes of one name": (item("a", None, *[{"name": "x", "key": {"a": 1}}] * 2), "two indexes x"),
    "a view with an index": (
        Collection("a", VIEW, None, view("a", "users").options, (ID_INDEX,)),
        "the view a has indexes",
    ),
    "a collection of the server": (item("system.js"), "'system.js' is not a name"),
    "options that are not BSON": (Collection("a", PLAIN, None, b"\x09\0\0\0\x77a\0\0\0"), "unknown BSON type"),
}


@pytest.mark.parametrize("what", UNSOUND)
def test_what_no_server_lists_is_not_sound(what: str) -> None:
    one, reason = UNSOUND[what]
    described = {name for name, other in ({one.name: one} | SOUND).items() if other.holds_documents}
    with pytest.raises(ValueError, match=reason):
        definition.require_sound(SOUND | {one.name: one}, described)


def test_views_that_go_in_a_circle_are_not_sound() -> None:
    circle = {"a": view("a", "b"), "b": view("b", "c"), "c": view("c", "a")}
    with pytest.raises(ValueError, match="reads itself through"):
        definition.require_sound(circle, set())


def test_definitions_and_metadata_name_the_same_collections() -> None:
    with pytest.raises(ValueError, match="defines speeds, which the metadata does not name"):
        definition.require_sound(SOUND, {"users"})
    with pytest.raises(ValueError, match="names buses, which the data does not define"):
        definition.require_sound(SOUND, {"users", "speeds", "buses"})


# -- definitions of old servers ----------------------------------------------------------------------------------------

OLD_INDEXES: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any], str | None]] = {
    "an option of old drivers": ({"safe": None}, {}, "its option safe is unknown"),
    "an option that nobody knows": ({"w": 1}, {}, "its option w is unknown"),
    "numbers for flags": ({"unique": 1, "sparse": 1.0}, {"unique": True, "sparse": True}, None),
    "a flag for the build": ({"background": 1}, {"background": True}, None),
    "whole doubles": ({"bits": 26.0, "weights": {"a": 10.0}}, {"bits": 26, "weights": {"a": 10}}, None),
    "an expiry that is no number": ({"expireAfterSeconds": "60"}, {}, "is not a number"),
    "an expiry of NaN": ({"expireAfterSeconds": math.nan}, {"expireAfterSeconds": math.nan}, "is NaN"),
}


@pytest.mark.parametrize("what", OLD_INDEXES)
def test_an_old_index_has_a_form_of_today(what: str) -> None:
    old, new, said = OLD_INDEXES[what]
    given = item("users", None, {"key": {"a": 1}, "name": "a_1", **old})
    assert legacy.converted(given) == item("users", None, {"key": {"a": 1}, "name": "a_1", **new})
    remarks = legacy.remarks(given)
    assert len(remarks) == (said is not None)
    assert all(one.startswith("the index a_1: ") and str(said) in one for one in remarks)


@pytest.mark.parametrize("old", [True, 0, 0.0, None, "", math.nan, {"x": 1}])
def test_a_direction_that_is_none_becomes_ascending(old: object) -> None:
    given = item("users", None, {"key": {"a": old, "b": -1, "c": "text"}, "name": "old"})
    assert legacy.converted(given) == item("users", None, {"key": {"a": 1, "b": -1, "c": "text"}, "name": "old"})
    assert legacy.remarks(given) == [
        "the index old: its key has neither 1 nor -1 for a: it is built in ascending order"
    ]


def test_an_index_over_two_fields_expires_nothing() -> None:
    given = item("users", None, {"key": {"a": 1, "b": 1}, "name": "ab", "expireAfterSeconds": 60})
    assert legacy.converted(given) == item("users", None, {"key": {"a": 1, "b": 1}, "name": "ab"})
    assert "expires nothing" in legacy.remarks(given)[0]


def test_old_options_of_a_collection_are_left_out() -> None:
    given = item("users", {"create": "users", "autoIndexId": True, "flags": 1, "capped": 1, "size": 4096.0})
    assert legacy.converted(given) == item("users", {"capped": True, "size": 4096.0})
    assert [one.split(" is ")[0] for one in legacy.remarks(given)] == ["the option autoIndexId", "the option flags"]


def test_definitions_of_today_stay_as_they_are() -> None:
    options = {"validator": {"a": {"$type": "string"}}, "collation": {"locale": "de"}}
    today = item("users", options, {"v": 2, "key": {"_id": 1}, "name": "_id_"}, {"v": 2, "key": {"a": -1}, "name": "a"})
    assert legacy.converted(today) == today
    assert legacy.remarks(today) == []


SIGNALLING = bson.Decimal128.from_bid((0x7E << 120).to_bytes(16, "little"))


@pytest.mark.parametrize(
    "odd",
    [
        item(
            "users",
            {"capped": SIGNALLING, "size": SIGNALLING, "autoIndexId": SIGNALLING},
            {"key": {"_id": 1}, "name": "_id_"},
        ),
        item("users", {}, {"key": {"at": 1}, "name": "at_1", "expireAfterSeconds": SIGNALLING, "unique": SIGNALLING}),
        item(
            "users", {}, {"key": {"at": SIGNALLING}, "name": "at_1", "weights": {"at": SIGNALLING}, "bits": SIGNALLING}
        ),
    ],
)
def test_a_signalling_nan_in_a_definition_is_a_nan_like_others(odd: Collection) -> None:
    definition.require_sound({"users": odd}, ["users"])
    assert definitions.commands(odd, "copy").create.command["create"] == "copy"
    assert definitions.differences(odd, odd) == []
    legacy.remarks(odd)


def test_numbers_of_every_type_are_read() -> None:
    assert [definition.number(field(one)) for one in (1, bson.Int64(2), 3.5, bson.Decimal128("4"))] == [1, 2, 3.5, 4]
    assert definition.number(field("5")) is None
