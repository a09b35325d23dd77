"""Which BSON values a server takes for equal, and which values of a document a query and an index see at a dotted path.

Equality is the same for both: numbers of any type by their exact value, every NaN like another, -0.0 like 0, a symbol like a
string, also inside documents and arrays; null, undefined and a missing field differ. The paths differ: a query sees an array and
its elements, and takes a number in the path for a position; an index has a key for each element, null for a missing field, and
undefined for an empty array. Sources: https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/ and
…/core/indexes/index-types/index-multikey/, …/core/index-sparse/.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from sidecar.archive.bson import Element, elements, value_end
from sidecar.archive.definition import ARRAY, DOCUMENT, NULL, STRING, SYMBOL, UNDEFINED, exact_number

_MISSING_KEY: Final = bytes([NULL])
_OF_EMPTY_ARRAY: Final = Element(UNDEFINED, b"", b"")

Names = Sequence[bytes]  # a dotted path
_Place = tuple[Element | None, Names | None]  # a value, and the names still to follow in it; None: it is a key as it is


# -- equality ----------------------------------------------------------------------------------------------------------


def key_of(element: Element) -> bytes:
    """Bytes that are equal for values that a server takes for equal. No such bytes begin with those of another value.

    Raises ValueError for malformed BSON.
    """
    kind = element.kind
    if kind in (DOCUMENT, ARRAY):
        parts = [(b"\1" if kind == ARRAY else b"\1%b\0" % one.name) + key_of(one) for one in elements(element.value)]
        return b"%c%b\0" % (kind, b"".join(parts))
    number = exact_number(element)
    if number is None:
        return b"%c%b" % (STRING if kind == SYMBOL else kind, element.value)
    if isinstance(number, float) and not math.isfinite(number):
        return b"n%b;" % str(number).encode()  # every NaN, of either type and whatever its bits, is "nan"
    return b"n%x/%x;" % number.as_integer_ratio()  # hexadecimal, for which no number has too many digits


def bytes_of_all_equal(element: Element) -> bytes:
    """Return bytes that every document with an equal value contains, the longest that are known; b"" if none are."""
    if element.kind in (DOCUMENT, ARRAY):
        return max(map(bytes_of_all_equal, elements(element.value)), key=len, default=b"")
    return element.value if exact_number(element) is None else b""


# -- paths -------------------------------------------------------------------------------------------------------------


def values_at(document: bytes, names: Names) -> Iterator[Element]:
    """Yield the values that a query finds at a path: what is stored there, and the elements of an array. Nothing if missing."""
    found, rest = _field(document, names[0]), names[1:]
    if found is None:
        return
    if not rest:
        yield found
        yield from elements(found.value) if found.kind == ARRAY else ()
        return
    if found.kind in (DOCUMENT, ARRAY):
        yield from values_at(found.value, rest)
    for one in elements(found.value) if found.kind == ARRAY else ():
        if one.kind == DOCUMENT:
            yield from values_at(one.value, rest)


def index_keys(document: bytes, paths: Sequence[Names], *, is_sparse: bool = False) -> Iterator[list[Element | None]]:
    """Yield the keys that an index has for a document: for each path a value, None if it is missing. No name may be a number.

    Raises ValueError where a server refuses the document: arrays in two fields.
    """
    whole = Element(DOCUMENT, b"", document)
    for key in _expanded([_followed(whole, names) for names in paths]):
        if not is_sparse or any(key):
            yield key


def index_key_of(key: Sequence[Element | None]) -> bytes:
    """Bytes that are equal for keys that a unique index takes for equal."""
    return b"".join([_MISSING_KEY if one is None else key_of(one) for one in key])


def _expanded(places: list[_Place]) -> Iterator[list[Element | None]]:
    arrays = [value for value, rest in places if rest is not None and value is not None and value.kind == ARRAY]
    if not arrays:
        yield [value for value, _ in places]
        return
    if any(one != arrays[0] for one in arrays):
        raise ValueError("arrays in two fields of an index")
    array = arrays[0]
    for entry in list(elements(array.value)) or [_OF_EMPTY_ARRAY]:
        yield from _expanded([_within(entry, rest) if value == array else (value, rest) for value, rest in places])


def _within(entry: Element, rest: Names | None) -> _Place:
    """Go on in an element of an array. An array within an array is a key as it is, and is not looked into."""
    if not rest:
        return entry, None
    return _followed(entry, rest) if entry.kind == DOCUMENT else (None, None)


def _followed(value: Element, rest: Names) -> _Place:
    """Follow the path through documents, to its end or to an array."""
    for at, name in enumerate(rest):
        if value.kind == ARRAY:
            return value, rest[at:]
        found = _field(value.value, name) if value.kind == DOCUMENT else None
        if found is None:
            return None, None
        value = found
    return value, ()


def _field(document: bytes, name: bytes) -> Element | None:
    """The first field of this name: the one that a server takes. Faster than `elements`, which makes all of them."""
    wanted = name + b"\0"
    at, end = 4, len(document) - 1
    while at < end:
        start = document.index(0, at + 1) + 1
        following = value_end(document, document[at], start)
        if following > end:
            raise ValueError(f"a value of {following - start} bytes at byte {start} of {end}")
        if document.startswith(wanted, at + 1):
            return Element(document[at], name, document[start:following])
        at = following
    return None
