"""BSON documents as bytes: where they end, what their `_id` is, and which of them Extended JSON cannot carry.

Source of the layout: https://bsonspec.org/spec.html (version 1.1).
"""

import struct
from collections.abc import Iterator

MAX_DEPTH = 90  # libbson's reader gives up at 97 levels, servers at 100

_SMALLEST = 5  # bytes: a length and the final NUL
_int32 = struct.Struct("<i").unpack_from
_FIXED_SIZES = {
    0x01: 8,
    0x06: 0,
    0x07: 12,
    0x08: 1,
    0x09: 8,
    0x0A: 0,
    0x10: 4,
    0x11: 8,
    0x12: 8,
    0x13: 16,
    0x7F: 0,
    0xFF: 0,
}
_DOCUMENT, _ARRAY, _BINARY, _REGEX, _DB_POINTER, _CODE_WITH_SCOPE = 0x03, 0x04, 0x05, 0x0B, 0x0C, 0x0F
_STRING = 0x02
_STRINGS = frozenset({_STRING, 0x0D, 0x0E})
_DOLLAR = 0x24

# Keys that a reader of Extended JSON takes for one of its own wrappers, in any of the dialects that are in use.
RESERVED_KEYS = frozenset(
    b"$oid $symbol $numberInt $numberLong $numberDouble $numberDecimal $binary $code $scope $timestamp $regularExpression "
    b"$dbPointer $date $minKey $maxKey $undefined $uuid $regex $options $type $bson $ref $id $db".split()
)


def split(batch: bytes) -> Iterator[bytes]:
    """Each of the documents that stand one after the other in `batch`. Raises ValueError where a length is impossible."""
    at, end = 0, len(batch)
    while at < end:
        size = _int32(batch, at)[0] if end - at >= _SMALLEST else 0
        if size < _SMALLEST or at + size > end:
            raise ValueError(f"no BSON document at byte {at} of {end}")
        yield batch[at : at + size]
        at += size


def document_id(document: bytes) -> bytes | None:
    """Type and value of the top-level `_id` as bytes, None where there is none."""
    if document[5:9] == b"_id\0":  # first, as servers store it
        return document[4:5] + document[9 : _value_end(document, document[4], 9)]
    at, end = 4, len(document) - 1
    while at < end:
        kind, name_end = document[at], document.index(0, at + 1)
        value_end = _value_end(document, kind, name_end + 1)
        if document[at + 1 : name_end] == b"_id":
            return bytes([kind]) + document[name_end + 1 : value_end]
        at = value_end
    return None


def _value_end(document: bytes, kind: int, at: int) -> int:
    """Where the value of type `kind` that begins at `at` ends. Raises ValueError for an unknown type."""
    size = _FIXED_SIZES.get(kind)
    if size is not None:
        return at + size
    if kind in _STRINGS:
        return at + 4 + _length(document, at)
    if kind in (_DOCUMENT, _ARRAY, _CODE_WITH_SCOPE):
        return at + _length(document, at)
    if kind == _BINARY:
        return at + 5 + _length(document, at)
    if kind == _REGEX:
        return document.index(0, document.index(0, at) + 1) + 1
    if kind == _DB_POINTER:
        return at + 4 + _length(document, at) + 12
    raise ValueError(f"unknown BSON type {kind:#04x}")


def _length(document: bytes, at: int) -> int:
    size: int = _int32(document, at)[0]
    if size < 0:
        raise ValueError(f"negative length at byte {at}")
    return size


def escape_reason(document: bytes) -> str | None:
    """Why Extended JSON cannot carry this document without a reader being misled, or None.

    The rule, the same for every codec: a document is escaped as a whole when, at any depth, a key stands twice in one
    document, a key is one of RESERVED_KEYS (other than those of a well-formed DBRef), or it is nested more than MAX_DEPTH
    levels deep; and when what a reader makes of its canonical Extended JSON is not the same bytes.
    """
    try:
        return _reason(document, 4, len(document) - 1, 0)
    except (ValueError, IndexError, struct.error):
        return "malformed"


def _reason(document: bytes, at: int, end: int, depth: int) -> str | None:  # noqa: C901, PLR0912 - one loop, inlined: it is the hot path
    if depth > MAX_DEPTH:
        return "nested too deeply"
    keys: list[bytes] = []
    has_dollar = False
    index = document.index
    begin = at
    while at < end:
        kind = document[at]
        name_end = index(0, at + 1)
        if document[at + 1] == _DOLLAR:
            has_dollar = True
        keys.append(document[at + 1 : name_end])
        at = name_end + 1
        size = _FIXED_SIZES.get(kind)
        if size is not None:
            at += size
        elif kind in _STRINGS:
            at += 4 + _length(document, at)
        elif kind in (_DOCUMENT, _ARRAY):
            inside_end = at + _length(document, at)
            if (reason := _reason(document, at + 4, inside_end - 1, depth + 1)) is not None:
                return reason
            at = inside_end
        elif kind == _CODE_WITH_SCOPE:
            inside_end = at + _length(document, at)
            scope = at + 8 + _length(document, at + 4)
            if (reason := _reason(document, scope + 4, inside_end - 1, depth + 1)) is not None:
                return reason
            at = inside_end
        else:
            at = _value_end(document, kind, at)
    if at != end:
        return "malformed"
    if len(set(keys)) != len(keys):
        return "duplicate key"
    if has_dollar and not RESERVED_KEYS.isdisjoint(keys) and not _is_db_ref(document[begin], keys):
        return "reserved key"
    return None


def _is_db_ref(first_kind: int, keys: list[bytes]) -> bool:
    """`{$ref: <string>, $id: …[, $db: …]}` and nothing else: what every reader gives back as it was."""
    return first_kind == _STRING and keys in ([b"$ref", b"$id"], [b"$ref", b"$id", b"$db"])
