"""What a killed restore did is undone at the next start: the target is again what it was, or somebody is told why not."""

from collections.abc import Mapping
from pathlib import Path

import structlog

from sidecar.archive.codec import Codec
from sidecar.errors import BackupInvalid, BackupNotFound
from sidecar.model import BackupId, Manifest
from sidecar.mongodb.database import Database
from sidecar.restore import journal
from sidecar.restore import restore as engine
from sidecar.restore.safety import Kept
from sidecar.restore.staging import read_back
from sidecar.runtime.threads import in_thread
from sidecar.store import verify
from sidecar.store.local import LocalStore

log = structlog.get_logger(__name__)


async def recover(root: Path, database: Database, stores: Mapping[str, LocalStore], codec: Codec) -> list[str]:
    """Undo what killed restores did to their targets. Return in words what could not be undone, for a person to look at.

    A collection is put back only while it holds exactly what the restore put there: what anybody wrote to it since is never
    overwritten. Raises SourceError and StorageError where it can be tried again.
    """
    problems = []
    for one in journal.dead(root):
        await journal.drop_staged(database.of(one.note.target_db), one.run_id)
        problem = one.note.not_undone
        if problem is None and one.note.replaced:
            problem = await _undo_dead(one, database, stores, codec)
        await in_thread(one.close, problem)
        if problem is not None:
            problems.append(problem)
    return problems


async def _undo_dead(
    one: journal.Dead, database: Database, stores: Mapping[str, LocalStore], codec: Codec
) -> str | None:
    note = one.note
    target = engine.Target(database=database, target_db=note.target_db, run_id=one.run_id)
    what = f"a restore into {note.target_db} was killed after it had replaced {', '.join(note.replaced)}"
    try:
        kept = await in_thread(_kept_by, note, stores[note.set_name], codec)
        names, touched = await _still_as_restored(target, note, kept)
        if not touched:
            await kept.put_back(target, names)
    except (BackupNotFound, BackupInvalid, KeyError) as error:
        problem = f"{what}; it could not be undone: {error}"
    else:
        if not touched:
            log.warning("restore.undone", target_db=note.target_db, collections=names)
            return None
        problem = f"{what}; {', '.join(touched)} were written to since, so that nothing was undone: {kept.in_words()}"
    log.error("restore.not_undone", target_db=note.target_db, reason=problem)
    return f"{problem}. Restore into it by hand"


def _kept_by(note: journal.Note, store: LocalStore, codec: Codec) -> Kept:
    def manifest(backup_id: str) -> Manifest:
        parsed = BackupId.parse(backup_id)
        assert parsed is not None  # noqa: S101 - a backup of ours
        return verify.read_manifest(store, parsed)

    late = {name: manifest(backup_id) for name, backup_id in note.late.items()}
    return Kept(store, codec, tuple(note.existing), manifest(note.safety) if note.safety else None, late)


async def _still_as_restored(target: engine.Target, note: journal.Note, kept: Kept) -> tuple[list[str], list[str]]:
    """The names of those collections that are still as the restore made them, and of those that are not as they were either."""
    to_undo: list[str] = []
    touched: list[str] = []
    there = await target.database.collections(target.target_db)
    for name, new in note.replaced.items():
        manifest = kept.backup_of(name)
        if name in there and there[name].holds_documents:
            held = (await read_back(target.database, target.target_db, there[name])).details().fingerprint
            old = manifest.collection_details[name].fingerprint if manifest else None
            if held != old:
                (to_undo if held == new else touched).append(name)
        elif name in there or manifest is not None:  # a view, or it is gone
            to_undo.append(name)
    return to_undo, touched
