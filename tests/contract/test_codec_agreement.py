"""The codecs are one format: the same bytes for the same documents, and each reads what any of them wrote or writes."""

import struct
from collections import Counter

import bsonjs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.archive.bson import escape_reason
from sidecar.archive.choose import choose_codec
from sidecar.archive.codec import Codec, Counted, Decoded
from support import bson_bytes as raw
from support import bson_corpus
from support.bson_bytes import element
from support.bson_strategies import any_documents
from support.codecs import each_codec
from support.exact_server.raw_bson import document
from support.hostile_documents import CARRIED, ESCAPED

PYTHON, NATIVE = choose_codec("python"), choose_codec("native")

KNOWN = ESCAPED | CARRIED | {case.name: case.bson for case in bson_corpus.valid_cases()}
any_doubles = st.one_of(
    st.floats(),
    st.binary(min_size=8, max_size=8).map(lambda bits: float(struct.unpack("<d", bits)[0])),
    st.builds(lambda digits, exponent: float(f"{digits}e{exponent}"), st.integers(0, 10**17), st.integers(-30, 30)),
)


def test_known_documents_have_the_same_text() -> None:
    assert {name: NATIVE.encode(one) for name, one in KNOWN.items()} == {
        name: PYTHON.encode(one) for name, one in KNOWN.items()
    }


@given(st.lists(any_documents, max_size=4))
def test_any_documents_have_the_same_text(documents: list[bytes]) -> None:
    batch = b"".join(documents)

    encoded = NATIVE.encode(batch)

    assert encoded == PYTHON.encode(batch)
    assert PYTHON.decode(encoded.text) == NATIVE.decode(encoded.text) == Decoded(batch, *encoded[1:])


@each_codec
@given(st.lists(any_documents, max_size=4))
def test_documents_are_counted_as_they_are_encoded(codec: Codec, documents: list[bytes]) -> None:
    batch = b"".join(documents)

    encoded = codec.encode(batch)

    assert codec.count(batch) == Counted(encoded.documents, encoded.fingerprint)
    if batch:
        with pytest.raises(ValueError, match="byte"):
            codec.count(batch[:-1])


@given(any_doubles)
def test_a_double_has_the_digits_that_python_gives_it(value: float) -> None:
    one = document(element(b"a", (raw.DOUBLE, struct.pack("<d", value))))

    text = NATIVE.encode(one).text

    assert text == PYTHON.encode(one).text
    assert (
        value in {float("inf"), -float("inf")}
        or b'{"a":{"$numberDouble":"%b"}}' % repr(value).encode() == text
        or (
            value != value  # noqa: PLR0124 - what is no number equals nothing
        )
    )


@each_codec
@given(any_documents)
def test_text_as_libbson_lays_it_out_is_read(codec: Codec, one: bytes) -> None:
    """Backups of earlier versions: blanks around every token and doubles of 20 digits."""
    if escape_reason(one) is None:
        text = bsonjs.dumps(one, mode=bsonjs.CANONICAL).encode()
        assert codec.decode(text).bson == one


@each_codec
@given(st.lists(st.binary(min_size=1, max_size=9), max_size=20))
def test_equal_ids_and_no_others_have_equal_hashes(codec: Codec, ids: list[bytes]) -> None:
    batch = b"".join(document(element(b"_id", raw.binary(0, one))) for one in ids)

    hashes = codec.id_hashes(batch + document(element(b"a", (raw.NULL, b""))))

    assert len(hashes) == len(ids)
    assert len(set(hashes)) == len(set(ids))


@each_codec
def test_an_id_is_told_by_its_type_too_and_found_wherever_it_stands(codec: Codec) -> None:
    first = document(element(b"_id", (raw.INT64, bytes(8))), element(b"a", (raw.NULL, b"")))
    last = document(element(b"a", (raw.STRING, raw.text(b"_id\0"))), element(b"_id", (raw.INT64, bytes(8))))
    date = document(element(b"_id", (raw.DATE, bytes(8))))

    hashes = codec.id_hashes(first + last + date)

    (of_date,) = codec.id_hashes(date)
    assert Counter(hashes).pop(of_date) == 1
    assert len(set(hashes)) == 2
