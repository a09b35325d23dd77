"""Compare two backups, or a backup and the live database: documents by `_id`, and definitions.

Memory does not grow with the size of the collections.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import bson
from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.json_util import CANONICAL_JSON_OPTIONS, RELAXED_JSON_OPTIONS, JSONOptions

from sidecar.archive.bson import document_id, split
from sidecar.archive.codec import Codec
from sidecar.model import BackupId, Collection
from sidecar.mongodb.database import Database
from sidecar.mongodb.reading import read_collection
from sidecar.runtime.threads import in_thread
from sidecar.store.contents import contents
from sidecar.store.local import LocalStore
from sidecar.store.spill import Spill, place_for
from sidecar.store.verify import read_manifest

SHOWN_IDS = 10
# DATETIME_MS, because a date may lie beyond the years of Python's datetime
_AS_STORED: CodecOptions[Any] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)


@dataclass(slots=True)
class Difference:
    """The difference of one collection, as numbers of documents."""

    left_documents: int = 0
    right_documents: int = 0
    removed: int = 0  # only on the left
    added: int = 0  # only on the right
    changed: int = 0  # on both sides, with different content
    definition_changed: bool = False
    not_in: str | None = None  # the side, `left` or `right`, that does not cover the collection: nothing is compared
    ids: dict[str, list[Any]] = field(default_factory=dict)  # the first `_id`s of each kind, in canonical Extended JSON

    @property
    def is_equal(self) -> bool:
        return not (self.removed or self.added or self.changed or self.definition_changed or self.not_in)

    def note(self, kind: str, identity: bytes) -> None:
        """Count a document as `removed`, `added` or `changed`, and keep its `_id` if few were kept so far."""
        setattr(self, kind, getattr(self, kind) + 1)
        shown = self.ids.setdefault(kind, [])
        if len(shown) < SHOWN_IDS:
            shown.append(_extended(identity))


class Comparison:
    """Compares two sides: add all documents of one side, then all of the other, and ask for the `result`.

    The left side is the older one: documents that only it has were removed. `right_first` adds the right side first. Hashes of
    the first side are kept in a file below `directory`, or in memory if that is None.
    """

    def __init__(self, directory: Path | None, *, right_first: bool = False) -> None:
        self._only_first, self._only_second = ("added", "removed") if right_first else ("removed", "added")
        sides = ("left_documents", "right_documents")
        self._first_counts, self._second_counts = reversed(sides) if right_first else sides
        table = "seen (name TEXT, id BLOB, digest BLOB, PRIMARY KEY (name, id)) WITHOUT ROWID"
        self._spill = Spill(directory, table)
        self._result: dict[str, Difference] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spill.__exit__(kind, error, trace)

    def definitions(self, left: Mapping[str, Collection], right: Mapping[str, Collection]) -> None:
        """Compare the definitions of all collections."""
        for name in left.keys() | right.keys():
            found = self._of(name)
            found.definition_changed = not found.not_in and _shape(left.get(name)) != _shape(right.get(name))

    def absent(self, names: Iterable[str], side: str) -> None:
        """Note that this side does not cover these collections, so that nothing is compared."""
        for name in names:
            self._of(name).not_in = side

    def note(self, name: str) -> None:
        """Make sure that the result names this collection, even if it is empty on both sides."""
        self._of(name)

    def first(self, name: str, documents: bytes) -> int:
        """Add documents of the first side as concatenated BSON. Return their number."""
        rows = [(name, *_identified(document)) for document in split(documents)]
        self._count(name, self._first_counts, len(rows))
        if not self._of(name).not_in:
            self._spill.add("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", rows)
        return len(rows)

    def forget(self, name: str) -> None:
        """Discard the documents of a collection of the first side, because it is read again from its start."""
        setattr(self._of(name), self._first_counts, 0)
        self._spill.add("DELETE FROM seen WHERE name = ?", [(name,)])

    def _count(self, name: str, counts: str, documents: int) -> None:
        difference = self._of(name)
        setattr(difference, counts, getattr(difference, counts) + documents)

    def second(self, name: str, documents: bytes) -> None:
        """Compare documents of the second side with the first."""
        difference = self._of(name)
        for document in split(documents):
            self._count(name, self._second_counts, 1)
            if difference.not_in:
                continue
            identity, digest = _identified(document)
            row = self._spill.row("DELETE FROM seen WHERE name = ? AND id = ? RETURNING digest", (name, identity))
            if row is None:
                difference.note(self._only_second, identity)
            elif row[0] != digest:
                difference.note("changed", identity)

    def result(self) -> dict[str, Difference]:
        """The differences by collection. Call it once, after all documents."""
        for name, identity in self._spill.rows("SELECT name, id FROM seen ORDER BY name, id"):
            self._of(name).note(self._only_first, identity)
        return dict(sorted(self._result.items()))

    def _of(self, name: str) -> Difference:
        return self._result.setdefault(name, Difference())


def compare_backups(
    left: tuple[LocalStore, BackupId], right: tuple[LocalStore, BackupId], codec: Codec, directory: Path
) -> dict[str, Difference]:
    """Compare two backups; the left one is the older. Raises BackupInvalid, IdentityRequired, StorageError.

    Hashes are kept in a file below `directory`, for encrypted backups in memory.
    """
    place = place_for(directory, read_manifest(*left), read_manifest(*right))
    with Comparison(place) as comparison:
        in_left, in_right = _definitions(left, codec), _definitions(right, codec)
        comparison.absent(in_right.keys() - in_left.keys() - _looked_for(left), "left")
        comparison.absent(in_left.keys() - in_right.keys() - _looked_for(right), "right")
        comparison.definitions(in_left, in_right)
        _feed(comparison.first, left, codec)
        _feed(comparison.second, right, codec)
        return comparison.result()


def _looked_for(side: tuple[LocalStore, BackupId]) -> set[str]:
    """The collections of the set that did not exist when the backup was made: the backup covers them."""
    return set(read_manifest(*side).missing_collections)


async def compare_live(
    left: tuple[LocalStore, BackupId], database: Database, codec: Codec, directory: Path
) -> dict[str, Difference]:
    """Compare a backup with the live database, which is the newer side. Raises the errors of `compare_backups`, SourceError."""
    stored = await in_thread(_definitions, left, codec)
    place = place_for(directory, await in_thread(read_manifest, *left))
    there = await database.collections()
    live = {name: await database.with_indexes(there[name]) for name in stored if name in there}
    with Comparison(place, right_first=True) as comparison:
        async with database.reader(snapshot=False) as reader:
            for item in live.values():
                if item.holds_documents:
                    await read_collection(reader, item, FirstSide(comparison, item.name))
        await in_thread(_feed, comparison.second, left, codec)
        comparison.definitions(stored, live)
        return await in_thread(comparison.result)


@dataclass(frozen=True, slots=True)
class FirstSide:
    """Adds a collection that is read from a server to the first side."""

    comparison: Comparison
    name: str

    def begin(self) -> None:
        self.comparison.forget(self.name)

    def take(self, batch: bytes) -> int:
        return self.comparison.first(self.name, batch)


def _definitions(side: tuple[LocalStore, BackupId], codec: Codec) -> Mapping[str, Collection]:
    store, backup_id = side
    with contents(store, backup_id, read_manifest(store, backup_id), codec) as content:
        return content.definitions


def _feed(take: Any, side: tuple[LocalStore, BackupId], codec: Codec) -> None:
    store, backup_id = side
    with contents(store, backup_id, read_manifest(store, backup_id), codec) as content:
        for batch in content.batches:
            take(batch.collection, batch.bson)


def _shape(item: Collection | None) -> tuple[object, ...] | None:
    return (item.kind, item.options, frozenset(item.indexes)) if item else None


def _identified(document: bytes) -> tuple[bytes, bytes]:
    digest = hashlib.sha256(document).digest()
    try:
        identity = document_id(document)
    except ValueError:  # malformed: its hash serves as its `_id`
        identity = None
    return identity or digest, digest


def readable(identity: bytes) -> str:
    """An `_id` for a message, as relaxed Extended JSON."""
    return json.dumps(_extended(identity, RELAXED_JSON_OPTIONS), ensure_ascii=False)


def _extended(identity: bytes, options: JSONOptions = CANONICAL_JSON_OPTIONS) -> Any:
    """An `_id` in Extended JSON, or its bytes in hexadecimal if it has no such form."""
    try:
        element = identity[:1] + b"_id\0" + identity[1:]
        value = bson.decode((len(element) + 5).to_bytes(4, "little") + element + b"\0", _AS_STORED)["_id"]
        return json.loads(json_util.dumps(value, json_options=options))
    except (bson.errors.BSONError, ValueError, OverflowError, TypeError):
        return identity.hex()
