"""BSON documents as bytes, and the rule on what Extended JSON cannot carry."""

import bson
import bsonjs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.archive.bson import document_id, elements, escape_reason, split
from support import bson_bytes as raw
from support.bson_bytes import element, int64, nested
from support.bson_strategies import any_documents, exact_documents
from support.exact_server.raw_bson import document
from support.hostile_documents import CARRIED, ESCAPED

SMALL = bson.encode({"a": 1})
RESERVED = "a key that Extended JSON reserves"


@given(st.lists(any_documents, max_size=4))
def test_splits_a_batch_into_the_documents_that_it_was_made_of(documents: list[bytes]) -> None:
    assert list(split(b"".join(documents))) == documents


@pytest.mark.parametrize(
    ("batch", "at"),
    [
        (SMALL[:-1], 0),
        (SMALL + b"\5\0\0", len(SMALL)),
        (SMALL + b"\4\0\0\0\0", len(SMALL)),
        (SMALL + b"\xff\xff\xff\xff\0", len(SMALL)),
        (b"\0\0\0\0", 0),
    ],
)
def test_names_the_byte_at_which_no_document_begins(batch: bytes, at: int) -> None:
    with pytest.raises(ValueError, match=f"^no BSON document at byte {at} of {len(batch)}$"):
        list(split(batch))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((raw.OBJECT_ID, bytes(12)), b"\x07" + bytes(12)),
        ((raw.STRING, raw.text(b"x")), b"\x02\2\0\0\0x\0"),
        ((raw.DOCUMENT, SMALL), b"\x03" + SMALL),
        (raw.binary(4, bytes(16)), b"\x05\x10\0\0\0\x04" + bytes(16)),
        ((raw.REGEX, b"x\0i\0"), b"\x0bx\0i\0"),
        ((raw.DB_POINTER, raw.text(b"c") + bytes(12)), b"\x0c\2\0\0\0c\0" + bytes(12)),
        ((raw.MIN_KEY, b""), b"\xff"),
        (int64(5), b"\x12\5\0\0\0\0\0\0\0"),
    ],
)
def test_finds_the_id_wherever_it_stands(value: raw.Value, expected: bytes) -> None:
    identity, other = element(b"_id", value), element(b"a", (raw.DOCUMENT, bson.encode({"_id": 1})))

    assert [document_id(document(*parts)) for parts in ([identity, other], [other, identity], [identity])] == [
        expected
    ] * 3


def test_ids_of_different_types_are_different() -> None:
    assert document_id(bson.encode({"_id": 5})) != document_id(bson.encode({"_id": bson.Int64(5)}))


def test_a_document_without_an_id_has_none() -> None:
    assert [document_id(each) for each in (document(), SMALL, nested(1, (raw.NULL, b"")))] == [None] * 3


@pytest.mark.parametrize(
    "value", [(raw.STRING, b"\x40\0\0\0x\0"), (raw.INT64, b"\0"), (0x20, b""), (raw.DOCUMENT, b"\5")]
)
def test_an_id_that_does_not_end_is_an_error(value: raw.Value) -> None:
    with pytest.raises(ValueError, match=r"at byte \d+ of \d+|unknown BSON type 0x20"):
        document_id(document(element(b"_id", value)))


@given(exact_documents)
def test_a_document_is_the_sum_of_its_elements(whole: bytes) -> None:
    assert document(*(element(name, (kind, value)) for kind, name, value in elements(whole))) == whole


