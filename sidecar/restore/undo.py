"""Undo a restore by its journal: at once after a failure, or at the next start if the restore was killed."""

from collections.abc import Iterable, Mapping
from contextlib import aclosing
from pathlib import Path

from sidecar.archive.codec import Codec
from sidecar.errors import BackupInvalid, BackupNotFound
from sidecar.logger import Logger
from sidecar.model import BackupId
from sidecar.mongodb.database import Database
from sidecar.restore import journal as journals
from sidecar.restore import restore as engine
from sidecar.restore.journal import Journal
from sidecar.restore.staging import read_back
from sidecar.runtime.threads import in_thread, in_turn
from sidecar.store.local import LocalStore
from sidecar.store.verify import read_manifest

log = Logger(__name__)


async def undo(journal: Journal, database: Database, store: LocalStore, codec: Codec) -> tuple[list[str], list[str]]:
    """Put back the collections that the restore replaced, except those without a backup, and drop its staging collections.

    Return the names of what was put back, and in words the indexes that the server refused. It can be repeated after a failure.
    Raises the errors of a restore.
    """
    await journals.drop_staged(database.of(journal.note.target_db), journal.run_id)
    names = [name for name in journal.note.replaced if name not in journal.note.unprotected]
    return names, await _put_back(names, journal, database, store, codec)


async def _put_back(
    names: Iterable[str], journal: Journal, database: Database, store: LocalStore, codec: Codec
) -> list[str]:
    note = journal.note
    by_backup: dict[str, list[str]] = {}
    new: list[str] = []
    for name in names:
        backup_id = note.backup_of(name)
        new.append(name) if backup_id is None else by_backup.setdefault(backup_id, []).append(name)
    there = await database.collections(note.target_db) if new else {}
    for name in there.keys() & set(new):
        await database.command({"drop": name}, database=note.target_db)
    of_the_undo = journal.of_the_undo()
    remarks: list[str] = []
    for backup_id, held in by_backup.items():
        order = engine.Order(
            database=database,
            target_db=note.target_db,
            journal=of_the_undo,
            store=store,
            backup_id=_parsed(backup_id),
            codec=codec,
            collections=tuple(held),
            force=True,
        )
        remarks += (await engine.restore(order)).remarks
    return remarks


async def recover(root: Path, database: Database, stores: Mapping[str, LocalStore], codec: Codec) -> list[str]:
    """Undo the restores that did not end, and return in words what could not be undone, for a person to look at.

    A collection is put back only if it still holds exactly what the restore put there: later writes are never overwritten.
    Raises SourceError and StorageError; the call can then be repeated.
    """
    problems = []
    async with aclosing(in_turn(journals.dead(root))) as dead:
        async for one in dead:
            await journals.drop_staged(database.of(one.note.target_db), one.run_id)
            problem = one.note.not_undone
            if problem is None and one.note.replaced:
                problem = await _undo_dead(one, database, stores, codec)
            if problem is None:
                await in_thread(one.end)
            else:
                await in_thread(one.give_up, problem)
                problems.append(problem)
    return problems


async def _undo_dead(
    journal: Journal, database: Database, stores: Mapping[str, LocalStore], codec: Codec
) -> str | None:
    note = journal.note
    what = f"a restore into {note.target_db} did not end after it had replaced {', '.join(note.replaced)}"
    if note.unprotected:
        problem = f"{what}, without a backup of what was there before"
    else:
        try:
            store = stores[note.set_name]
            names, touched = await _still_as_restored(journal, database, store, codec)
            if not touched:
                remarks = await _put_back(names, journal, database, store, codec)
                log.warning("restore.undone", target_db=note.target_db, collections=names, remarks=remarks)
                return None
        except (BackupNotFound, BackupInvalid, KeyError) as error:
            problem = f"{what}; it could not be undone: {error}"
        else:
            problem = (
                f"{what}; {', '.join(touched)} were written to since, so that nothing was undone: {note.in_words()}"
            )
    log.error("restore.not_undone", target_db=note.target_db, reason=problem)
    return f"{problem}. Restore into it by hand"


async def _still_as_restored(
    journal: Journal, database: Database, store: LocalStore, codec: Codec
) -> tuple[list[str], list[str]]:
    """Return the collections that are still as the restore made them, and those that hold neither the old nor the new content."""
    note = journal.note
    to_undo: list[str] = []
    touched: list[str] = []
    there = await database.collections(note.target_db)
    for name, new in note.replaced.items():
        backup_id = note.backup_of(name)
        if name in there and there[name].holds_documents:
            held = (await read_back(database, note.target_db, there[name], codec)).details().fingerprint
            if held != await in_thread(_fingerprint_in, store, backup_id, name):
                (to_undo if held == new else touched).append(name)
        elif name in there or backup_id is not None:  # a view, or it is gone
            to_undo.append(name)
    return to_undo, touched


def _fingerprint_in(store: LocalStore, backup_id: str | None, name: str) -> str | None:
    if backup_id is None:
        return None
    details = read_manifest(store, _parsed(backup_id)).collection_details.get(name)
    return details.fingerprint if details else None  # a view has none


def _parsed(backup_id: str) -> BackupId:
    parsed = BackupId.parse(backup_id)
    if parsed is None:
        raise BackupNotFound(f"there is no backup {backup_id!r}")
    return parsed
