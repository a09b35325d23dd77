"""Hypothesis strategies for raw BSON documents, from such as every reader agrees on to bytes that are hardly BSON at all."""

import struct

from hypothesis import strategies as st

from support import bson_bytes as raw
from support.bson_bytes import Value, array, binary, element, old_binary, scoped_code, text
from support.exact_server.raw_bson import document
from support.hostile_documents import LOOK_ALIKES

_LARGEST_COEFFICIENT = 10**34 - 1

_texts = st.text(max_size=20).map(str.encode)
_c_strings = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12).map(str.encode)
_names = st.one_of(st.sampled_from([b"a", b"b", b"_id", b"", b"$foo", b"0"]), _c_strings).filter(
    lambda name: name.decode() not in LOOK_ALIKES
)
_eight_bytes = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1, -1])).map(struct.Struct("<q").pack)
_flags = st.sets(st.sampled_from("ilmsux")).map(lambda flags: "".join(sorted(flags)).encode())
_subtypes = st.integers(0, 255).filter(lambda subtype: subtype != 2)


def _decimal(parts: tuple[int, int, bool]) -> bytes:
    coefficient, exponent, is_negative = parts
    return (is_negative << 127 | exponent << 113 | coefficient).to_bytes(16, "little")


_decimals = st.one_of(
    st.tuples(st.integers(0, _LARGEST_COEFFICIENT), st.integers(0, 12287), st.booleans()).map(_decimal),
    st.sampled_from([bytes(15) + b"\x78", bytes(15) + b"\xf8", bytes(15) + b"\x7c"]),
)
_current_values = st.one_of(
    st.tuples(st.just(raw.DOUBLE), st.floats(allow_nan=False).map(struct.Struct("<d").pack)),
    st.just((raw.DOUBLE, b"\0\0\0\0\0\0\xf8\x7f")),
    st.tuples(st.just(raw.STRING), _texts.map(text)),
    st.builds(binary, _subtypes, st.binary(max_size=20)),
    st.builds(old_binary, st.binary(max_size=20)),
    st.tuples(st.just(raw.OBJECT_ID), st.binary(min_size=12, max_size=12)),
    st.tuples(st.just(raw.BOOL), st.sampled_from([b"\0", b"\1"])),
    st.tuples(st.sampled_from([raw.DATE, raw.TIMESTAMP, raw.INT64]), _eight_bytes),
    st.tuples(st.just(raw.INT32), st.binary(min_size=4, max_size=4)),
    st.tuples(
        st.just(raw.REGEX), st.builds(lambda pattern, flags: pattern + b"\0" + flags + b"\0", _c_strings, _flags)
    ),
    st.tuples(st.just(raw.CODE), _c_strings.map(text)),
    st.tuples(st.just(raw.DECIMAL), _decimals),
    st.tuples(st.sampled_from([raw.NULL, raw.MIN_KEY, raw.MAX_KEY]), st.just(b"")),
)
_deprecated_values = st.one_of(
    st.just((raw.UNDEFINED, b"")),
    st.tuples(st.just(raw.SYMBOL), _texts.map(text)),
    st.tuples(
        st.just(raw.DB_POINTER),
        st.builds(lambda ns, oid: text(ns) + oid, _c_strings, st.binary(min_size=12, max_size=12)),
    ),
)
_odd_values = st.one_of(
    st.tuples(st.sampled_from([raw.STRING, raw.SYMBOL, raw.CODE]), st.binary(max_size=8).map(text)),
    st.tuples(st.just(raw.DOUBLE), st.binary(min_size=6, max_size=6).map(lambda low: low + b"\xf8\xff")),
    st.tuples(st.just(raw.DECIMAL), st.binary(min_size=16, max_size=16)),
    st.builds(old_binary, st.binary(max_size=8), st.integers(-3, 9)),
    st.tuples(st.just(raw.BOOL), st.binary(min_size=1, max_size=1)),
    st.tuples(st.just(raw.REGEX), st.sampled_from([b"\xff\0\0", b"x\0mi\0", b"x\0z\0"])),
    st.tuples(st.just(raw.DB_POINTER), st.just(text(b"x\0y") + bytes(12))),
    st.tuples(st.integers(0, 255), st.binary(max_size=20)),
)


@st.composite
def _fields(
    draw: st.DrawFn, names: st.SearchStrategy[bytes], values: st.SearchStrategy[Value], *, unique: bool
) -> bytes:
    chosen = draw(st.lists(names, max_size=5, unique=unique))
    return document(*(element(name, draw(values)) for name in chosen))


def _documents(
    leaves: st.SearchStrategy[Value], names: st.SearchStrategy[bytes], *, unique: bool
) -> st.SearchStrategy[bytes]:
    def nesting(values: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
        return st.one_of(
            st.tuples(st.just(raw.DOCUMENT), _fields(names, values, unique=unique)),
            st.tuples(st.just(raw.ARRAY), st.lists(values, max_size=5).map(lambda items: array(*items))),
            st.builds(_db_ref, _texts, values, st.none() | _texts),
        )

    not_code = st.recursive(leaves.filter(lambda value: value[0] != raw.CODE), nesting, max_leaves=6)
    scoped = st.builds(scoped_code, _c_strings, _fields(names, not_code, unique=unique))
    return _fields(names, st.recursive(leaves | scoped, nesting, max_leaves=12), unique=unique)


def _db_ref(collection: bytes, identity: Value, database: bytes | None) -> Value:
    fields = [element(b"$ref", (raw.STRING, text(collection))), element(b"$id", identity)]
    if database is not None:
        fields.append(element(b"$db", (raw.STRING, text(database))))
    return raw.DOCUMENT, document(*fields)


def _bitten(whole: bytes, bites: list[tuple[int, int]]) -> bytes:
    """Some bytes changed, but neither the length nor the final NUL."""
    changed = bytearray(whole)
    for place, byte in bites:
        if len(whole) > 5:
            changed[4 + place % (len(whole) - 5)] = byte
    return bytes(changed)


current_documents = _documents(_current_values, _names, unique=True)
"""What Extended JSON carries and PyMongo reads and writes without a change."""

exact_documents = _documents(_current_values | _deprecated_values, _names, unique=True)
"""What Extended JSON carries, also the types that PyMongo reads as others."""

odd_documents = _documents(
    _current_values | _deprecated_values | _odd_values,
    _names | st.sampled_from([key.encode() for key in LOOK_ALIKES] + [b"\xff"]),
    unique=False,
)
"""Every kind of thing that a server may hold."""

damaged_documents = st.builds(
    _bitten, exact_documents, st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=3)
)
framed_noise = st.binary(max_size=60).map(document)

any_documents = exact_documents | odd_documents | damaged_documents | framed_noise
"""Anything with the length of a document in front and a NUL at its end."""
