"""The journal of a restore: what it has replaced, and which backups hold the old content. Written before each replacement.

Each restore keeps one note in the directory of the locks, under flock(2) while the restore runs. Only a success or a complete
undo deletes it: a note that no process locks belongs to a restore that was killed or could not be undone. The next start of the
sidecar, or the next restore, undoes that one.
"""

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from sidecar.errors import Busy, StorageError
from sidecar.logger import Logger
from sidecar.mongodb.database import Database
from sidecar.rules.names import STAGED
from sidecar.store.lock import DIRECTORY, RESTORING, Lock

log = Logger(__name__)


@dataclass(frozen=True, slots=True)
class Note:
    """The content of a journal, as JSON on the disk."""

    target_db: str = ""
    set_name: str = ""  # the set whose directory holds the safety backups
    existing: tuple[str, ...] = ()  # the collections to be restored that the target had before
    safety: str | None = None  # the id of their backup; None if the target had none of them, or no backup was wanted
    # collection → id of a second, later backup of it, which an undo prefers to `safety`
    late: Mapping[str, str] = field(default_factory=dict)
    # staging collection → the collection that is loaded there
    staged: Mapping[str, str] = field(default_factory=dict)
    # collection → fingerprint of its new content; None for a view, and for a collection while it is filled in place
    replaced: Mapping[str, str | None] = field(default_factory=dict)
    not_undone: str | None = None  # why the restore could not be undone, in words

    def backup_of(self, name: str) -> str | None:
        """The id of the backup that holds the old content of a collection; None if it did not exist or was not backed up."""
        return self.late.get(name, self.safety) if name in self.existing else None

    @property
    def unprotected(self) -> list[str]:
        """The collections that were replaced without a backup, so that they cannot be put back."""
        return [name for name in self.replaced if name in self.existing and self.backup_of(name) is None]

    def in_words(self) -> str:
        """Which backups hold what the target held before, in words."""
        backups = [one for one in (self.safety, *self.late.values()) if one]
        return " and ".join(f"{one} holds it" for one in backups) or "it was empty"


class Journal:
    """Keeps the note of one restore on the disk, or only in memory if it has no lock. Methods block and raise StorageError."""

    def __init__(self, note: Note | None = None, run_id: str | None = None, lock: Lock | None = None) -> None:
        self.note = note or Note()
        self.run_id = run_id or uuid.uuid4().hex[:8]  # a part of the names of its staging collections
        self._lock = lock

    def protect(self, existing: Iterable[str], safety: str | None) -> None:
        """Note which collections the target has, and the backup that holds them."""
        self._write(replace(self.note, existing=tuple(existing), safety=safety))

    def keep(self, name: str, backup_id: str) -> None:
        """Note a later backup of a collection that was written to after its safety backup."""
        self._write(replace(self.note, late={**self.note.late, name: backup_id}))

    def stage(self, names: Iterable[str]) -> dict[str, str]:
        """Return a staging name for each collection. It does not contain the collection's own name, which may be long."""
        first = len(self.note.staged) + 1
        stages = {name: f"sidecar_restoring_{self.run_id}_{number}" for number, name in enumerate(names, first)}
        self._write(replace(self.note, staged={**self.note.staged, **{stage: name for name, stage in stages.items()}}))
        return stages

    def replace(self, name: str, fingerprint: str | None) -> None:
        """Note that a collection is about to be replaced by content with this fingerprint."""
        self._write(replace(self.note, replaced={**self.note.replaced, name: fingerprint}))

    def give_up(self, why: str) -> None:
        """Note why the restore cannot be undone. The note stays, and each start of the sidecar reports it."""
        self._write(replace(self.note, not_undone=why))

    def end(self) -> None:
        """Delete the note: nothing is left to undo."""
        if self._lock is not None:
            self._lock.remove()
            self._lock = None

    def of_the_undo(self) -> "Journal":
        """A journal for the restores that undo this one: it goes on counting staging names, and writes nothing to the disk."""
        return Journal(replace(self.note, replaced={}), self.run_id)

    def _write(self, note: Note) -> None:
        if self._lock is not None:
            self._lock.note_unfinished(json.dumps(asdict(note)))
        self.note = note


@contextmanager
def opened(root: Path, target_db: str, set_name: str) -> Iterator[Journal]:
    """Open the journal of a new restore. If the directory cannot be written, the journal is kept in memory only."""
    with ExitStack() as stack:
        journal = Journal(Note(target_db, set_name))
        try:
            lock = _lock(root, journal.run_id, f"restore into {target_db}")
            noting = Journal(journal.note, journal.run_id, stack.enter_context(lock))
            noting.protect((), None)
            journal = noting
        except StorageError as error:
            log.info("restore.not_noted", error=str(error))
        yield journal


def dead(root: Path) -> Iterator[Journal]:
    """Yield the journals of restores that did not end, each locked until the next is asked for. Raises StorageError."""
    try:  # from Python 3.13 on, `glob` takes an unreadable directory for an empty one
        with os.scandir(root / DIRECTORY) as entries:
            names = sorted(one.name for one in entries if one.name.startswith(RESTORING) and one.name.endswith(".lock"))
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError.of(error, "looking for restores that did not end") from error
    for name in names:
        run_id = name.removeprefix(RESTORING).removesuffix(".lock")
        with suppress(Busy), _lock(root, run_id, "undoing") as lock:  # busy: the restore is still running
            note = _read(lock.left_unfinished)
            journal = Journal(note, run_id, lock)
            if note is None:
                log.warning("restore.note_empty", run_id=journal.run_id)
                journal.end()
            else:
                yield journal


def _lock(root: Path, run_id: str, purpose: str) -> Lock:
    return Lock(root, f"{RESTORING}{run_id}", f"the journal of the restore {run_id}", purpose)


def forget_replaced(root: Path, restored: Note) -> None:
    """Delete the notes of dead restores whose replaced collections have all been replaced again by this restore."""
    for one in dead(root):
        if one.note.target_db == restored.target_db and one.note.replaced.keys() <= restored.replaced.keys():
            one.end()


async def drop_staged(database: Database, run_id: str) -> None:
    """Drop the staging collections of a restore. Raises SourceError."""
    for name in await database.collections():
        if (found := STAGED.fullmatch(name)) and found["run"] == run_id:
            await database.command({"drop": name})
            log.warning("restore.swept", database=database.name, collection=name)


def _read(text: str | None) -> Note | None:
    """Parse a note; None if it is empty, because its process died before it wrote anything, or unreadable."""
    try:
        return Note(**json.loads(text)) if text else None
    except (ValueError, TypeError, RecursionError):
        return None
