"""The framing of a backup file: one JSON value with one document per line.

    {"backup_id": …, "backup_type": …, "format": "sidecar-json", "format_version": 1, "db_name": …,
    "definitions": {"users": {"type": …, "options": {…}, "indexes": […]}},
    "collections": {"users": [
    {"_id": …},
    …
    ], "students": [
    ]}}

The first character of a line tells what it is: a document starts with `{`, the end of a collection with `]`. So the file is
valid JSON as a whole and can be read line by line in constant memory.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sidecar.archive.codec import Codec
from sidecar.model import FORMAT, FORMAT_VERSION, BackupId, Collection, CollectionKind

_CLOSE = ord("]")  # the first character of the line after a collection's last document
BLOCK_BYTES = 1 << 20
_HEADER_LINE_BYTES = 1 << 28  # far more than a real set needs; a file of another program may be one endless line
_MARGIN_BYTES = 1 << 10  # for the characters around the definitions in their line

_STRING = rb'"(?:[^"\\]|\\.)*"'
_FIRST = re.compile(rb'"collections": \{(?:(?P<name>' + _STRING + rb"): \[\n|\}\}\n)")
_NEXT = re.compile(rb"\](?:, (?P<name>" + _STRING + rb"): \[\n|\}\}\n)")
_DEFINITIONS = b'"definitions": '


class BlockSource(Protocol):
    """A binary stream that is only read forwards."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self, limit: int, /) -> bytes: ...


class FormatError(ValueError):
    """The bytes are not a backup file of this format, or end too early."""


@dataclass(frozen=True, slots=True)
class Header:
    """The part of a backup file before the documents."""

    backup_id: str
    backup_type: str
    db_name: str
    definitions: Mapping[str, Collection]


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole lines of one collection; without lines at the start of each collection."""

    collection: str
    lines: bytes


# -- writing -----------------------------------------------------------------------------------------------------------


def header(  # noqa: PLR0913 - what a header says
    backup_id: BackupId,
    backup_type: str,
    db_name: str,
    items: Mapping[str, Collection],
    codec: Codec,
    *,
    salt: str | None = None,
) -> bytes:
    """Return the lines before the first collection. The collections are in the order of `items`.

    A random `salt` prevents that a guess of the text can be confirmed by its checksum. Raises ValueError if the definitions are
    larger than a reader accepts.
    """
    about = {
        "backup_id": str(backup_id),
        "backup_type": backup_type,
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
    }
    salted = {} if salt is None else {"salt": salt}
    head = _json(about | {"db_name": db_name} | salted)[:-1] + b",\n"
    definitions = b", ".join(_json(name) + b": " + _definition(item, codec) for name, item in items.items())
    if len(definitions) > _HEADER_LINE_BYTES - _MARGIN_BYTES:
        raise ValueError(
            f"{len(definitions) >> 20} MiB of definitions: a backup holds at most {_HEADER_LINE_BYTES >> 20} MiB"
        )
    return head + _DEFINITIONS + b"{" + definitions + b'},\n"collections": {'


def _definition(item: Collection, codec: Codec) -> bytes:
    options = codec.encode(item.options).text
    indexes = codec.encode(b"".join(item.indexes)).text.replace(b"\n", b" ")
    return b'{"type": ' + _json(item.kind.value) + b', "options": ' + options + b', "indexes": [' + indexes + b"]}"


def opening(name: str, *, is_first: bool) -> bytes:
    """The text before the documents of a collection."""
    return (b"" if is_first else b", ") + _json(name) + b": [\n"


CLOSING = b"]"  # after the documents of a collection, on a line of its own
FOOTER = b"}}\n"  # after the last collection


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


# -- reading -----------------------------------------------------------------------------------------------------------


def read_header(stream: BlockSource, codec: Codec) -> Header:
    """Read the two header lines. Raises FormatError, which names an unknown format version."""
    about = _header_line(stream, b"", b",\n", closed_by=b"}")
    if about.get("format") != FORMAT:
        raise FormatError(f"not a {FORMAT} file: its first line does not say so")
    if about.get("format_version") != FORMAT_VERSION:
        raise FormatError(
            f"format version {about.get('format_version')!r}: this sidecar reads version {FORMAT_VERSION}"
        )
    definitions = _header_line(stream, _DEFINITIONS, b",\n")
    try:
        items = {name: _read_definition(name, value, codec) for name, value in definitions.items()}
        return Header(about["backup_id"], about["backup_type"], about["db_name"], items)
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"the definitions are damaged: {error}") from None


def _header_line(stream: BlockSource, before: bytes, after: bytes, closed_by: bytes = b"") -> dict[str, Any]:
    line = stream.readline(_HEADER_LINE_BYTES)
    if not (line.startswith(before + b"{") and line.endswith(after)):
        raise FormatError(f"expected a line that begins with {before.decode()}{{ in the header")
    try:
        value = json.loads(line[len(before) : -len(after)] + closed_by)
    except ValueError as error:
        raise FormatError(f"the header is not JSON: {error}") from None
    return value if isinstance(value, dict) else {}


def _read_definition(name: str, value: dict[str, Any], codec: Codec) -> Collection:
    options = codec.decode(_json(value["options"])).bson
    indexes = tuple(codec.decode(_json(index)).bson for index in value["indexes"])
    return Collection(name, CollectionKind(value["type"]), None, options, indexes)


def read_blocks(stream: BlockSource, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yield the document lines after the header. Each collection begins with a block without lines. Raises FormatError."""
    lines = _Lines(stream, block_bytes)
    name = _collection_name(_FIRST, lines.structural())
    while name is not None:
        yield Block(name, b"")
        while lines.has_documents():
            # not kept in a variable while the next block is read: a line may have 40 MB
            yield Block(name, lines.documents())
        name = _collection_name(_NEXT, lines.structural())
    if not lines.at_end():
        raise FormatError(f"there is more after the end of the backup at byte {lines.position}")


