"""Plain JSON without definitions, as version 2.x wrote it and people write it: `{"users": […]}`, or that in `{"collections": …}`.

It may be laid out in any way, so it is read value by value: in constant memory, whatever its size.
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
VALUE_CHARACTERS: Final = 64 << 20  # of one document: 16 MB of BSON are far less
BATCH_DOCUMENTS: Final = 500
BATCH_BYTES: Final = 1 << 20
MOST_LEVELS: Final = 220  # 200 are the server's limit; Extended JSON writes some values as three more
_WRAPPER: Final = "collections"
_SPACE: Final = " \t\n\r"


@dataclass(frozen=True, slots=True)
class PlainBatch:
    """Some documents of one collection; without any for a collection that is empty."""

    collection: str
    bson: bytes = b""
    documents: int = 0
    fingerprint: int = 0


def read(file: Readable, codec: Codec) -> Iterator[PlainBatch]:
    """Every collection with at least one batch. Raises BackupInvalid, ValueError for what cannot be decoded."""
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
    """With or without Extended JSON's wrappers, as json_util reads both."""
    _require_levels(row)
    try:
        return bson.encode(json_util.loads(json.dumps(row)))
    except (TypeError, RecursionError, OverflowError) as error:
        raise BackupInvalid(f"cannot be decoded: {error}") from error


def _require_levels(row: Any) -> None:
    """That MongoDB could hold it. Python's own limit for JSON is another one with each of its versions."""
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
    """JSON that is read forwards: where there is no whole value at hand yet, more of the file is."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._parse = json.JSONDecoder().raw_decode
        self._waiting = ""
        self._at = 0
        self._is_over = False

    def keys(self) -> Iterator[str]:
        """The names in the object that is next; after each of them its value has to be taken."""
        for _ in self._items("{", "}"):
            name = self.value()
            if not isinstance(name, str):
                raise _unexpected()
            self._take(":")
            yield name

    def elements(self) -> Iterator[Any]:
        """The values in the array that is next."""
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
        """The next character that is no white space; nothing at the end."""
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
        self.peek()
        while True:
            try:
                value, end = self._parse(self._waiting, self._at)
            except RecursionError:
                raise BackupInvalid("nested too deep") from None
            except ValueError:
                if not self._more():
                    raise
            else:
                if end < len(self._waiting) or not self._more():  # else a number may go on
                    self._at = end
                    return value

    def require_end(self) -> None:
        if self.peek():
            raise BackupInvalid("there is more after the end")

    def _more(self) -> bool:
        """Read on, twice as much each time, so that a long value is not parsed again and again."""
        if self._is_over:
            return False
        kept = self._waiting[self._at :]
        if len(kept) > VALUE_CHARACTERS:
            raise BackupInvalid(f"a value of more than {VALUE_CHARACTERS >> 20} million characters")
        block = self._file.read(max(BLOCK_BYTES, len(kept)))
        self._is_over = not block
        self._waiting, self._at = kept + self._decode(block, final=self._is_over), 0
        return True
