"""BSON documents ⇄ lossless Extended JSON lines.

Canonical Extended JSON v2 (https://github.com/mongodb/specifications, extended-json), one document per line; what it cannot
carry exactly is `{"$bson": "<base64 of the document>"}`. Which documents those are is said in `documents.escape_reason`.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import bsonjs

from sidecar.engine.digest import fingerprint
from sidecar.engine.documents import escape_reason, split

_ESCAPE = re.compile(rb'\{\s*"\$bson"\s*:')


class CodecError(ValueError):
    """A line that is no document; says which line and what is wrong with it, never what stands in it."""


class Encoded(NamedTuple):
    """`text`: one document per line, joined by ',' and newline, nothing after the last."""

    text: bytes
    documents: int
    escaped: int
    fingerprint: int


class Decoded(NamedTuple):
    """`bson`: the documents one after the other."""

    bson: bytes
    documents: int
    escaped: int
    fingerprint: int


class Codec(Protocol):
    """A batch of documents at a time, so that an implementation can let go of the interpreter while it works."""

    @property
    def name(self) -> str:
        """As metadata and `config show` name it."""
        ...

    def encode(self, batch: bytes) -> Encoded:
        """`batch` holds BSON documents one after the other. Raises ValueError where it does not."""
        ...

    def decode(self, lines: bytes) -> Decoded:
        """`lines` are whole lines, each with or without a comma at its end. Raises CodecError."""
        ...


class CheckedBsonjs:
    """libbson's own reader and writer through python-bsonjs, believed only where reading back gives the same bytes."""

    name = "bsonjs-checked"

    def encode(self, batch: bytes) -> Encoded:
        documents = list(split(batch))
        lines = [_exact_text(document) for document in documents]
        escaped = sum(line.startswith(b'{"$bson"') for line in lines)
        return Encoded(b",\n".join(lines), len(documents), escaped, fingerprint(documents))

    def decode(self, lines: bytes) -> Decoded:
        documents = []
        escaped = 0
        for number, line in _numbered(lines):
            is_escape = _ESCAPE.match(line) is not None
            escaped += is_escape
            documents.append(_unescaped(line, number) if is_escape else _document(line, number))
        return Decoded(b"".join(documents), len(documents), escaped, fingerprint(documents))


def _exact_text(document: bytes) -> bytes:
    """Extended JSON where it is exact, else the escape."""
    if escape_reason(document) is None:
        try:
            text: str = bsonjs.dumps(document, mode=bsonjs.CANONICAL)
            if bsonjs.loads(text) == document:
                return text.encode()
        except (ValueError, UnicodeError):  # libbson refuses it: the escape takes it
            pass
    return b'{"$bson": "' + base64.b64encode(document) + b'"}'


def _numbered(lines: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(lines.split(b"\n"), 1):
        if text := line.rstrip().removesuffix(b","):
            yield number, text


def _document(line: bytes, number: int) -> bytes:
    try:
        document: bytes = bsonjs.loads(line if line.startswith(b"{") else b"")
    except (ValueError, UnicodeError):
        raise CodecError(f"line {number}: not Extended JSON") from None
    return document


def _unescaped(line: bytes, number: int) -> bytes:
    try:
        value = json.loads(line)
        document = base64.b64decode(value.pop("$bson"), validate=True)
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise CodecError(f'line {number}: expected {{"$bson": "<base64>"}}') from None
    if value or document[:4] != len(document).to_bytes(4, "little"):
        raise CodecError(f"line {number}: $bson is not one whole BSON document")
    return document
