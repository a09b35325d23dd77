"""BSON documents as bytes: split a batch, read an `_id`, and decide which documents Extended JSON cannot carry.

Source of the layout: https://bsonspec.org/spec.html (version 1.1).
"""

import itertools
import operator
import re
import struct
from array import array
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

MAX_DEPTH: Final = (
    90  # levels below the top; libbson's reader gives up at 94 to 97, depending on the values, servers at 100
)

# Keys that some reader of Extended JSON takes for the wrapper of a value, or for a DBRef ($ref, $id, $db).
RESERVED_KEYS: Final = frozenset(
    b"$oid $symbol $numberInt $numberLong $numberDouble $numberDecimal $binary $code $scope $timestamp $regularExpression "
    b"$dbPointer $date $minKey $maxKey $undefined $uuid $regex $options $type $bson $ref $id $db".split()
)

_SMALLEST: Final = 5  # bytes of an empty document: its length and the final NUL
_DOUBLE, _STRING, _DOCUMENT, _ARRAY, _BINARY, _UNDEFINED, _OBJECT_ID, _BOOL, _DATE, _NULL = range(0x01, 0x0B)
_REGEX, _DB_POINTER, _CODE, _SYMBOL, _SCOPED_CODE, _INT32, _TIMESTAMP, _INT64, _DECIMAL = range(0x0B, 0x14)
_MIN_KEY, _MAX_KEY = 0xFF, 0x7F

