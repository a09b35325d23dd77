"""Readers that are not ours give back the same documents: PyMongo's json_util, Python's json, jq and libbson."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import bson
import bsonjs
from bson import json_util
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from hypothesis import given
from hypothesis import strategies as st

from sidecar.archive.bson import escape_reason
from sidecar.archive.codec import Codec
from support import bson_corpus
from support.bson_strategies import any_documents, current_documents
from support.codecs import each_codec
from support.exact_server.raw_bson import document, named_document
from support.hostile_documents import CARRIED

_READING = json_util.JSONOptions(
    json_mode=json_util.JSONMode.CANONICAL,
    tz_aware=False,
    datetime_conversion=DatetimeConversion.DATETIME_MS,
    uuid_representation=UuidRepresentation.UNSPECIFIED,
)
_BSON: CodecOptions[Mapping[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS, uuid_representation=UuidRepresentation.UNSPECIFIED
)


def below_the_top(raw: bytes) -> bytes:
    """PyMongo writes a top-level `_id` first, wherever it stood."""
    return document(named_document("document", raw))


def read_by_json_util(line: bytes) -> bytes:
    return bson.encode({"document": json_util.loads(line, json_options=_READING)}, codec_options=_BSON)


def read_by_pymongo(raw: bytes) -> bytes:
    """As PyMongo gives back what a server holds: symbols as strings, undefined as null, DBPointers as DBRefs."""
    return bson.encode(bson.decode(below_the_top(raw), codec_options=_BSON), codec_options=_BSON)


KNOWN = CARRIED | {case.name: case.bson for case in bson_corpus.valid_cases() if escape_reason(case.bson) is None}


@each_codec
def test_json_util_reads_known_documents_as_pymongo_reads_them_from_a_server(codec: Codec) -> None:
    assert {name: read_by_json_util(codec.encode(raw).text) for name, raw in KNOWN.items()} == {
        name: read_by_pymongo(raw) for name, raw in KNOWN.items()
    }


@each_codec
@given(any_documents)
def test_json_util_reads_any_document_as_pymongo_reads_it_from_a_server(codec: Codec, raw: bytes) -> None:
    encoded = codec.encode(raw)

    assert encoded.escaped or read_by_json_util(encoded.text) == read_by_pymongo(raw)


@each_codec
@given(current_documents)
def test_json_util_reads_current_types_byte_for_byte(codec: Codec, raw: bytes) -> None:
    assert read_by_json_util(codec.encode(raw).text) == below_the_top(raw)


@each_codec
@given(st.lists(any_documents, max_size=4))
def test_json_and_libbson_read_every_line_that_is_not_escaped(codec: Codec, documents: list[bytes]) -> None:
    exact = [raw for raw in documents if escape_reason(raw) is None]

    text = codec.encode(b"".join(exact)).text

    assert len(json.loads(b"[%b]" % text)) == len(exact)
    assert [bsonjs.loads(line) for line in text.split(b",\n")] == exact if exact else text == b""


@each_codec
def test_jq_reads_what_json_reads(codec: Codec) -> None:
    lines = codec.encode(b"".join(KNOWN.values())).text

    read = subprocess.run(["jq", "--compact-output", "."], input=b"[%b]" % lines, capture_output=True, check=True)

    assert json.loads(read.stdout) == json.loads(b"[%b]" % lines)
