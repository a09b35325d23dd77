"""Find single documents of a backup by `_id` or by fields, show them, and compare them with the live database."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from sidecar.archive.bson import document_id
from sidecar.archive.codec import Codec
from sidecar.archive.criteria import Criterion, meeting
from sidecar.errors import StorageError, UsageError
from sidecar.model import BackupId, Collection, CollectionKind
from sidecar.mongodb.database import Database
from sidecar.runtime.threads import in_thread
from sidecar.store.contents import contents
from sidecar.store.local import LocalStore
from sidecar.store.verify import read_manifest, require_held

SHOWN_BYTES = 256 << 10  # the most BSON in one answer; the first document is always shown
MOST_CHANGES = 100

_MISSING = object()


class Now(StrEnum):
    """How the live document with the same `_id` compares with a document of a backup."""

    SAME = "same"
    CHANGED = "changed"
    GONE = "gone"


class Way(StrEnum):
    """How a field changed."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """A changed field, named by a dotted path, with its values in canonical Extended JSON; None where the field is missing."""

    path: str
    way: Way
    before: Any | None
    after: Any | None


@dataclass(slots=True)
class Found:
    """The number of documents of a collection that meet the criteria, and the first of them as BSON."""

    count: int = 0
    documents: list[bytes] = field(default_factory=list)
    _bytes: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether all documents that were counted are kept."""
        return self.count == len(self.documents)

    def take(self, document: bytes, most: int, most_bytes: int) -> None:
        """Count a document, and keep it within these limits. The first document is always kept."""
        size = self._bytes + len(document)
        if self.is_whole and (not self.count or (self.count < most and size <= most_bytes)):
            self.documents.append(document)
            self._bytes = size
        self.count += 1


def find(  # noqa: PLR0913 - a backup, and the documents to find in it
    store: LocalStore,
    backup_id: BackupId,
    codec: Codec,
    collection: str,
    criteria: Sequence[Criterion],
    *,
    most: int,
    most_bytes: int = SHOWN_BYTES,
) -> Found:
    """Find documents in a backup. The backup is read to its end and its checksum verified.

    Blocks. Raises UsageError for a view or a collection that the backup does not hold, BackupInvalid, IdentityRequired,
    StorageError.
    """
    manifest = read_manifest(store, backup_id)
    require_held(manifest, collection)
    found = Found()
    try:
        with contents(store, backup_id, manifest, codec) as content:
            _require_documents(content.definitions, collection)
            for batch in content.batches:
                if batch.collection == collection:
                    for document in meeting(criteria, batch.bson):
                        found.take(document, most, most_bytes)
    except OSError as error:
        raise StorageError.of(error, f"reading {manifest.filename}") from error
    return found


def _require_documents(definitions: Mapping[str, Collection], collection: str) -> None:
    item = definitions.get(collection)
    if item is not None and item.kind is CollectionKind.VIEW:
        raise UsageError(f"{collection} is a view: it has no documents of its own")


# -- showing and comparing ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """A document of a backup in canonical Extended JSON. `now` is None if it was not compared with the database."""

    id: Any
    document: Any
    now: Now | None = None
    changes: list[Change] = field(default_factory=list)  # from the backup to the database, field by field


async def shown(documents: Sequence[bytes], codec: Codec) -> list[Shown]:
    """Prepare documents to be shown, without comparing them with the database."""
    return [await in_thread(_shown, document, codec) for document in documents]


async def shown_beside_live(
    documents: Sequence[bytes], codec: Codec, database: Database, collection: str
) -> list[Shown]:
    """Prepare documents to be shown, each compared with the live document of the same `_id`. Raises SourceError."""
    there = (await database.collections()).get(collection)
    found = []
    room = SHOWN_BYTES
    for document in documents:
        identity = document_id(document)
        live = await database.document(there, identity) if there is not None and identity is not None else None
        room -= len(live or b"")
        one = await in_thread(_shown, document, codec)
        of_fields = (
            await in_thread(_since, one.document, live, codec) if live and room >= 0 and live != document else []
        )
        found.append(replace(one, now=since(document, live), changes=of_fields))
    return found


def _shown(document: bytes, codec: Codec) -> Shown:
    held = extended(document, codec)
    identity = held.get("_id") if _has_fields(held) else document_id(document)
    return Shown(identity.hex() if isinstance(identity, bytes) else identity, held)


def _since(before: Any, live: bytes, codec: Codec) -> list[Change]:
    return changes(before, extended(live, codec))


def extended(document: bytes, codec: Codec) -> Any:
    """A document in canonical Extended JSON; `{"$bson": …}` if Extended JSON cannot carry it."""
    return json.loads(codec.encode(document).text)


def since(document: bytes, live: bytes | None) -> Now:
    """Compare a document of a backup with the live one; None means that there is none."""
    if live is None:
        return Now.GONE
    return Now.SAME if document == live else Now.CHANGED


def changes(before: Any, after: Any) -> list[Change]:
    """The first hundred fields that differ between two documents in Extended JSON. The documents must not be equal as BSON."""
    found = list(itertools.islice(_changes("", before, after), MOST_CHANGES))
    return found or [Change("(order of the fields)", Way.CHANGED, None, None)]


def _changes(path: str, before: Any, after: Any) -> Iterator[Change]:
    if before is _MISSING:
        yield Change(path, Way.ADDED, None, after)
    elif after is _MISSING:
        yield Change(path, Way.REMOVED, before, None)
    elif _has_fields(before) and _has_fields(after):
        for name in [*before, *(name for name in after if name not in before)]:
            below = f"{path}.{name}" if path else name
            yield from _changes(below, before.get(name, _MISSING), after.get(name, _MISSING))
    elif before != after:
        yield Change(path or "(document)", Way.CHANGED, before, after)


def _has_fields(value: Any) -> bool:
    """Whether the value is an embedded document, and not a value that Extended JSON wraps, such as a date."""
    return isinstance(value, dict) and not any(name.startswith("$") for name in value)
