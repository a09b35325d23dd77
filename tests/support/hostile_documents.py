"""BSON that codecs get wrong: `ESCAPED` is what Extended JSON cannot carry, `CARRIED` looks like it but can be carried.

Two at the size limit of servers are functions, so that they are only built where they are used.
"""

import struct
from typing import Any

import bson

from support import bson_bytes as raw
from support.bson_bytes import array, binary, decimal, element, int64, nested, old_binary, scoped_code, text
from support.exact_server.raw_bson import document

ONE: raw.Value = (raw.INT32, b"\1\0\0\0")
OBJECT_ID = "507f1f77bcf86cd799439011"
NEARLY_16_MB = 15_900_000

# What a user may store under a key that Extended JSON gives a meaning, chosen to be as convincing as can be.
LOOK_ALIKES: dict[str, Any] = {
    "$oid": OBJECT_ID,
    "$symbol": "x",
    "$numberInt": "5",
    "$numberLong": "5",
    "$numberDouble": "5",
    "$numberDecimal": "5",
    "$binary": {"base64": "AA==", "subType": "00"},
    "$code": "x",
    "$scope": {},
    "$timestamp": {"t": 1, "i": 1},
    "$regularExpression": {"pattern": "a", "options": ""},
    "$dbPointer": {"$ref": "b", "$id": {"$oid": OBJECT_ID}},
    "$date": "2026-01-01T00:00:00Z",
    "$minKey": 1,
    "$maxKey": 1,
    "$undefined": True,
    "$uuid": "c8edabc3-f738-4ca3-b68d-ab92a91478a3",
    "$regex": "a",
    "$options": "i",
    "$type": "00",
    "$bson": "BQAAAAA=",
    "$ref": "collection",
    "$id": 1,
    "$db": "database",
}

_OTHER_LOOK_ALIKES: dict[str, dict[str, Any]] = {
    "$oid of another length": {"a": {"$oid": "x"}},
    "$oid that is a number": {"a": {"$oid": 5}},
    "$date that is an int64": {"a": {"$date": bson.Int64(5)}},
    "$date that is an int32": {"a": {"$date": 5}},
    "$code with $scope": {"a": {"$code": "x", "$scope": {}}},
    "$regex with $options": {"a": {"$regex": "a", "$options": "i"}},
    "$type query operator": {"a": {"$type": 2}},
    "$bson that is no base64": {"$bson": "?"},
    "DBRef at the top": {"$ref": "c", "$id": 1},
    "DBRef in another order": {"a": {"$id": 1, "$ref": "c"}},
    "DBRef with $db before $id": {"a": {"$ref": "c", "$db": "d", "$id": 1}},
    "DBRef whose $ref is a number": {"a": {"$ref": 1, "$id": 1}},
    "DBRef whose $db is null": {"a": {"$ref": "c", "$id": 1, "$db": None}},
    "DBRef with a field that Python takes for an argument": {"a": {"$ref": "c", "$id": 1, "database": 2}},
}


def _look_alikes() -> dict[str, bytes]:
    cases = {name: bson.encode(value) for name, value in _OTHER_LOOK_ALIKES.items()}
    for key, value in LOOK_ALIKES.items():
        cases[f"{key} at the top"] = bson.encode({key: value})
        cases[f"{key} below the top"] = bson.encode({"a": {key: value}})
        cases[f"{key} in an array"] = bson.encode({"a": [{key: value}]})
        cases[f"{key} after another key"] = bson.encode({"a": {"x": 1, key: value}})
        cases[f"{key} in a scope"] = document(element(b"a", scoped_code(b"x", bson.encode({key: value}))))
    return cases


def _single(values: dict[str, raw.Value]) -> dict[str, bytes]:
    return {name: document(element(b"a", value)) for name, value in values.items()}


