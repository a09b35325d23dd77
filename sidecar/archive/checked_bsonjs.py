"""The codec in Python, always installed: libbson's writer, whose text is used only if reading it back gives the same bytes."""

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
_SEAL = secrets.token_hex(8).encode()  # random in every process, so that no line can contain it on purpose
_SEALED = b"\x021\0%b%b\0\0" % (struct.pack("<i", len(_SEAL) + 1), _SEAL)
# A double as libbson writes it, any other string, or blanks between tokens. The quantifiers are possessive, because the matcher
# would else store a position to go back to for each character of a string of 16 MB.
_TOKEN = re.compile(r'"\$numberDouble" : "([^"\\]*+)"|("(?:[^"\\]++|\\.)*+")|[ ]++')


class CheckedBsonjs:
    """The codec of python-bsonjs. Documents that it changes or refuses are escaped."""

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
    """Extended JSON that `decode` turns into the same bytes; None if `escape_reason` or the comparison finds that it cannot."""
    if escape_reason(document) is not None:
        return None
    try:
        text = _TOKEN.sub(_compact, bsonjs.dumps(document, mode=bsonjs.CANONICAL)).encode()
        return text if _ESCAPE.match(text) is None and _read(text) == document else None
    except ValueError:
        return None


def _compact(token: re.Match[str]) -> str:
    """A token without blanks around it; a double with the fewest digits that identify it, where libbson writes 20."""
    double, text = token.groups()
    if double is None:
        return text or ""
    number = repr(float(double)) if double[-1:].isdigit() else double
    return f'"$numberDouble":"{number}"'


def _read(text: bytes) -> bytes:
    # libbson silently ignores a second value on the line, or merges it after a comma. So the line is read inside an array with
    # the seal as its second element, which libbson reaches only if the line ends where its document ends.
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
