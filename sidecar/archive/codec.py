"""BSON documents ⇄ lossless Extended JSON lines.

Canonical Extended JSON v2 (https://github.com/mongodb/specifications, extended-json), one document per line; what it cannot
carry exactly is `{"$bson": "<base64 of the document>"}`. Which documents those are is said in `documents.escape_reason`.
"""

import base64
import io
import re
import secrets
import struct
from typing import NamedTuple, Protocol

import bsonjs

from sidecar.archive.bson import escape_reason, split
from sidecar.archive.fingerprint import fingerprint

_ESCAPE = re.compile(rb'\{\s*"\$bson"\s*:\s*')
_ESCAPED = re.compile(_ESCAPE.pattern + rb'"([^"\\]*)"\s*\}')
_SEAL = secrets.token_hex(8).encode()  # another one in every process, so that no line can bring it along
_SEALED = b"\x021\0%b%b\0\0" % (struct.pack("<i", len(_SEAL) + 1), _SEAL)


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
        lines = []
        escaped = 0
        for document in split(batch):
            text = _exact_text(document)
            lines.append(_escape(document) if text is None else text)
            escaped += text is None
        return Encoded(b",\n".join(lines), len(lines), escaped, fingerprint(split(batch)))

    def decode(self, lines: bytes) -> Decoded:
        documents = []
        escaped = 0
        for number, line in enumerate(io.BytesIO(lines), 1):
            text = line.rstrip().removesuffix(b",")
            is_escape = _ESCAPE.match(text) is not None
            try:
                documents.append(_unescape(text) if is_escape else _read(text))
            except ValueError:
                expected = "the base64 of one BSON document" if is_escape else "one document in Extended JSON"
                raise CodecError(f"line {number} is not {expected}") from None
            escaped += is_escape
        return Decoded(b"".join(documents), len(documents), escaped, fingerprint(documents))


def _exact_text(document: bytes) -> bytes | None:
    """Extended JSON that `decode` turns into the same bytes; None where the rule or this comparison says there is none."""
    if escape_reason(document) is not None:
        return None
    try:
        text: bytes = bsonjs.dumps(document, mode=bsonjs.CANONICAL).encode()
        return text if _ESCAPE.match(text) is None and _read(text) == document else None
    except ValueError:
        return None


def _read(text: bytes) -> bytes:
    # libbson stops silently where a second value begins and merges one that a comma sets apart: an array keeps them apart,
    # and only a line that ends where its document ends lets it come to the seal.
    array: bytes = bsonjs.loads(b'[%b,"%b"]' % (text, _SEAL))
    if not (array.startswith(b"\x030\0", 4) and array.endswith(_SEALED)):
        raise ValueError("not one document")
    [document] = split(array[7 : -len(_SEALED)])
    return document


def _escape(document: bytes) -> bytes:
    return b'{"$bson": "%b"}' % base64.b64encode(document)


def _unescape(text: bytes) -> bytes:
    escaped = _ESCAPED.fullmatch(text)
    if escaped is None:
        raise ValueError("not an escape")
    [document] = split(base64.b64decode(escaped[1], validate=True))
    return document
