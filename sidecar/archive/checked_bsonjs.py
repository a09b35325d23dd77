"""The codec that is always there: libbson's own reader and writer, believed only where reading back gives the same bytes."""

import base64
import io
import re
import secrets
import struct
from array import array

import bsonjs

from sidecar.archive.bson import escape_reason, id_hashes, split
from sidecar.archive.codec import CodecError, Counted, Decoded, Encoded
from sidecar.archive.fingerprint import fingerprint

_ESCAPE = re.compile(rb'\{\s*"\$bson"\s*:\s*')
_ESCAPED = re.compile(_ESCAPE.pattern + rb'"([^"\\]*)"\s*\}')
_SEAL = secrets.token_hex(8).encode()  # another one in every process, so that no line can bring it along
_SEALED = b"\x021\0%b%b\0\0" % (struct.pack("<i", len(_SEAL) + 1), _SEAL)
# A double as libbson writes it, any other string, or blanks between tokens. Possessive: a string of 16 MB would else be
# remembered at each of its characters.
_TOKEN = re.compile(r'"\$numberDouble" : "([^"\\]*+)"|("(?:[^"\\]++|\\.)*+")|[ ]++')


class CheckedBsonjs:
    """python-bsonjs, which changes or refuses some documents: those are escaped."""

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

    def count(self, batch: bytes) -> Counted:
        documents = list(split(batch))
        return Counted(len(documents), fingerprint(documents))

    def id_hashes(self, batch: bytes) -> "array[int]":
        return id_hashes(batch)


def _exact_text(document: bytes) -> bytes | None:
    """Extended JSON that `decode` turns into the same bytes; None where the rule or this comparison says there is none."""
    if escape_reason(document) is not None:
        return None
    try:
        text = _TOKEN.sub(_compact, bsonjs.dumps(document, mode=bsonjs.CANONICAL)).encode()
        return text if _ESCAPE.match(text) is None and _read(text) == document else None
    except ValueError:
        return None


def _compact(token: re.Match[str]) -> str:
    """A token without the blanks around it, a double with the fewest digits that name it: libbson writes 20."""
    double, text = token.groups()
    if double is None:
        return text or ""
    number = repr(float(double)) if double[-1:].isdigit() else double
    return f'"$numberDouble":"{number}"'


def _read(text: bytes) -> bytes:
    # libbson stops silently where a second value begins and merges one that a comma sets apart: an array keeps them apart,
    # and only a line that ends where its document ends lets it come to the seal.
    array_of_both: bytes = bsonjs.loads(b'[%b,"%b"]' % (text, _SEAL))
    if not (array_of_both.startswith(b"\x030\0", 4) and array_of_both.endswith(_SEALED)):
        raise ValueError("not one document")
    [document] = split(array_of_both[7 : -len(_SEALED)])
    return document


def _escape(document: bytes) -> bytes:
    return b'{"$bson": "%b"}' % base64.b64encode(document)


def _unescape(text: bytes) -> bytes:
    escaped = _ESCAPED.fullmatch(text)
    if escaped is None:
        raise ValueError("not an escape")
    [document] = split(base64.b64decode(escaped[1], validate=True))
    return document
