"""BSON taken apart and put together without decoding a value, so that whatever was stored comes back as it was.

Layouts: https://bsonspec.org/spec.html.
"""

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from bson.decimal128 import Decimal128

from support.exact_server.errors import CommandError

OBJECT_ID: Final = 0x07
TIMESTAMP: Final = 0x11
EMPTY_DOCUMENT: Final = b"\5\0\0\0\0"

_FIXED_SIZES: Final = {
    **dict.fromkeys((0x06, 0x0A, 0x7F, 0xFF), 0),
    **dict.fromkeys((0x01, 0x09, 0x11, 0x12), 8),
    0x07: 12,
    0x08: 1,
    0x10: 4,
    0x13: 16,
}
_SIZE_PREFIXED: Final = {  # bytes beyond the int32 size that the size does not count
    **dict.fromkeys((0x02, 0x0D, 0x0E), 4),
    **dict.fromkeys((0x03, 0x04, 0x0F), 0),
    0x05: 5,
    0x0C: 4 + 12,
}
_RANKS: Final = {  # https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/
    kind: rank
    for rank, kinds in enumerate(
        (
            (0xFF,),
            (0x06, 0x0A),
            (0x01, 0x10, 0x12, 0x13),
            (0x02, 0x0E),
            (0x03,),
            (0x04,),
            (0x05,),
            (0x07,),
            (0x08,),
            (0x09,),
            (0x11,),
            (0x0B,),
            (0x0C,),
            (0x0D,),
            (0x0F,),
            (0x7F,),
        )
    )
    for kind in kinds
}
_SIMPLE_ID: Final = b"\x07_id\0"

Comparable = int | float | Decimal | bytes | tuple[int, int, bytes]
SortKey = tuple[int, Comparable]
NULL_KEY: Final[SortKey] = (_RANKS[0x0A], 0)


class Element(NamedTuple):
    """One element of a document: `raw[start:end]` is all of it, `raw[value:end]` its value."""

    kind: int
    name: bytes
    start: int
    value: int
    end: int


def elements(raw: bytes) -> Iterator[Element]:
    """The top-level elements of a document, in order, duplicates too."""
    start, stop = 4, len(raw) - 1
    while start < stop:
        kind = raw[start]
        value = raw.index(0, start + 1) + 1
        end = _value_end(raw, kind, value)
        yield Element(kind, raw[start + 1 : value - 1], start, value, end)
        start = end


def _value_end(raw: bytes, kind: int, at: int) -> int:
    if kind in _FIXED_SIZES:
        return at + _FIXED_SIZES[kind]
    if kind in _SIZE_PREFIXED:
        size: int = struct.unpack_from("<i", raw, at)[0]
        return at + size + _SIZE_PREFIXED[kind]
    if kind == 0x0B:  # a regular expression: two C strings
        return raw.index(0, raw.index(0, at) + 1) + 1
    raise CommandError(22, f"unknown BSON type {kind:#04x}")


def find_element(raw: bytes, name: bytes) -> Element | None:
    """The first top-level element called `name`."""
    return next((element for element in elements(raw) if element.name == name), None)


def subdocument(raw: bytes, name: bytes) -> bytes | None:
    """The bytes of the document called `name`, or None where there is none."""
    found = find_element(raw, name)
    return raw[found.value : found.end] if found and found.kind == 0x03 else None


def document(*parts: bytes) -> bytes:
    """A document made of whole elements."""
    body = b"".join(parts)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def body(raw: bytes) -> bytes:
    """The elements of a document, without its size and its end."""
    return raw[4:-1]


def named_document(name: str, raw: bytes) -> bytes:
    return b"\x03" + name.encode() + b"\0" + raw


def named_array(name: str, documents: Iterable[bytes]) -> bytes:
    items = (b"\x03%d\0" % position + raw for position, raw in enumerate(documents))
    return b"\x04" + name.encode() + b"\0" + document(*items)


def without(raw: bytes, *names: bytes) -> bytes:
    """`raw` without the top-level elements called so; every other byte as it was."""
    return document(*(raw[element.start : element.end] for element in elements(raw) if element.name not in names))


def key_of(raw: bytes, name: bytes) -> SortKey | None:
    """What MongoDB would compare `name` by, or None where the document does not have it."""
    if name == b"_id" and raw[4:9] == _SIMPLE_ID:
        return _RANKS[OBJECT_ID], raw[9:21]
    found = find_element(raw, name)
    return sort_key(found.kind, raw[found.value : found.end]) if found else None


def sort_key(kind: int, value: bytes) -> SortKey:
    """Orders values as MongoDB does and is equal where MongoDB calls them equal (1, 1.0 and NumberLong(1))."""
    return _RANKS[kind], _COMPARABLES.get(kind, bytes)(value)


def _signed(value: bytes) -> int:
    return int.from_bytes(value, "little", signed=True)


def _double(value: bytes) -> float:
    number: float = struct.unpack("<d", value)[0]
    return float("-inf") if math.isnan(number) else number


def _decimal(value: bytes) -> float | Decimal:
    number = Decimal128.from_bid(value).to_decimal()
    return float("-inf") if number.is_nan() else number


_COMPARABLES: Final[Mapping[int, Callable[[bytes], Comparable]]] = {  # other types compare by their bytes
    0x01: _double,
    0x02: lambda value: value[4:],
    0x05: lambda value: (len(value), value[4], value[5:]),
    0x06: lambda _: 0,
    0x09: _signed,
    0x0A: lambda _: 0,
    0x0E: lambda value: value[4:],
    0x10: _signed,
    0x11: lambda value: int.from_bytes(value, "little"),
    0x12: _signed,
    0x13: _decimal,
}