def test_says_why_a_document_is_escaped() -> None:
    named = {name: reason for name, whole in ESCAPED.items() if (reason := escape_reason(whole)) != RESERVED}

    assert named == {
        "duplicate key": "a key that stands twice",
        "duplicate key below the top": "a key that stands twice",
        "duplicate keys of different types": "a key that stands twice",
        "key that is not UTF-8": "text that is not UTF-8",
        "unknown type": "malformed",
        "end before the end": "malformed",
        "value that is cut off": "malformed",
        "key that never ends": "malformed",
        "150 levels of documents": "more than 90 levels",
        "150 levels of arrays": "more than 90 levels",
        "91 levels": "more than 90 levels",
        "scope that is nested too deeply": "more than 90 levels",
        "string that is not UTF-8": "text that is not UTF-8",
        "string that holds a surrogate": "text that is not UTF-8",
        "string with an overlong NUL": "text that is not UTF-8",
        "string beyond U+10FFFF": "text that is not UTF-8",
        "string without a final NUL": "malformed",
        "string of length 0": "malformed",
        "string of a negative length": "malformed",
        "string that is longer than the document": "malformed",
        "symbol that is not UTF-8": "text that is not UTF-8",
        "code with a NUL": "a NUL in code or in a collection's name",
        "code with scope and a NUL": "a NUL in code or in a collection's name",
        "code within a scope": "code with a scope that is a DBRef or holds code",
        "code deep within a scope": "code with a scope that is a DBRef or holds code",
        "code in an array within a scope": "code with a scope that is a DBRef or holds code",
        "scope that is a DBRef": "code with a scope that is a DBRef or holds code",
        "scope of another length": "malformed",
        "document of another length": "malformed",
        "document of length 4": "malformed",
        "DBPointer with a NUL": "a NUL in code or in a collection's name",
        "NaN with a sign": "a NaN with a sign or a payload",
        "NaN with a payload": "a NaN with a sign or a payload",
        "signalling NaN": "a NaN with a sign or a payload",
        "bool 2": "a bool that is neither 0 nor 1",
        "bool 255": "a bool that is neither 0 nor 1",
        "old binary with a larger inner length": "a binary of subtype 2 with another inner length",
        "old binary with a negative inner length": "a binary of subtype 2 with another inner length",
        "old binary without an inner length": "malformed",
        "binary of a negative length": "malformed",
        "array that begins at 5": "array keys other than 0, 1, 2 and so on",
        "array with a leading zero": "array keys other than 0, 1, 2 and so on",
        "array with a gap": "array keys other than 0, 1, 2 and so on",
        "array with an index twice": "array keys other than 0, 1, 2 and so on",
        "array with words for indexes": "array keys other than 0, 1, 2 and so on",
        "regex with unsorted flags": "flags of a regular expression that are unknown or not in order",
        "regex with a flag twice": "flags of a regular expression that are unknown or not in order",
        "regex with an unknown flag": "flags of a regular expression that are unknown or not in order",
        "regex that is not UTF-8": "text that is not UTF-8",
        "regex with flags that are not UTF-8": "flags of a regular expression that are unknown or not in order",
        "decimal -NaN": "a Decimal128 that is not in canonical form",
        "decimal signalling NaN": "a Decimal128 that is not in canonical form",
        "decimal NaN with a payload": "a Decimal128 that is not in canonical form",
        "decimal Infinity with a payload": "a Decimal128 that is not in canonical form",
        "decimal with 35 digits": "a Decimal128 that is not in canonical form",
        "decimal 10**34": "a Decimal128 that is not in canonical form",
        "decimal of the long form": "a Decimal128 that is not in canonical form",
    }


def test_says_nothing_of_what_extended_json_carries() -> None:
    assert {name: escape_reason(whole) for name, whole in CARRIED.items()} == dict.fromkeys(CARRIED)


@given(any_documents)
def test_libbson_reads_back_whatever_the_rule_lets_pass(whole: bytes) -> None:
    assert escape_reason(whole) or bsonjs.loads(bsonjs.dumps(whole, mode=bsonjs.CANONICAL)) == whole


@given(st.binary(max_size=80))
def test_judges_any_bytes_without_an_error(noise: bytes) -> None:
    assert escape_reason(noise) is None or escape_reason(noise)


@pytest.mark.parametrize("whole", [b"", b"\0", bytes(4), SMALL[:-1], SMALL + b"\0", SMALL + SMALL])
def test_bytes_that_are_not_one_document_are_malformed(whole: bytes) -> None:
    assert escape_reason(whole) == "malformed"
