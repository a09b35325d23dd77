"""Convert old definitions of collections and indexes to a form that today's servers accept.

An upgraded server still lists definitions that were made by older versions: unknown options, numbers instead of booleans, index
directions that are neither a number nor a string. It refuses to make such definitions again. A conversion changes only what
has no meaning, or has the same meaning in its new form.
Sources: https://www.mongodb.com/docs/manual/reference/command/create/, …/createIndexes/ and
https://www.mongodb.com/docs/database-tools/mongorestore/ (`--convertLegacyIndexes`).
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from sidecar.archive.bson import Element, elements
from sidecar.archive.definition import (
    BOOL,
    DOCUMENT,
    DOUBLE,
    FLAGS,
    ID_INDEX,
    INT32,
    fields,
    index_key,
    index_name,
    is_true,
    joined,
    number,
    text,
)
from sidecar.model import Collection

_OPTIONS: Final = frozenset(
    [
        "capped",
        "size",
        "max",
        "storageEngine",
        "validator",
        "validationLevel",
        "validationAction",
        "indexOptionDefaults",
        "viewOn",
        "pipeline",
        "collation",
        "timeseries",
        "expireAfterSeconds",
        "clusteredIndex",
        "changeStreamPreAndPostImages",
        "encryptedFields",
        "temp",
    ]
)
_INDEX_FIELDS: Final = frozenset(
    [
        "key",
        "name",
        "v",
        "ns",
        "background",
        "unique",
        "hidden",
        "sparse",
        "storageEngine",
        "collation",
        "partialFilterExpression",
        "expireAfterSeconds",
        "weights",
        "default_language",
        "language_override",
        "textIndexVersion",
        "2dsphereIndexVersion",
        "bits",
        "min",
        "max",
        "wildcardProjection",
        "columnstoreProjection",
        "clustered",
        "prepareUnique",
    ]
)
_ID_INDEX_FIELDS: Final = frozenset({"key", "name", "v", "ns", "collation", "clustered", "unique"})
_WITHOUT_MEANING: Final = frozenset({"create", "ns", "v", "background"})  # left out without a remark
_INTEGERS: Final = frozenset({"bits", "textIndexVersion", "2dsphereIndexVersion"})
_INT32_RANGE: Final = range(-(1 << 31), 1 << 31)


def converted(item: Collection) -> Collection:
    """Return `item` in a form that today's servers accept; an equal one if nothing in it is old."""
    return replace(item, options=converted_options(item.options), indexes=tuple(map(converted_index, item.indexes)))


def remarks(item: Collection) -> list[str]:
    """What a restore may have to change about the definitions, in words; an empty list if nothing in them is old."""
    said = list(_said_of_options(item.options))
    for index in item.indexes:
        said += [f"the index {index_name(index)}: {what}" for what in _said_of_index(index)]
    return said


# -- options of a collection -------------------------------------------------------------------------------------------


def converted_options(options: bytes) -> bytes:
    """Return the options of a collection without unknown ones, the others in their modern form."""
    kept = [_modern(one) for one in elements(options) if _name(one) in _OPTIONS]
    return joined(kept)


def _said_of_options(options: bytes) -> Iterator[str]:
    for name, field in fields(options).items():
        if name not in _OPTIONS | _WITHOUT_MEANING and (is_true(field) or name == "autoIndexId"):
            yield f"the option {name} is unknown to today's servers, which make the collection without it"


# -- indexes -----------------------------------------------------------------------------------------------------------


def converted_index(index: bytes) -> bytes:
    """Return the definition of an index without unknown options, the others in their modern form."""
    known = _ID_INDEX_FIELDS if index_name(index) == ID_INDEX else _INDEX_FIELDS
    is_compound = len(index_key(index)) > 1
    return joined(
        _modern(one)
        for one in elements(index)
        if _name(one) in known and not (_name(one) == "expireAfterSeconds" and (is_compound or number(one) is None))
    )


def _said_of_index(index: bytes) -> Iterator[str]:
    has, key = fields(index), index_key(index)
    known = _ID_INDEX_FIELDS if index_name(index) == ID_INDEX else _INDEX_FIELDS
    for name in has.keys() - known - _WITHOUT_MEANING:
        yield f"its option {name} is unknown to today's servers, which build it without"
    for part in key:
        if _direction(part) != part:
            yield f"its key has neither 1 nor -1 for {_name(part)}: it is built in ascending order"
    expiry = has.get("expireAfterSeconds")
    if expiry is not None:
        seconds = number(expiry)
        if seconds is None:
            yield "expireAfterSeconds is not a number: it is built without, so that nothing expires"
        elif len(key) > 1:
            yield "an index over several fields expires nothing: it is built without expireAfterSeconds"
        elif math.isnan(seconds):
            yield "expireAfterSeconds is NaN: MongoDB 5.0.0 to 5.0.13 takes it for 0 and deletes every document"


# -- single fields -----------------------------------------------------------------------------------------------------


def _modern(field: Element) -> Element:
    name = _name(field)
    if name in FLAGS and field.kind != BOOL:
        return Element(BOOL, field.name, bytes([is_true(field)]))
    if name in _INTEGERS:
        return _whole(field)
    if name == "key" and field.kind == DOCUMENT:
        return field._replace(value=joined(map(_direction, elements(field.value))))
    if name == "weights" and field.kind == DOCUMENT:
        return field._replace(value=joined(map(_whole, elements(field.value))))
    return field


def _direction(part: Element) -> Element:
    """Return a field of an index's key unchanged if it is a number other than 0 or the name of a kind of index, else as 1."""
    value = number(part)
    if text(part) or (value is not None and value != 0 and not math.isnan(value)):
        return part
    return Element(INT32, part.name, struct.pack("<i", 1))


def _whole(field: Element) -> Element:
    """Return a whole double as an int32, such as 26.0 as 26."""
    value = number(field)
    if field.kind != DOUBLE or value is None or not value.is_integer() or int(value) not in _INT32_RANGE:
        return field
    return Element(INT32, field.name, struct.pack("<i", int(value)))


def _name(field: Element) -> str:
    return field.name.decode(errors="replace")