def _collection_name(expected: re.Pattern[bytes], line: bytes) -> str | None:
    found = expected.fullmatch(line)
    if found is None:
        raise FormatError("a line between two collections is damaged")
    return None if found["name"] is None else str(json.loads(found["name"]))


class _Lines:
    """Reads whole lines from a stream, many document lines at a time and the other lines one by one."""

    def __init__(self, stream: BlockSource, block_bytes: int) -> None:
        self._stream = stream
        self._block_bytes = block_bytes
        self._lines = b""  # whole lines that were read and not yet taken
        self._rest = b""  # the beginning of the line after them
        self.position = 0  # bytes taken so far, after the header

    def structural(self) -> bytes:
        """Take the next line."""
        self._fill()
        return self._take(self._lines.find(b"\n") + 1)

    def has_documents(self) -> bool:
        self._fill()
        return not self._lines.startswith(b"]")

    def documents(self) -> bytes:
        """Take all document lines that have been read, at least one."""
        self._fill()
        end = 0
        # line by line: a search for the two bytes of a line end and `]` takes 2 ms per MB
        while end < len(self._lines) and self._lines[end] != _CLOSE:
            end = self._lines.index(b"\n", end) + 1
        return self._take(end)

    def at_end(self) -> bool:
        return not self._lines and not self._rest and not self._stream.read(1)

    def _fill(self) -> None:
        """Read until there is a whole line. A line of 40 MB is joined only once."""
        if self._lines:
            return
        pieces = [self._rest]
        while piece := self._stream.read(self._block_bytes):
            end = piece.rfind(b"\n") + 1
            if end:
                pieces.append(piece[:end])
                self._lines, self._rest = b"".join(pieces), piece[end:]
                return
            pieces.append(piece)
        raise FormatError(f"the backup ends in the middle of a line at byte {self.position + sum(map(len, pieces))}")

    def _take(self, end: int) -> bytes:
        taken, self._lines = self._lines[:end], self._lines[end:]
        self.position += end
        return taken
