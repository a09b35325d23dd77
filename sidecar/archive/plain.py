"""Read plain JSON without definitions, from version 2.x or a seed file: `{"users": […]}` or `{"collections": {"users": […]}}`.

The file may have any line breaks, so it is read value by value. Memory does not grow with the size of the file.
"""

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import bson
from bson import json_util

from sidecar.archive.codec import Codec
from sidecar.archive.streams import Readable
from sidecar.errors import BackupInvalid

BLOCK_BYTES: Final = 1 << 18
VALUE_CHARACTERS: Final = 64 << 20  # the longest document; 16 MB of BSON have far fewer characters
BATCH_DOCUMENTS: Final = 500
BATCH_BYTES: Final = 1 << 20
MOST_LEVELS: Final = 220  # the server's limit is 200; Extended JSON adds up to three levels for some values
_WRAPPER: Final = "collections"
_SPACE: Final = " \t\n\r"


@dataclass(frozen=True, slots=True)
class PlainBatch:
    """Some documents of one collection as concatenated BSON; without documents at the start of each collection."""

    collection: str
    bson: bytes = b""
    documents: int = 0
    fingerprint: int = 0


def read(file: Readable, codec: Codec) -> Iterator[PlainBatch]:
    """Yield the documents of every collection, at least one batch each. Raises BackupInvalid, ValueError for undecodable data."""
    text = _Text(file)
    is_wrapped, is_plain, others = False, False, list[str]()
    for name in text.keys():  # noqa: SIM118 - no dictionary
        if name == _WRAPPER and text.peek() == "{":
            is_wrapped = True
            for inner in text.keys():  # noqa: SIM118 - no dictionary
                yield from _collection(inner, text, codec)
        elif text.peek() == "[" and not is_wrapped:
            is_plain = True
            yield from _collection(name, text, codec)
        else:
            others.append(name)
            text.value()
    text.require_end()
    if is_wrapped == is_plain or (is_plain and others):
        raise _unexpected()


def _collection(name: str, text: "_Text", codec: Codec) -> Iterator[PlainBatch]:
    if text.peek() != "[":
        raise _unexpected()
    yield PlainBatch(name)
    rows, size = list[bytes](), 0
    for row in text.elements():
        rows.append(_document(row))
        size += len(rows[-1])
        if len(rows) == BATCH_DOCUMENTS or size >= BATCH_BYTES:
            yield _batch(name, rows, codec)
            rows, size = [], 0
    if rows:
        yield _batch(name, rows, codec)


def _document(row: Any) -> bytes:
    """Encode a JSON document as BSON; Extended JSON is understood."""
    _require_levels(row)
    try:
        return bson.encode(json_util.loads(json.dumps(row)))
    except (TypeError, RecursionError, OverflowError) as error:
        raise BackupInvalid(f"cannot be decoded: {error}") from error


def _require_levels(row: Any) -> None:
    """Raises BackupInvalid for a document that is nested too deeply. Python's own limit differs between its versions."""
    level = [row]
    for _ in range(MOST_LEVELS):
        containers = [value for value in level if isinstance(value, dict | list)]
        level = [child for one in containers for child in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return
    raise BackupInvalid(f"cannot be decoded: a document of more than {MOST_LEVELS} levels")


def _batch(name: str, rows: list[bytes], codec: Codec) -> PlainBatch:
    documents = b"".join(rows)
    encoded = codec.encode(documents)
    return PlainBatch(name, documents, encoded.documents, encoded.fingerprint)


def _unexpected() -> BackupInvalid:
    return BackupInvalid('expected {"users": […], …} or {"collections": {"users": […], …}}')


class _Text:
    """Parses JSON value by value, and reads more of the file if the current value is not complete yet."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._parse = json.JSONDecoder().raw_decode
        self._waiting = ""
        self._at = 0
        self._is_over = False

    def keys(self) -> Iterator[str]:
        """Yield the names of the object that comes next. The caller must take the value after each name."""
        for _ in self._items("{", "}"):
            name = self.value()
            if not isinstance(name, str):
                raise _unexpected()
            self._take(":")
            yield name

    def elements(self) -> Iterator[Any]:
        """Yield the values of the array that comes next."""
        for _ in self._items("[", "]"):
            yield self.value()

    def _items(self, opening: str, closing: str) -> Iterator[None]:
        self._take(opening)
        if self.peek() != closing:
            yield
            while self.peek() == ",":
                self._take(",")
                yield
        self._take(closing)

    def peek(self) -> str:
        """The next character that is not white space; an empty string at the end."""
        while True:
            while self._at < len(self._waiting) and self._waiting[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._waiting):
                return self._waiting[self._at]
            if not self._more():
                return ""

    def _take(self, expected: str) -> None:
        if self.peek() != expected:
            raise _unexpected() if not self._is_over else BackupInvalid("the file ends early")
        self._at += 1

    def value(self) -> Any:
        """Take the next value. Raises ValueError, BackupInvalid."""
        self.peek()
        while True:
            try:
                value, end = self._parse(self._waiting, self._at)
            except RecursionError:
                raise BackupInvalid("cannot be decoded: a document is nested too deeply") from None
            except ValueError:
                if not self._more():
                    raise
            else:
                if end < len(self._waiting) or not self._more():  # a number at the end may have more digits
                    self._at = end
                    return value

    def require_end(self) -> None:
        if self.peek():
            raise BackupInvalid("there is more data after the end of the JSON value")

    def _more(self) -> bool:
        """Read more; twice as much each time, so that a long value is parsed only a few times. False at the end of the file."""
        if self._is_over:
            return False
        kept = self._waiting[self._at :]
        if len(kept) > VALUE_CHARACTERS:
            raise BackupInvalid(f"a value of more than {VALUE_CHARACTERS >> 20} million characters")
        block = self._file.read(max(BLOCK_BYTES, len(kept)))
        self._is_over = not block
        self._waiting, self._at = kept + self._decode(block, final=self._is_over), 0
        return True
