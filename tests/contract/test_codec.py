"""What every codec promises: any BSON comes back byte for byte, and anybody's tools can read what is not escaped."""

import base64
import hashlib
import json
import tracemalloc
from collections.abc import Callable
from typing import Any, TypeVar

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.archive.bson import escape_reason
from sidecar.archive.codec import Codec, CodecError, Decoded, Encoded
from support import bson_corpus
from support.bson_bytes import NULL, STRING, element, text
from support.bson_strategies import any_documents, exact_documents
from support.codecs import each_codec
from support.exact_server.raw_bson import document
from support.hostile_documents import CARRIED, ESCAPED, large_carried, large_escaped

SMALL = bson.encode({"a": 1})

Result = TypeVar("Result")


def escape_of(raw: bytes) -> bytes:
    return b'{"$bson": "' + base64.b64encode(raw) + b'"}'


def sum_of_digests(*documents: bytes) -> int:
    return sum(int(hashlib.sha256(raw).hexdigest(), 16) for raw in documents) % 2**256


def there_and_back(codec: Codec, raw: bytes) -> bytes:
    return codec.decode(codec.encode(raw).text).bson


def with_peak_memory(step: Callable[[bytes], Result], given_bytes: bytes) -> tuple[Result, int]:
    """The peak is in bytes."""
    tracemalloc.start()
    try:
        return step(given_bytes), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def with_doubles_as_numbers(value: Any) -> Any:
    """Extended JSON leaves it open how the digits of a double are written."""
    if isinstance(value, list):
        return [with_doubles_as_numbers(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"$numberDouble"}:
        return {"$numberDouble": repr(float(value["$numberDouble"]))}
    return {key: with_doubles_as_numbers(item) for key, item in value.items()}


@each_codec
def test_an_empty_batch_has_no_text(codec: Codec) -> None:
    assert codec.encode(b"") == Encoded(b"", documents=0, escaped=0, fingerprint=0)
    assert codec.decode(b"") == Decoded(b"", documents=0, escaped=0, fingerprint=0)


@each_codec
def test_writes_one_document_per_line_with_commas_between_them(codec: Codec) -> None:
    twice = ESCAPED["duplicate key"]

    encoded = codec.encode(SMALL + twice + SMALL)

    first, second, third = encoded.text.split(b",\n")
    assert [json.loads(first), second, json.loads(third)] == [
        {"a": {"$numberInt": "1"}},
        escape_of(twice),
        {"a": {"$numberInt": "1"}},
    ]
    assert encoded[1:] == (3, 1, sum_of_digests(SMALL, twice, SMALL))


@each_codec
def test_refuses_a_batch_that_is_not_whole_documents_and_says_where(codec: Codec) -> None:
    with pytest.raises(ValueError, match=f"at byte {len(SMALL)} of {len(SMALL) + 7}"):
        codec.encode(SMALL + SMALL[:7])


@each_codec
def test_valid_cases_of_the_bson_corpus_come_back_byte_for_byte(codec: Codec) -> None:
    cases = bson_corpus.valid_cases()

    assert len(cases) > 700
    assert [(case.name, there_and_back(codec, case.bson)) for case in cases] == [
        (case.name, case.bson) for case in cases
    ]


@each_codec
def test_text_says_the_same_as_the_bson_corpus(codec: Codec) -> None:
    cases = [case for case in bson_corpus.valid_cases() if escape_reason(case.bson) is None]

    assert len(cases) > 700
    assert [(case.name, with_doubles_as_numbers(json.loads(codec.encode(case.bson).text))) for case in cases] == [
        (case.name, with_doubles_as_numbers(case.extended_json)) for case in cases
    ]


@each_codec
def test_malformed_documents_of_the_bson_corpus_are_escaped(codec: Codec) -> None:
    malformed = bson_corpus.malformed_documents()

    assert len(malformed) > 50
    assert {name: codec.encode(raw).text for name, raw in malformed.items()} == {
        name: escape_of(raw) for name, raw in malformed.items()
    }


@each_codec
def test_what_extended_json_cannot_carry_is_escaped(codec: Codec) -> None:
    assert {name: codec.encode(raw).text for name, raw in ESCAPED.items()} == {
        name: escape_of(raw) for name, raw in ESCAPED.items()
    }


@each_codec
def test_what_extended_json_can_carry_is_not_escaped(codec: Codec) -> None:
    assert [name for name, raw in CARRIED.items() if codec.encode(raw).escaped] == []


@each_codec
def test_hostile_documents_come_back_byte_for_byte(codec: Codec) -> None:
    hostile = ESCAPED | CARRIED

    assert {name: there_and_back(codec, raw) for name, raw in hostile.items()} == hostile


@each_codec
def test_hostile_documents_come_back_from_one_batch(codec: Codec) -> None:
    batch = b"".join((ESCAPED | CARRIED).values())

    encoded = codec.encode(batch)

    counts = (len(ESCAPED) + len(CARRIED), len(ESCAPED), sum_of_digests(*ESCAPED.values(), *CARRIED.values()))
    assert encoded[1:] == counts
    assert codec.decode(encoded.text) == Decoded(batch, *counts)


@each_codec
def test_a_batch_of_some_megabytes_gives_what_its_documents_give_in_their_order(codec: Codec) -> None:
    """However many of them are worked on at once."""
    documents = [
        bson.encode({"_id": n, "text": "x" * 20_000}) if n % 7 else document(element(b"a", (STRING, text(b"\xff"))))
        for n in range(70)
    ]
    each = [codec.encode(raw) for raw in documents]
    escaped = sum(one.escaped for one in each)
    assert escaped == 10
    assert codec.encode(b"".join(documents)) == Encoded(
        b",\n".join(one.text for one in each), len(documents), escaped, sum_of_digests(*documents)
    )


@each_codec
def test_a_batch_of_some_megabytes_that_is_cut_is_refused_at_the_same_byte(codec: Codec) -> None:
    one = bson.encode({"text": "x" * 20_000})
    with pytest.raises(ValueError, match=f"no BSON document at byte {69 * len(one)} of {70 * len(one) - 1}"):
        codec.encode((one * 70)[:-1])


@each_codec
@pytest.mark.parametrize(("build", "escaped"), [(large_carried, 0), (large_escaped, 1)])
def test_documents_of_the_largest_size_come_back_in_the_memory_of_a_few_copies(
    codec: Codec, build: Callable[[], bytes], escaped: int
) -> None:
    raw = build()

    encoded, encoding_peak = with_peak_memory(codec.encode, raw)
    decoded, decoding_peak = with_peak_memory(codec.decode, encoded.text)

    assert encoded.escaped == escaped
    assert decoded == Decoded(raw, *encoded[1:])
    assert max(encoding_peak, decoding_peak) < 3 * len(encoded.text)


@each_codec
@given(st.lists(any_documents, max_size=4))
def test_any_documents_come_back_with_the_same_figures(codec: Codec, documents: list[bytes]) -> None:
    batch = b"".join(documents)

    encoded = codec.encode(batch)

    escaped = sum(escape_reason(raw) is not None for raw in documents)
    assert encoded[1:] == (len(documents), escaped, sum_of_digests(*documents))
    assert codec.decode(encoded.text) == Decoded(batch, *encoded[1:])


@each_codec
@given(st.lists(any_documents, min_size=1, max_size=4))
def test_no_line_break_stands_within_a_document(codec: Codec, documents: list[bytes]) -> None:
    lines = codec.encode(b"".join(documents)).text.split(b"\n")

    assert [len(lines), *(b"\r" in line for line in lines)] == [len(documents)] + [False] * len(documents)
    assert all(isinstance(json.loads(line.removesuffix(b",")), dict) for line in lines)


@each_codec
@given(exact_documents)
def test_escapes_nothing_without_need(codec: Codec, raw: bytes) -> None:
    assert codec.encode(raw).escaped == 0


@each_codec
@pytest.mark.parametrize("lines", [b"%b,\n%b", b"%b,\n%b,\n", b"%b\n%b\n", b"%b,\r\n%b \n"])
def test_reads_lines_with_and_without_commas_and_a_final_line_break(codec: Codec, lines: bytes) -> None:
    twice = ESCAPED["duplicate key"]

    decoded = codec.decode(lines % (b'{"a":{"$numberInt":"1"}}', b'{ "$bson":"' + base64.b64encode(twice) + b'" }'))

    assert decoded == Decoded(SMALL + twice, documents=2, escaped=1, fingerprint=sum_of_digests(SMALL, twice))


@each_codec
@pytest.mark.parametrize(
    "line",
    [
        b"",
        b",",
        b"null",
        b"5",
        b'"secret"',
        b"[]",
        b'[{"secret": 1}]',
        b'{"secret"',
        b'{"secret": 1',
        b'{"secret": 1}}',
        b'{"secret": 1},,',
        b'{"secret": 1,}',
        b"{'secret': 1}",
        b"{secret: 1}",
        b'{"secret": nothing}',
        b'{"secret": "\xff"}',
        b'{"secret": "\\ud800"}',
        b'{"secret": "a\tb"}',
        b'{"secret": 1} {"b": 2}',
        b'{"secret": 1}{"b": 2}',
        b'{"secret": 1}, {"b": 2}',
        b'{"secret": 1}] {"b": 2}',
        b'{"secret": 1}, "0123456789abcdef"] {"b": 2}',
        b'{"secret": 1}] {',
        b'{"secret": 1} more',
        b'{"secret": {"$oid": "secret"}}',
        b'{"secret": {"$numberInt": "99999999999"}}',
        b'{"secret": {"$date": {"$numberLong": "secret"}}}',
        b'{"$oid": "507f1f77bcf86cd799439011"}',
        b"\xef\xbb\xbf{}",
    ],
)
def test_names_the_line_that_is_no_document_and_not_what_stands_in_it(codec: Codec, line: bytes) -> None:
    with pytest.raises(CodecError) as caught:
        codec.decode(b'{"a": 1},\n%b\n{"a": 1}' % line)

    assert str(caught.value) == "line 2 is not one document in Extended JSON"
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


@each_codec
@pytest.mark.parametrize(
    "line",
    [
        b'{"$bson": 5}',
        b'{"$bson": null}',
        b'{"$bson": ""}',
        b'{"$bson": "no base64"}',
        b'{"$bson": "BQAAAA"}',
        b'{"$bson": "BQAA*AAA="}',
        b'{"$bson": "BQAAAAA=", "secret": 1}',
        b'{"$bson": "BQAAAAA="} {}',
        b'{"$bson": "BQAAAAA="',
        escape_of(SMALL + SMALL),
        escape_of(SMALL[:-1]),
        escape_of(SMALL + b"\0"),
        escape_of(b"\4\0\0\0"),
        escape_of(b"\xff\xff\xff\xff\0"),
    ],
)
def test_names_the_line_whose_escape_holds_no_whole_document(codec: Codec, line: bytes) -> None:
    with pytest.raises(CodecError) as caught:
        codec.decode(b'{"a": 1},\n{"a": 1},\n%b,\n' % line)

    assert str(caught.value) == "line 3 is not the base64 of one BSON document"
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


@each_codec
def test_an_escape_below_the_top_is_a_user_field(codec: Codec) -> None:
    raw = document(element(b"a", (NULL, b"")), element(b"$bson", (NULL, b"")))

    assert codec.encode(raw).escaped == 1
    assert codec.decode(b'{"a": {"$bson": "BQAAAAA="}}').bson == bson.encode({"a": {"$bson": "BQAAAAA="}})
