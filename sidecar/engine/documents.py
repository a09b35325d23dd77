"""BSON documents as bytes: where they end, what their `_id` is, and which of them Extended JSON cannot carry.

Source of the layout: https://bsonspec.org/spec.html (version 1.1).
"""

import re
import struct
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

MAX_DEPTH: Final = 90  # levels below the top; libbson's reader gives up from 97 on, servers at 100

# Keys that some reader of Extended JSON takes for a wrapper of its own, or for a DBRef ($ref, $id, $db).
RESERVED_KEYS: Final = frozenset(
    b"$oid $symbol $numberInt $numberLong $numberDouble $numberDecimal $binary $code $scope $timestamp $regularExpression "
    b"$dbPointer $date $minKey $maxKey $undefined $uuid $regex $options $type $bson $ref $id $db".split()
)

_SMALLEST: Final = 5  # bytes: a length and the final NUL
_DOUBLE, _STRING, _DOCUMENT, _ARRAY, _BINARY, _UNDEFINED, _OBJECT_ID, _BOOL, _DATE, _NULL = range(0x01, 0x0B)
_REGEX, _DB_POINTER, _CODE, _SYMBOL, _SCOPED_CODE, _INT32, _TIMESTAMP, _INT64, _DECIMAL = range(0x0B, 0x14)
_MIN_KEY, _MAX_KEY = 0xFF, 0x7F

# Value sizes of the types of which Extended JSON carries every bit pattern.
_PLAIN_SIZES: Final = {
    _UNDEFINED: 0,
    _OBJECT_ID: 12,
    _DATE: 8,
    _NULL: 0,
    _INT32: 4,
    _TIMESTAMP: 8,
    _INT64: 8,
    _MIN_KEY: 0,
    _MAX_KEY: 0,
}
_FIXED_SIZES: Final = _PLAIN_SIZES | {_DOUBLE: 8, _BOOL: 1, _DECIMAL: 16}
# Bytes that a value has besides what its leading length counts.
_UNCOUNTED: Final = {
    _STRING: 4,
    _CODE: 4,
    _SYMBOL: 4,
    _BINARY: 5,
    _DB_POINTER: 16,
    _DOCUMENT: 0,
    _ARRAY: 0,
    _SCOPED_CODE: 0,
}

_SORTED_FLAGS: Final = re.compile(rb"i?l?m?s?u?x?")
_INFINITIES: Final = (struct.pack("<d", float("inf")), struct.pack("<d", float("-inf")))
_WRITABLE_NON_FINITE: Final = frozenset({*_INFINITIES, b"\0\0\0\0\0\0\xf8\x7f"})  # the last is the one NaN
_WRITABLE_NON_FINITE_DECIMALS: Final = frozenset({0x78 << 120, 0xF8 << 120, 0x7C << 120})  # Infinity, -Infinity, NaN
_COEFFICIENT: Final = (1 << 113) - 1
_LARGEST_COEFFICIENT: Final = 10**34 - 1

# Unsigned, so that a negative length is one that no document can hold and a reading position never moves backwards.
_uint32 = struct.Struct("<I").unpack_from


class Element(NamedTuple):
    """One field of a document; `value` is as it stands in BSON."""

    kind: int
    name: bytes
    value: bytes


def split(batch: bytes) -> Iterator[bytes]:
    """Each of the documents that stand one after the other in `batch`. Raises ValueError where a length is impossible."""
    at, end = 0, len(batch)
    while at < end:
        size = _uint32(batch, at)[0] if end - at >= _SMALLEST else 0
        if size < _SMALLEST or at + size > end:
            raise ValueError(f"no BSON document at byte {at} of {end}")
        yield batch[at : at + size]
        at += size


def document_id(document: bytes) -> bytes | None:
    """Type and value of the top-level `_id` as bytes, None where there is none. Raises ValueError for malformed BSON."""
    if document[5:9] == b"_id\0" and (end := _value_end(document, document[4], 9)) < len(document):
        return document[4:5] + document[9:end]  # first, as servers store it
    return next((bytes([kind]) + value for kind, name, value in elements(document) if name == b"_id"), None)