ESCAPED: dict[str, bytes] = {
    **_look_alikes(),
    "duplicate key": document(element(b"a", ONE), element(b"a", ONE)),
    "duplicate key below the top": nested(1, (raw.DOCUMENT, document(element(b"", ONE), element(b"", ONE)))),
    "duplicate keys of different types": document(
        element(b"a", ONE), element(b"b", ONE), element(b"a", (raw.NULL, b""))
    ),
    "key that is not UTF-8": document(element(b"\xff", ONE)),
    "unknown type": document(b"\x20a\0"),
    "end before the end": document(element(b"a", ONE), b"\0", element(b"b", ONE)),
    "value that is cut off": document(b"\x12a\0\1"),
    "key that never ends": document(b"\x0aaaaa"),
    "150 levels of documents": nested(150, ONE),
    "150 levels of arrays": nested(150, ONE, raw.ARRAY),
    "91 levels": nested(91, ONE),
    "scope that is nested too deeply": document(element(b"a", scoped_code(b"x", nested(90, ONE)))),
    **_single(
        {
            "string that is not UTF-8": (raw.STRING, text(b"\xff")),
            "string that holds a surrogate": (raw.STRING, text(b"\xed\xa0\x80")),
            "string with an overlong NUL": (raw.STRING, text(b"x\xc0\x80y")),
            "string beyond U+10FFFF": (raw.STRING, text(b"\xf4\x90\x80\x80")),
            "string without a final NUL": (raw.STRING, b"\2\0\0\0xy"),
            "string of length 0": (raw.STRING, b"\0\0\0\0"),
            "string of a negative length": (raw.STRING, b"\xff\xff\xff\xffx\0"),
            "string that is longer than the document": (raw.STRING, b"\x40\0\0\0x\0"),
            "symbol that is not UTF-8": (raw.SYMBOL, text(b"\xff")),
            "code with a NUL": (raw.CODE, text(b"x\0y")),
            "code with scope and a NUL": scoped_code(b"x\0y", document()),
            "code within a scope": scoped_code(b"x", document(element(b"f", (raw.CODE, text(b"y"))))),
            "code deep within a scope": scoped_code(b"x", nested(3, scoped_code(b"y", document()))),
            "code in an array within a scope": scoped_code(b"x", nested(3, (raw.CODE, text(b"y")), raw.ARRAY)),
            "scope that is a DBRef": scoped_code(b"x", bson.encode({"$ref": "c", "$id": 1})),
            "scope of another length": (raw.SCOPED_CODE, struct.pack("<i", 16) + text(b"x") + document()),
            "document of another length": (raw.DOCUMENT, b"\6\0\0\0\0"),
            "document of length 4": (raw.DOCUMENT, b"\4\0\0\0\0"),
            "DBPointer with a NUL": (raw.DB_POINTER, text(b"x\0y") + b"1" * 12),
            "NaN with a sign": (raw.DOUBLE, b"\0\0\0\0\0\0\xf8\xff"),
            "NaN with a payload": (raw.DOUBLE, b"\1\0\0\0\0\0\xf8\x7f"),
            "signalling NaN": (raw.DOUBLE, b"\1\0\0\0\0\0\xf0\x7f"),
            "bool 2": (raw.BOOL, b"\2"),
            "bool 255": (raw.BOOL, b"\xff"),
            "old binary with a larger inner length": old_binary(b"xy", 9),
            "old binary with a negative inner length": old_binary(b"xy", -1),
            "old binary without an inner length": binary(2, b"xy"),
            "binary of a negative length": (raw.BINARY, b"\xff\xff\xff\xff\0x"),
            "array that begins at 5": (raw.ARRAY, document(element(b"5", ONE))),
            "array with a leading zero": (raw.ARRAY, document(element(b"00", ONE))),
            "array with a gap": (raw.ARRAY, document(element(b"0", ONE), element(b"2", ONE))),
            "array with an index twice": (raw.ARRAY, document(element(b"0", ONE), element(b"0", ONE))),
            "array with words for indexes": (raw.ARRAY, document(element(b"first", ONE))),
            "regex with unsorted flags": (raw.REGEX, b"x\0mi\0"),
            "regex with a flag twice": (raw.REGEX, b"x\0ii\0"),
            "regex with an unknown flag": (raw.REGEX, b"x\0az\0"),
            "regex that is not UTF-8": (raw.REGEX, b"\xff\0\0"),
            "regex with flags that are not UTF-8": (raw.REGEX, b"x\0\xff\0"),
            "decimal -NaN": decimal(0xFC << 56),
            "decimal signalling NaN": decimal(0x7E << 56),
            "decimal NaN with a payload": decimal(0x7C << 56, 1),
            "decimal Infinity with a payload": decimal(0x78 << 56, 1),
            "decimal with 35 digits": decimal(6176 << 49 | 0x1FFFFFFFFFFFF, 2**64 - 1),
            "decimal 10**34": decimal(6176 << 49 | 10**34 >> 64, 10**34 & 2**64 - 1),
            "decimal of the long form": decimal(0x6C10 << 48),
        }
    ),
}