# Sizes of the values of those types whose every bit pattern Extended JSON can carry.
_EXACT_SIZES: Final = {
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
_FIXED_SIZES: Final = _EXACT_SIZES | {_DOUBLE: 8, _BOOL: 1, _DECIMAL: 16}
# Bytes of a value that its leading length does not count.
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

_OLD_BINARY: Final = 2  # the binary subtype that repeats its length inside the value
_SORTED_FLAGS: Final = re.compile(rb"i?l?m?s?u?x?")
# ±Infinity and NaN, as doubles and as decimals
_EXACT_NON_FINITES: Final = frozenset(bytes(6) + end for end in (b"\xf0\x7f", b"\xf0\xff", b"\xf8\x7f"))
_EXACT_SPECIAL_DECIMALS: Final = frozenset(top << 120 for top in (0x78, 0xF8, 0x7C))
_SPECIAL: Final = 3 << 125  # both bits set: an infinity, a NaN, or a coefficient too long for the format
_COEFFICIENT: Final = (1 << 113) - 1
_DECIMAL_DIGITS: Final = 34

# Unsigned: a negative length reads as a huge one, which is refused, and a reading position never moves backwards.
_uint32 = struct.Struct("<I").unpack_from


class Element(NamedTuple):
    """One field of a document: its BSON type, its name, and the bytes of its value."""

    kind: int
    name: bytes
    value: bytes


def split(batch: bytes) -> Iterator[bytes]:
    """Yield the documents of `batch`, which is concatenated BSON. Raises ValueError for an impossible length."""
    at, end = 0, len(batch)
    while at < end:
        size = _uint32(batch, at)[0] if end - at >= _SMALLEST else 0
        if size < _SMALLEST or at + size > end:
            raise ValueError(f"no BSON document at byte {at} of {end}")
        yield batch[at : at + size]
        at += size


def document_id(document: bytes) -> bytes | None:
    """The type byte and the value of the top-level `_id`; None if there is none. Raises ValueError for malformed BSON."""
    if document[5:9] == b"_id\0" and (end := value_end(document, document[4], 9)) < len(document):
        return document[4:5] + document[9:end]  # a server stores `_id` as the first field
    return next((bytes([kind]) + value for kind, name, value in elements(document) if name == b"_id"), None)


def id_hashes(batch: bytes) -> "array[int]":
    """A hash of the `_id` of each document that has one; equal `_id`s have equal hashes in one process. Raises ValueError."""
    return array("q", (hash(found) for document in split(batch) if (found := document_id(document)) is not None))


def elements(document: bytes) -> Iterator[Element]:
    """Yield the top-level fields of a document. Raises ValueError for malformed BSON."""
    at, end = 4, len(document) - 1
    while at < end:
        name_end = document.index(0, at + 1)
        following = value_end(document, document[at], name_end + 1)
        if following > end:
            raise ValueError(f"a value of {following - name_end - 1} bytes at byte {name_end + 1} of {end}")
        yield Element(document[at], document[at + 1 : name_end], document[name_end + 1 : following])
        at = following


def value_end(document: bytes | memoryview, kind: int, at: int) -> int:
    """Where a value of this type ends that begins there; perhaps behind the document. Raises ValueError."""
    if kind in _FIXED_SIZES:
        return at + _FIXED_SIZES[kind]
    if kind in _UNCOUNTED:
        return at + _UNCOUNTED[kind] + _length(document, at)
    if kind == _REGEX:
        raw = document if isinstance(document, bytes) else bytes(document)
        return raw.index(0, raw.index(0, at) + 1) + 1
    raise ValueError(f"unknown BSON type {kind:#04x}")


def _length(document: bytes | memoryview, at: int) -> int:
    if at + 4 > len(document):
        raise ValueError(f"a length at byte {at} of {len(document)}")
    size: int = _uint32(document, at)[0]
    return size


def escape_reason(document: bytes) -> str | None:
    """Why Extended JSON cannot carry this document exactly and unambiguously; None if it can.

    The rule looks at the BSON alone, so that every codec escapes the same documents: those whose canonical Extended JSON
    libbson or PyMongo's json_util would refuse, change or misread.
    """
    try:
        end = _check_document(document, 0, 0)
    except _InexactError as reason:
        return str(reason)
    except UnicodeDecodeError:
        return "text that is not UTF-8"
    except (IndexError, KeyError, ValueError, struct.error):
        return "malformed"
    return None if end == len(document) else "malformed"


class _InexactError(Exception):
    """Ends the check of a document; its text is the reason."""


# Each check returns the end of the value that begins at `at`.


def _check_document(document: bytes, at: int, depth: int) -> int:
    names, end = _check_elements(document, at, depth)
    if len(set(names)) != len(names):
        raise _InexactError("a key that stands twice")
    text = b"\0".join(names)
    if b"$" in text and not RESERVED_KEYS.isdisjoint(names) and not (depth and _is_db_ref(document[at:end])):
        raise _InexactError("a key that Extended JSON reserves")
    if not text.isascii():
        text.decode()
    return end


def _check_array(document: bytes, at: int, depth: int) -> int:
    names, end = _check_elements(document, at, depth)
    if not all(map(operator.eq, names, map(b"%d".__mod__, itertools.count()))):
        raise _InexactError("array keys other than 0, 1, 2 and so on")
    return end


def _check_elements(document: bytes, at: int, depth: int) -> tuple[list[bytes], int]:
    """Check the values of one level. Return the names of its fields and the end of the document."""
    if depth > MAX_DEPTH:
        raise _InexactError(f"more than {MAX_DEPTH} levels")
    end = at + _uint32(document, at)[0]
    names: list[bytes] = []
    at += 4
    while kind := document[at]:
        name_end = document.index(0, at)
        names.append(document[at + 1 : name_end])
        at = name_end + 1
        if (size := _EXACT_SIZES.get(kind)) is not None:
            at += size
        elif kind in _VALUE_CHECKS:
            at = _VALUE_CHECKS[kind](document, at)
        else:
            at = _NESTING_CHECKS[kind](document, at, depth + 1)
    if at + 1 != end:
        raise _InexactError("malformed")
    return names, end


def _is_db_ref(document: bytes) -> bool:
    """Whether it is `{$ref: <string>, $id: …[, $db: <string>]}` and nothing else, which every reader gives back unchanged."""
    kinds = {name: kind for kind, name, _ in elements(document)}
    texts = {kind for name, kind in kinds.items() if name != b"$id"}
    return list(kinds) in ([b"$ref", b"$id"], [b"$ref", b"$id", b"$db"]) and texts == {_STRING}


def _check_scoped_code(document: bytes, at: int, depth: int) -> int:
    begin = _check_code(document, at + 4)
    end = _check_document(document, begin, depth)
    scope = document[begin:end]
    if end != at + _uint32(document, at)[0]:
        raise _InexactError("malformed")
    if _is_db_ref(scope) or _holds_code(scope):
        raise _InexactError("code with a scope that is a DBRef or holds code")
    return end


def _holds_code(document: bytes) -> bool:
    return any(
        kind in {_CODE, _SCOPED_CODE} or (kind in {_DOCUMENT, _ARRAY} and _holds_code(value))
        for kind, _, value in elements(document)
    )


def _check_string(document: bytes, at: int) -> int:
    end: int = at + 4 + _uint32(document, at)[0]
    text = document[at + 4 : end]
    if text[-1]:
        raise _InexactError("malformed")
    if not text.isascii():
        text.decode()
    return end


def _check_code(document: bytes, at: int) -> int:
    end = _check_string(document, at)
    if document.index(0, at + 4) != end - 1:
        raise _InexactError("a NUL in code or in a collection's name")
    return end


def _check_db_pointer(document: bytes, at: int) -> int:
    return _check_code(document, at) + 12


def _check_double(document: bytes, at: int) -> int:
    is_finite = document[at + 7] & 0x7F < 0x7F or document[at + 6] < 0xF0  # noqa: PLR2004 - some exponent bit is 0
    if not is_finite and document[at : at + 8] not in _EXACT_NON_FINITES:
        raise _InexactError("a NaN with a sign or a payload")
    return at + 8


def _check_bool(document: bytes, at: int) -> int:
    if document[at] > 1:
        raise _InexactError("a bool that is neither 0 nor 1")
    return at + 1


def _check_decimal(document: bytes, at: int) -> int:
    bits = int.from_bytes(document[at : at + 16], "little")
    is_number = bits & _SPECIAL != _SPECIAL and bits & _COEFFICIENT < 10**_DECIMAL_DIGITS
    if not is_number and bits not in _EXACT_SPECIAL_DECIMALS:
        raise _InexactError("a Decimal128 that is not in canonical form")
    return at + 16


def _check_binary(document: bytes, at: int) -> int:
    size: int = _uint32(document, at)[0]
    if document[at + 4] == _OLD_BINARY and _uint32(document, at + 5)[0] != size - 4:
        raise _InexactError("a binary of subtype 2 with another inner length")
    return at + 5 + size


def _check_regex(document: bytes, at: int) -> int:
    pattern_end = document.index(0, at)
    flags_end = document.index(0, pattern_end + 1)
    document[at:pattern_end].decode()
    if not _SORTED_FLAGS.fullmatch(document, pattern_end + 1, flags_end):
        raise _InexactError("flags of a regular expression that are unknown or not in order")
    return flags_end + 1


_VALUE_CHECKS: Final[dict[int, Callable[[bytes, int], int]]] = {
    _DOUBLE: _check_double,
    _STRING: _check_string,
    _BINARY: _check_binary,
    _BOOL: _check_bool,
    _REGEX: _check_regex,
    _DB_POINTER: _check_db_pointer,
    _CODE: _check_code,
    _SYMBOL: _check_string,
    _DECIMAL: _check_decimal,
}
_NESTING_CHECKS: Final[dict[int, Callable[[bytes, int, int], int]]] = {
    _DOCUMENT: _check_document,
    _ARRAY: _check_array,
    _SCOPED_CODE: _check_scoped_code,
}