def elements(document: bytes) -> Iterator[Element]:
    """The fields of a document, not looking into them. Raises ValueError for malformed BSON."""
    at, end = 4, len(document) - 1
    while at < end:
        name_end = document.index(0, at + 1)
        value_end = _value_end(document, document[at], name_end + 1)
        if value_end > end:
            raise ValueError(f"a value of {value_end - name_end - 1} bytes at byte {name_end + 1} of {end}")
        yield Element(document[at], document[at + 1 : name_end], document[name_end + 1 : value_end])
        at = value_end


def _value_end(document: bytes, kind: int, at: int) -> int:
    if kind in _FIXED_SIZES:
        return at + _FIXED_SIZES[kind]
    if kind in _UNCOUNTED:
        return at + _UNCOUNTED[kind] + _length(document, at)
    if kind == _REGEX:
        return document.index(0, document.index(0, at) + 1) + 1
    raise ValueError(f"unknown BSON type {kind:#04x}")


def _length(document: bytes, at: int) -> int:
    if at + 4 > len(document):
        raise ValueError(f"a length at byte {at} of {len(document)}")
    size: int = _uint32(document, at)[0]
    return size


def escape_reason(document: bytes) -> str | None:
    """Why Extended JSON cannot carry this document exactly and unambiguously, None where it can.

    The one rule, decided by the BSON alone so that every codec escapes the same documents: whatever libbson or PyMongo's
    json_util would refuse, change, or take for something else when they read the canonical Extended JSON of it.
    """
    try:
        end = _check_document(document, 0, 0, False)
    except _InexactError as reason:
        return str(reason)
    except UnicodeDecodeError:
        return "text that is not UTF-8"
    except (IndexError, ValueError, struct.error):
        return "malformed"
    return None if end == len(document) else "malformed"


class _InexactError(Exception):
    """Ends the walk through a document; its text is the reason."""


# The checks return where the value that begins at `at` ends.


def _check_document(document: bytes, at: int, depth: int, in_scope: bool) -> int:
    names, end = _check_elements(document, at, depth, in_scope)
    if len(set(names)) != len(names):
        raise _InexactError("a key that stands twice")
    text = b"\0".join(names)
    if b"$" in text and not RESERVED_KEYS.isdisjoint(names) and not (depth and _is_db_ref(document[at:end])):
        raise _InexactError("a key that Extended JSON reserves")
    if not text.isascii():
        text.decode()
    return end


def _check_array(document: bytes, at: int, depth: int, in_scope: bool) -> int:
    names, end = _check_elements(document, at, depth, in_scope)
    if names != [b"%d" % index for index in range(len(names))]:
        raise _InexactError("array keys other than 0, 1, 2 and so on")
    return end


def _check_elements(document: bytes, at: int, depth: int, in_scope: bool) -> tuple[list[bytes], int]:
    """The names of one level and where it ends, after checking its values."""
    if depth > MAX_DEPTH:
        raise _InexactError(f"more than {MAX_DEPTH} levels")
    end = at + _uint32(document, at)[0]
    names: list[bytes] = []
    at += 4
    while kind := document[at]:
        name_end = document.index(0, at)
        names.append(document[at + 1 : name_end])
        if kind in _PLAIN_SIZES:
            at = name_end + 1 + _PLAIN_SIZES[kind]
        elif kind in _CHECKS:
            at = _CHECKS[kind](document, name_end + 1)
        elif kind in _NESTING_CHECKS:
            at = _NESTING_CHECKS[kind](document, name_end + 1, depth + 1, in_scope)
        else:
            raise _InexactError(f"type {kind:#04x}")
    if at + 1 != end:
        raise _InexactError("malformed")
    return names, end


def _is_db_ref(document: bytes) -> bool:
    """`{$ref: <string>, $id: …[, $db: <string>]}` and nothing else: what every reader gives back as it was."""
    fields = list(elements(document))
    names = [field.name for field in fields]
    return names in ([b"$ref", b"$id"], [b"$ref", b"$id", b"$db"]) and {fields[0].kind, *(f.kind for f in fields[2:])} == {
        _STRING
    }


def _check_scoped_code(document: bytes, at: int, depth: int, in_scope: bool) -> int:
    _check_code(document, at + 4, depth, in_scope)
    ...