CARRIED: dict[str, bytes] = {
    "empty document": document(),
    "empty key": document(element(b"", ONE)),
    "key with a quote": document(element(b'a"b\\', ONE)),
    "key with a dot": document(element(b"a.b", ONE)),
    "key with control characters": document(element(bytes(range(1, 32)), ONE)),
    "key in Unicode": document(element("ключ \U0001f600".encode(), ONE)),
    "key of a JavaScript object": document(element(b"__proto__", ONE)),
    "keys within wrappers": document(*(element(key, ONE) for key in (b"base64", b"subType", b"pattern", b"t", b"i"))),
    "unknown dollar key": bson.encode({"$foo": {"$gt": 1}, "$": 1, "$$": 1}),
    "dollar key in other letters": bson.encode({"a": {"$OID": OBJECT_ID, "$oid ": 1, "oid": 2}}),
    "same key at two levels": nested(3, ONE),
    "_id that is not first": bson.encode(bson.SON([("a", 1), ("b", {"z": 1, "_id": 2})])),
    "DBRef": bson.encode({"a": bson.DBRef("c", 1)}),
    "DBRef with a database": bson.encode({"a": bson.DBRef("c", bson.ObjectId(OBJECT_ID), "d")}),
    "DBRef in an array": bson.encode({"a": [bson.DBRef("c", {"x": [1]})]}),
    "90 levels of documents": nested(90, int64(1, raw.DATE)),
    "90 levels of arrays": nested(90, old_binary(b"x"), raw.ARRAY),
    "89 levels and a scope": nested(88, scoped_code(b"x", nested(1, (raw.DB_POINTER, text(b"c") + b"1" * 12)))),
    "array of 1,000": document(element(b"a", (raw.ARRAY, array(*[ONE] * 1000)))),
    "all current types": document(
        element(b"double", (raw.DOUBLE, struct.pack("<d", 0.1))),
        element(b"string", (raw.STRING, text(b"x"))),
        element(b"document", (raw.DOCUMENT, document())),
        element(b"array", (raw.ARRAY, array((raw.NULL, b""), (raw.BOOL, b"\1")))),
        element(b"ObjectId", (raw.OBJECT_ID, bytes(range(12)))),
        element(b"regex", (raw.REGEX, b"^a\0ilmsux\0")),
        element(b"code", (raw.CODE, text(b"x"))),
        element(b"timestamp", (raw.TIMESTAMP, b"\xff" * 8)),
        element(b"minimum", (raw.MIN_KEY, b"")),
        element(b"maximum", (raw.MAX_KEY, b"")),
    ),
    "all binary subtypes": document(
        *(element(b"%d" % subtype, binary(subtype, b"0123456789abcdef")) for subtype in range(256) if subtype != 2),
        element(b"2", old_binary(b"x")),
    ),
    **_single(
        {
            "string with a NUL": (raw.STRING, text(b"x\0y")),
            "string of control characters": (raw.STRING, text(bytes(range(0x20)) + b"\x7f")),
            "string with line separators": (raw.STRING, text("\r\n\u0085\u2028\u2029".encode())),
            "string beyond the first plane": (raw.STRING, text("\uffff\U0001f600\U0010ffff".encode())),
            "string like an escape": (raw.STRING, text(b'{"$bson": "BQAAAAA="}')),
            "string like the end of a collection": (raw.STRING, text(b']}\n], "x": [\n')),
            "symbol": (raw.SYMBOL, text(b"x")),
            "symbol with a NUL": (raw.SYMBOL, text(b"x\0y")),
            "undefined": (raw.UNDEFINED, b""),
            "DBPointer": (raw.DB_POINTER, text(b"d.c") + b"1" * 12),
            "code with scope": scoped_code(b"x", bson.encode({"y": {"z": [1, "2"]}})),
            "code with an empty scope": scoped_code(b"", document()),
            "NaN": (raw.DOUBLE, b"\0\0\0\0\0\0\xf8\x7f"),
            "infinity": (raw.DOUBLE, struct.pack("<d", float("inf"))),
            "minus infinity": (raw.DOUBLE, struct.pack("<d", float("-inf"))),
            "minus zero": (raw.DOUBLE, struct.pack("<d", -0.0)),
            "smallest double": (raw.DOUBLE, struct.pack("<d", 5e-324)),
            "largest double": (raw.DOUBLE, struct.pack("<d", 1.7976931348623157e308)),
            "double that is a whole number": (raw.DOUBLE, struct.pack("<d", 2.0**53)),
            "smallest int32": (raw.INT32, struct.pack("<i", -(2**31))),
            "int64 that fits an int32": int64(1),
            "smallest int64": int64(-(2**63)),
            "largest int64": int64(2**63 - 1),
            "earliest date": int64(-(2**63), raw.DATE),
            "latest date": int64(2**63 - 1, raw.DATE),
            "date in the year 0": int64(-62_167_219_200_000, raw.DATE),
            "date in the year 10000": int64(253_402_300_800_000, raw.DATE),
            "empty timestamp": int64(0, raw.TIMESTAMP),
            "empty binary": binary(0, b""),
            "empty old binary": old_binary(b""),
            "UUID": binary(4, bytes(16)),
            "binary of subtype 4 that is no UUID": binary(4, b"x"),
            "empty regex": (raw.REGEX, b"\0\0"),
            "decimal -Infinity": decimal(0xF8 << 56),
            "decimal NaN": decimal(0x7C << 56),
            "decimal -0E-6176": decimal(1 << 63),
            "decimal 0E+6111": decimal(12287 << 49),
            "decimal of 34 digits": decimal(12287 << 49 | 10**34 - 1 >> 64, 10**34 - 1 & 2**64 - 1),
        }
    ),
}


def large_carried() -> bytes:
    """One string near the size limit of servers, every kind of character that JSON has to escape in it."""
    return document(element(b"a", (raw.STRING, text(('"\\\n\0\x1f/ü' * NEARLY_16_MB).encode()[:NEARLY_16_MB]))))


def large_escaped() -> bytes:
    """200,000 array elements near the size limit of servers, and one bool that is neither 0 nor 1."""
    values = [binary(0, bytes(64))] * 200_000 + [(raw.BOOL, b"\2")]
    return document(element(b"a", (raw.ARRAY, array(*values))))
