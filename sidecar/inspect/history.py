"""List the versions of one document in the backups of its collection, oldest first."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sidecar.archive.bson import document_id
from sidecar.archive.codec import Codec
from sidecar.archive.criteria import TypedValue, by_ids
from sidecar.errors import BackupInvalid, IdentityRequired, SidecarError, UsageError
from sidecar.inspect.documents import Change, changes, extended, find
from sidecar.model import StoredBackup
from sidecar.mongodb.database import Database
from sidecar.store.local import LocalStore

LIVE = "now"  # stands for the live database among the ids of backups

Told = Callable[[str], None]  # called before each backup is read, with its id


@dataclass(slots=True)
class Version:
    """One version of a document, and the consecutive backups that hold it."""

    document: Any | None  # in canonical Extended JSON; None: these backups do not hold the document
    backups: list[str]  # ids, oldest first
    changes: list[Change] = field(default_factory=list)  # compared with the version before


@dataclass(slots=True)
class DocumentHistory:
    """The versions of a document, oldest first, and the backups that could not be read."""

    versions: list[Version] = field(default_factory=list)
    unread: dict[str, SidecarError] = field(default_factory=dict)  # by the id of the backup
    identity: bytes | None = None  # type and value of the document's `_id`; None until it is found
    _last: bytes | None = None

    def add(self, where: str, document: bytes | None, codec: Codec) -> None:
        """Add what the next newer backup, or the live database, holds of the document; None if it holds none."""
        if self.versions and document == self._last:
            self.versions[-1].backups.append(where)
            return
        before = self.versions[-1].document if self.versions else None
        now = None if document is None else extended(document, codec)
        of_fields = [] if before is None or now is None else changes(before, now)
        self.versions.append(Version(now, [where], of_fields))
        self._last = document
        self.identity = self.identity if document is None else document_id(document)

    @property
    def newest(self) -> Version | None:
        """The newest version of the document that a backup holds; None if no backup holds it."""
        held = (one for one in reversed(self.versions) if one.document is not None and one.backups != [LIVE])
        return next(held, None)


def document_history(
    backups: Iterable[tuple[LocalStore, StoredBackup]], codec: Codec, collection: str, value: TypedValue, told: Told
) -> DocumentHistory:
    """Find a document in each of the backups, given oldest first, that hold its collection. Every one is read to its end.

    Blocks. Raises UsageError for an `_id` that matches several documents, StorageError.
    """
    history = DocumentHistory()
    for store, one in backups:
        if one.manifest is None or collection not in one.manifest.collections:
            continue
        told(str(one.id))
        try:
            found = find(store, one.id, codec, collection, [by_ids([value])], most=1)
        except (BackupInvalid, IdentityRequired) as error:
            history.unread[str(one.id)] = error
            continue
        if found.count > 1:
            raise UsageError(
                f"the _id {value.text} matches {found.count} documents of {one.id}: expected it in Extended JSON"
            )
        history.add(str(one.id), found.documents[0] if found.documents else None, codec)
    return history


async def add_live(history: DocumentHistory, codec: Codec, database: Database, collection: str) -> None:
    """Add the live document to the history, if the document was found in a backup. Raises SourceError."""
    if history.identity is not None:
        there = (await database.collections()).get(collection)
        history.add(LIVE, await database.document(there, history.identity) if there else None, codec)
