"""What a restore has replaced so far and where what was there before is: one owner of that, on the disk before the fact.

A note per restore among the locks, held with flock(2) while its restore lives. It ends with a success or a complete undo, and
with nothing else: a note that nobody holds is of a restore that was killed or could not be undone, and the next one undoes it.
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
    """What a restore says of itself. `replaced` are the fingerprints of what it put in place, by collection."""

    target_db: str = ""
    set_name: str = ""  # in whose directory the backups are that it made
    existing: tuple[str, ...] = ()  # what the target had of what is restored
    safety: str | None = None  # the backup that holds it; None where there was nothing, or none was wanted
    late: Mapping[str, str] = field(
        default_factory=dict
    )  # by collection, a later backup of it that goes before `safety`
    staged: Mapping[str, str] = field(default_factory=dict)  # by the name under which it is loaded, the collection
    replaced: Mapping[str, str | None] = field(
        default_factory=dict
    )  # None for a view, or what is being filled in place
    not_undone: str | None = None  # why, in words

    def backup_of(self, name: str) -> str | None:
        """The id of the backup that holds what a collection was; None where there was none, or no backup of it."""
        return self.late.get(name, self.safety) if name in self.existing else None

    @property
    def unprotected(self) -> list[str]:
        """What was replaced without a backup: it cannot be put back."""
        return [name for name in self.replaced if name in self.existing and self.backup_of(name) is None]

    def in_words(self) -> str:
        """Where what the target held before is."""
        backups = [one for one in (self.safety, *self.late.values()) if one]
        return " and ".join(f"{one} holds it" for one in backups) or "it was empty"


class Journal:
    """Keeps the note of one restore, in memory where it has no lock. Methods block and raise StorageError."""

    def __init__(self, note: Note | None = None, run_id: str | None = None, lock: Lock | None = None) -> None:
        self.note = note or Note()
        self.run_id = run_id or uuid.uuid4().hex[:8]  # what is staged is named after it
        self._lock = lock

    def protect(self, existing: Iterable[str], safety: str | None) -> None:
        """The target has these collections, and this backup holds them."""
        self._write(replace(self.note, existing=tuple(existing), safety=safety))

    def keep(self, name: str, backup_id: str) -> None:
        """A collection was written to since its backup; this one holds that as well."""
        self._write(replace(self.note, late={**self.note.late, name: backup_id}))

    def stage(self, names: Iterable[str]) -> dict[str, str]:
        """Short names, by collection, under which collections are loaded: theirs may leave no room for a suffix."""
        first = len(self.note.staged) + 1
        stages = {name: f"sidecar_restoring_{self.run_id}_{number}" for number, name in enumerate(names, first)}
        self._write(replace(self.note, staged={**self.note.staged, **{stage: name for name, stage in stages.items()}}))
        return stages

    def replace(self, name: str, fingerprint: str | None) -> None:
        """From now on the target may not hold this collection any more as it was, but one of this content."""
        self._write(replace(self.note, replaced={**self.note.replaced, name: fingerprint}))

    def give_up(self, why: str) -> None:
        """It cannot be undone: somebody has to look at it, and the next start says so again."""
        self._write(replace(self.note, not_undone=why))

    def end(self) -> None:
        """Nothing is left to undo."""
        if self._lock is not None:
            self._lock.remove()
            self._lock = None

    def of_the_undo(self) -> "Journal":
        """For the way back: names like no others of the same run, and nothing noted. The note tells what is to be undone."""
        return Journal(replace(self.note, replaced={}), self.run_id)

    def _write(self, note: Note) -> None:
        if self._lock is not None:
            self._lock.note_unfinished(json.dumps(asdict(note)))
        self.note = note


@contextmanager
def opened(root: Path, target_db: str, set_name: str) -> Iterator[Journal]:
    """The journal of a new restore. A directory that cannot be written does not keep it from taking place."""
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
    """The journals of restores that did not end, each held until the next is asked for. Raises StorageError."""
    try:  # `glob` would take a directory that cannot be read for one that is empty, from Python 3.13 on
        with os.scandir(root / DIRECTORY) as entries:
            names = sorted(one.name for one in entries if one.name.startswith(RESTORING) and one.name.endswith(".lock"))
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError.of(error, "looking for restores that did not end") from error
    for name in names:
        run_id = name.removeprefix(RESTORING).removesuffix(".lock")
        with suppress(Busy), _lock(root, run_id, "undoing") as lock:  # busy: its restore is alive
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
    """What could not be undone does not matter any more once another restore replaced all of it."""
    for one in dead(root):
        if one.note.target_db == restored.target_db and one.note.replaced.keys() <= restored.replaced.keys():
            one.end()


async def drop_staged(database: Database, run_id: str) -> None:
    """Drop what a restore loaded beside its targets. Raises SourceError."""
    for name in await database.collections():
        if (found := STAGED.fullmatch(name)) and found["run"] == run_id:
            await database.command({"drop": name})
            log.warning("restore.swept", database=database.name, collection=name)


def _read(text: str | None) -> Note | None:
    """None for one that died before it wrote anything."""
    try:
        return Note(**json.loads(text)) if text else None
    except (ValueError, TypeError, RecursionError):
        return None
