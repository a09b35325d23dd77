"""Cursors: rows that are produced only as they are asked for, in batches of at most 16 MB."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Final

import bson

from support.exact_server.catalogue import Collection
from support.exact_server.clock import as_timestamp
from support.exact_server.errors import CommandError
from support.exact_server.raw_bson import body, document, named_array, named_document
from support.exact_server.wire import MAX_DOCUMENT_BYTES

FIRST_BATCH: Final = 101


@dataclass
class Cursor:
    """`moment` is the cluster time of a snapshot read, `source` the collection whose loss ends the cursor."""

    ns: str
    rows: Iterator[bytes]
    source: Collection | None = None
    moment: int | None = None
    id: int = 0
    is_exhausted: bool = False
    _ahead: list[bytes] = field(default_factory=list)
    _last_batch: list[bytes] = field(default_factory=list)

    def batch(self, size: int | None, trick: str = "") -> list[bytes]:
        """The next documents, at most `size`; `trick` is the action of a fault."""
        if trick == "nothing":
            return []
        if trick == "more":
            return [bson.encode({"_id": bson.ObjectId()}) for _ in range(100)]
        if trick == "repeat" and self._last_batch:
            return self._last_batch
        documents = self._take(size)
        self._last_batch = documents
        if trick == "repeat":
            return documents * 2
        if trick == "end":
            self.is_exhausted = True
            return documents[: len(documents) // 2]
        return documents

    def _take(self, size: int | None) -> list[bytes]:
        documents: list[bytes] = []
        used = 0
        while (raw := self._peek()) is not None:
            used += len(raw)
            if len(documents) == size or (documents and used > MAX_DOCUMENT_BYTES):
                break
            documents.append(self._ahead.pop())
        return documents

    def _peek(self) -> bytes | None:
        if not self._ahead:
            self._ahead.extend(islice(self.rows, 1))
            self.is_exhausted = not self._ahead
        return self._ahead[0] if self._ahead else None

    def reply(self, key: str, batch: list[bytes]) -> bytes:
        """The `cursor` element of a reply."""
        open_id = 0 if self.is_exhausted else self.id
        tail = {"id": bson.Int64(open_id), "ns": self.ns}
        pinned = {} if self.moment is None or key != "firstBatch" else {"atClusterTime": as_timestamp(self.moment)}
        return named_document("cursor", document(named_array(key, batch), body(bson.encode({**tail, **pinned}))))


class Cursors:
    """The open cursors of a server."""

    def __init__(self) -> None:
        self._ids = count(10**12)  # beyond int32, as real ones are
        self._open: dict[int, Cursor] = {}

    def first_batch(self, cursor: Cursor, size: int, trick: str = "", *, single: bool = False) -> bytes:
        batch = cursor.batch(size, trick)
        if single:
            cursor.is_exhausted = True
        if not cursor.is_exhausted:
            cursor.id = next(self._ids)
            self._open[cursor.id] = cursor
        return cursor.reply("firstBatch", batch)

    def next_batch(self, cursor_id: int, size: int | None, trick: str = "") -> bytes:
        """Raises QueryPlanKilled (175) where the collection has gone."""
        cursor = self.get(cursor_id)
        if cursor.source is not None and cursor.source.lost_because:
            del self._open[cursor_id]
            raise CommandError(175, cursor.source.lost_because)
        batch = cursor.batch(size, trick)
        if cursor.is_exhausted:
            del self._open[cursor_id]
        return cursor.reply("nextBatch", batch)

    def get(self, cursor_id: int) -> Cursor:
        """Raises CursorNotFound (43)."""
        if cursor_id not in self._open:
            raise CommandError(43, f"cursor id {cursor_id} not found")
        return self._open[cursor_id]

    def close_all(self) -> None:
        self._open.clear()

    def kill(self, cursor_ids: list[int]) -> list[int]:
        """Closes cursors and returns those that were open."""
        return [cursor_id for cursor_id in cursor_ids if self._open.pop(cursor_id, None)]
