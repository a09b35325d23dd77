"""Which restores are under way and what they did so far, so that what a killed one left can be told and undone.

A note per restore among the locks, held with flock(2) while the restore lives.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import structlog

from sidecar.errors import Busy, StorageError
from sidecar.mongodb.database import STAGED, Database
from sidecar.restore.restore import Journal, Target
from sidecar.store.lock import DIRECTORY, SetLock

PREFIX = ".restoring_"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Note:
    """What a restore says of itself. `replaced` are the fingerprints of what it put in place, by collection."""

    target_db: str
    set_name: str  # in whose directory the backups are that it made
    existing: tuple[str, ...] = ()
    safety: str | None = None
    late: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, str | None] = field(default_factory=dict)
    not_undone: str | None = None  # why, in words


@dataclass(slots=True)
class Dead:
    """The note of a restore that died."""

    run_id: str
    note: Note
    _lock: SetLock
    _path: Path

    def close(self, not_undone: str | None) -> None:
        """Nothing is left of it, or this is why. Raises StorageError."""
        if not_undone is None:
            self._path.unlink(missing_ok=True)
        else:
            self._lock.note_unfinished(_text(replace(self.note, not_undone=not_undone)))


@contextmanager
def noted(root: Path, target: Target, set_name: str) -> Iterator[Journal]:
    """While a restore is under way. A directory that cannot be written does not keep it from taking place."""
    with ExitStack() as stack:
        journal = Journal()
        try:
            lock = SetLock(root, f"{PREFIX}{target.run_id}", f"restore into {target.target_db}")
            journal = _Noting(stack.enter_context(lock), Note(target.target_db, set_name))
            stack.callback(_path(root, target.run_id).unlink, missing_ok=True)
        except StorageError as error:
            log.info("restore.not_noted", error=str(error))
        yield journal
        _forget_what_is_replaced(root, target)


class _Noting(Journal):
    def __init__(self, lock: SetLock, note: Note) -> None:
        self._lock = lock
        self._note = note
        self._write()

    def protected(self, existing: Iterable[str], safety: str | None, late: Mapping[str, str]) -> None:
        self._note = replace(self._note, existing=tuple(existing), safety=safety, late=dict(late))
        self._write()

    def replacing(self, name: str, fingerprint: str | None) -> None:
        self._note = replace(self._note, replaced={**self._note.replaced, name: fingerprint})
        self._write()

    def _write(self) -> None:
        self._lock.note_unfinished(_text(self._note))


def dead(root: Path) -> Iterator[Dead]:
    """The restores that died, each held until the next is asked for. Raises StorageError."""
    for path in sorted((root / DIRECTORY).glob(f"{PREFIX}*.lock")):
        with suppress(Busy), SetLock(root, path.stem, "undoing") as lock:  # busy: its restore is alive
            note = _read(lock.left_unfinished)
            if note is None:
                log.warning("restore.nothing_noted", run_id=path.stem.removeprefix(PREFIX))
                path.unlink(missing_ok=True)
            else:
                yield Dead(path.stem.removeprefix(PREFIX), note, lock, path)


async def drop_staged(database: Database, run_id: str) -> None:
    """Drop what a restore loaded beside its targets. Raises SourceError."""
    for name in await database.collections():
        if STAGED.fullmatch(name) and name.endswith(run_id):
            await database.command({"drop": name})
            log.warning("restore.swept", database=database.name, collection=name)


def _forget_what_is_replaced(root: Path, target: Target) -> None:
    """What could not be undone does not matter any more once another restore replaced all of it."""
    for one in dead(root):
        if one.note.target_db == target.target_db and one.note.replaced.keys() <= set(target.replaced):
            one.close(None)


def _read(text: str | None) -> Note | None:
    """None for one that died before it wrote anything."""
    try:
        return Note(**json.loads(text)) if text else None
    except (ValueError, TypeError):
        return None


def _text(note: Note) -> str:
    return json.dumps(asdict(note))


def _path(root: Path, run_id: str) -> Path:
    return root / DIRECTORY / f"{PREFIX}{run_id}.lock"
