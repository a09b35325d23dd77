"""Read the stored definitions of collections and indexes from their BSON.

Python values would lose differences that BSON keeps (a date past 9999, one NaN from another, a double from an integer), so
definitions are stored and compared as bytes. The result of `plain` is for reading only.
"""

import math
import struct
from collections.abc import Collection as AnyCollection
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.decimal128 import Decimal128
from bson.errors import BSONError

from sidecar.archive.bson import Element, elements
from sidecar.model import Collection, CollectionKind

EMPTY: Final = bson.encode({})
DOUBLE, STRING, DOCUMENT, ARRAY, UNDEFINED, BOOL, DATE, NULL = 0x01, 0x02, 0x03, 0x04, 0x06, 0x08, 0x09, 0x0A
SYMBOL, INT32, INT64, DECIMAL = 0x0E, 0x10, 0x12, 0x13
ID_INDEX: Final = "_id_"
FLAGS: Final = frozenset({"unique", "sparse", "hidden", "background", "prepareUnique", "clustered", "capped", "temp"})

_NUMBERS: Final = frozenset({DOUBLE, INT32, INT64, DECIMAL})
_PLAIN: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS, unicode_decode_error_handler="replace"
)


# -- bytes -------------------------------------------------------------------------------------------------------------


def fields(document: bytes) -> dict[str, Element]:
    """The top-level fields of a document by name. Raises ValueError for malformed BSON."""
    return {one.name.decode(errors="replace"): one for one in elements(document)}


def joined(parts: Iterable[Element]) -> bytes:
    """Return the BSON document that consists of these fields."""
    body = b"".join(bytes([kind]) + name + b"\0" + value for kind, name, value in parts)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def text(field: Element | None) -> str | None:
    """The string that a field holds; None for any other type."""
    if field is None or field.kind != STRING:
        return None
    return field.value[4:-1].decode(errors="replace")


def number(field: Element | None) -> float | None:
    """The number that a field holds, of any numeric type; a decimal is rounded. None for other types."""
    found = None if field is None else exact_number(field)
    return float(found) if isinstance(found, Decimal) else found


def exact_number(field: Element) -> float | Decimal | None:
    """The number that a field holds, not rounded; infinities and NaN are floats. None for other types."""
    if field.kind not in _NUMBERS:
        return None
    if field.kind == DOUBLE:
        return float(struct.unpack("<d", field.value)[0])
    if field.kind == DECIMAL:
        decimal = Decimal128.from_bid(field.value).to_decimal()
        if decimal.is_finite():
            return decimal
        return math.nan if decimal.is_nan() else float(decimal)  # float() refuses a signalling NaN
    return int.from_bytes(field.value, "little", signed=True)


def is_true(field: Element | None) -> bool:
    """Whether a server takes the value of a flag for true: any value but null, undefined, false and 0."""
    if field is None or field.kind in (NULL, UNDEFINED):
        return False
    return any(field.value) if field.kind == BOOL else number(field) != 0


def is_same(one: Element, other: Element) -> bool:
    """Whether a server that was given `one` may list it as `other`: the same value, except for the type of a number."""
    if (one.kind, one.value) == (other.kind, other.value):
        return True
    if one.kind in _NUMBERS or one.kind == BOOL:
        return _comparable(one) == _comparable(other)
    if one.kind != other.kind or one.kind not in (DOCUMENT, ARRAY):
        return False
    left, right = list(elements(one.value)), list(elements(other.value))
    if one.kind == DOCUMENT and [part.name for part in left] != [part.name for part in right]:
        return False
    return len(left) == len(right) and all(map(is_same, left, right))


def _comparable(field: Element) -> float | None:
    return float(any(field.value)) if field.kind == BOOL else number(field)


def operators(document: bytes) -> set[str]:
    """The names of fields at any depth that begin with `$`. Raises ValueError for malformed BSON."""
    found: set[str] = set()
    waiting = [document]
    while waiting:
        for field in elements(waiting.pop()):
            if field.name.startswith(b"$"):
                found.add(field.name.decode(errors="replace"))
            if field.kind in (DOCUMENT, ARRAY):
                waiting.append(field.value)
    return found


def plain(document: bytes) -> dict[str, Any]:
    """Decode to Python values for reading, never for sending back. Dates are DatetimeMS. Raises ValueError for malformed BSON."""
    try:
        return bson.decode(document, _PLAIN)
    except BSONError as error:
        raise ValueError(str(error)) from error


# -- what a definition says --------------------------------------------------------------------------------------------


def view_source(item: Collection) -> str:
    """The name of the collection or view that a view reads. Raises ValueError if it is missing."""
    source = text(fields(item.options).get("viewOn"))
    if not source:
        raise ValueError(f"the view {item.name} does not name its source (viewOn)")
    return source


def index_name(index: bytes) -> str:
    """The name of an index. Raises ValueError if it has none."""
    name = text(fields(index).get("name"))
    if not name:
        raise ValueError("an index has no name")
    return name


def index_key(index: bytes) -> list[Element]:
    """The fields of an index's key. Raises ValueError if it has none."""
    key = fields(index).get("key")
    if key is None or key.kind != DOCUMENT or not (parts := list(elements(key.value))):
        raise ValueError(f"the index {index_name(index)} has no key")
    return parts


def keeps_order(item: Collection) -> bool:
    """Whether the collection keeps insertion order, so that documents must be restored in their order: a capped collection."""
    return is_true(fields(item.options).get("capped"))


# -- whether definitions can be made again -----------------------------------------------------------------------------


def require_sound(items: Mapping[str, Collection], described: AnyCollection[str]) -> None:
    """Raise ValueError for definitions that no server can have listed, or that do not match the metadata.

    `described` are the collections whose documents the metadata counts.
    """
    for item in items.values():
        _require_name(item.name)
        _require_options(item)
        _require_indexes(item)
    _require_no_circle({item.name: view_source(item) for item in items.values() if not item.holds_documents})
    holding = {item.name for item in items.values() if item.holds_documents}
    if undescribed := sorted(holding - set(described)):
        raise ValueError(f"the data defines {', '.join(undescribed)}, which the metadata does not name")
    if undefined := sorted(set(described) - holding):
        raise ValueError(f"the metadata names {', '.join(undefined)}, which the data does not define")


def _require_name(name: str) -> None:
    if not name or "\0" in name or name.startswith("system."):
        raise ValueError(f"{name!r} is not a name of a collection that a backup may hold")


def _require_options(item: Collection) -> None:
    has = fields(item.options)
    plain(item.options)
    if ("viewOn" in has) is not (item.kind is CollectionKind.VIEW):
        raise ValueError(f"{item.name} is a {item.kind}, its options say otherwise (viewOn)")
    if item.kind is CollectionKind.TIMESERIES:
        series = has.get("timeseries")
        if series is None or series.kind != DOCUMENT or not text(fields(series.value).get("timeField")):
            raise ValueError(f"the time series {item.name} does not name its time field (timeField)")


def _require_indexes(item: Collection) -> None:
    names = []
    for index in item.indexes:
        try:
            plain(index)
            names.append(index_name(index))
            index_key(index)
        except ValueError as error:
            raise ValueError(f"{item.name}: {error}") from None
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{item.name}: there are two indexes {', '.join(twice)}")
    if names and not item.holds_documents:
        raise ValueError(f"the view {item.name} has indexes")


def _require_no_circle(sources: Mapping[str, str]) -> None:
    for start in sources:
        passed, at = {start}, sources[start]
        while at in sources:
            if at in passed:
                raise ValueError(f"the view {start} reads itself through {at}")
            passed.add(at)
            at = sources[at]
