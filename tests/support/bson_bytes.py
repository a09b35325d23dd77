"""BSON put together byte by byte, also such as no encoder would write. Layouts: https://bsonspec.org/spec.html."""

import struct

from support.exact_server.raw_bson import document

DOUBLE, STRING, DOCUMENT, ARRAY, BINARY, UNDEFINED, OBJECT_ID, BOOL, DATE, NULL = range(0x01, 0x0B)
REGEX, DB_POINTER, CODE, SYMBOL, SCOPED_CODE, INT32, TIMESTAMP, INT64, DECIMAL = range(0x0B, 0x14)
MIN_KEY, MAX_KEY = 0xFF, 0x7F

Value = tuple[int, bytes]  # type and bytes


def element(name: bytes, value: Value) -> bytes:
    kind, raw = value
    return bytes([kind]) + name + b"\0" + raw


def array(*values: Value) -> bytes:
    return document(*(element(b"%d" % index, value) for index, value in enumerate(values)))


def text(raw: bytes) -> bytes:
    return struct.pack("<i", len(raw) + 1) + raw + b"\0"


def binary(subtype: int, raw: bytes) -> Value:
    return BINARY, struct.pack("<iB", len(raw), subtype) + raw


def old_binary(raw: bytes, inner_length: int | None = None) -> Value:
    """Subtype 2, which counts its bytes a second time; `inner_length` where that count is to be wrong."""
    return binary(2, struct.pack("<i", len(raw) if inner_length is None else inner_length) + raw)


def scoped_code(code: bytes, scope: bytes) -> Value:
    body = text(code) + scope
    return SCOPED_CODE, struct.pack("<i", len(body) + 4) + body


def decimal(high: int, low: int = 0) -> Value:
    return DECIMAL, struct.pack("<QQ", low, high)


def int64(value: int, kind: int = INT64) -> Value:
    return kind, struct.pack("<q", value)


def nested(levels: int, value: Value, kind: int = DOCUMENT) -> bytes:
    """A document with `levels` documents or arrays below it and `value` in the innermost."""
    raw = document(element(b"0", value))
    for _ in range(levels):
        raw = document(element(b"0", (kind, raw)))
    return raw
