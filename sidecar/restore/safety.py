"""A restore with a safety backup: what it replaces is backed up first, and put back if the restore fails."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from sidecar.archive.codec import Codec
from sidecar.archive.sealing import opened
from sidecar.backup import make as backup
from sidecar.errors import IdentityRequired, NothingToBackUp, SidecarError, StorageError
from sidecar.logger import Logger
from sidecar.model import Collection, Manifest, Trigger
from sidecar.restore import documents
from sidecar.restore import journal as journals
from sidecar.restore import restore as engine
from sidecar.restore.journal import Note
from sidecar.restore.staging import Loading, Source, read_back
from sidecar.restore.target import Target
from sidecar.restore.undo import undo
from sidecar.restore.writing import as_ours
from sidecar.runtime.completion import completed
from sidecar.runtime.threads import entered, in_thread
from sidecar.store.local import LocalStore
from sidecar.store.lock import Lock

log = Logger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """The restored content, and the safety backup of the old content (None if there was nothing to back up, or none was wanted).

    `late` holds, by collection, a second backup of a collection that was written to between its backup and its replacement.
    """

    restored: engine.Restored
    safety: Manifest | None
    late: Mapping[str, Manifest] = field(default_factory=dict)


@dataclass(slots=True)
class Kept:
    """The safety backups made so far; filled while the restore runs."""

    safety: Manifest | None = None
    late: dict[str, Manifest] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Safeguard:
    """Restores with a pinned safety backup in the set's own directory.

    If there is nothing to back up, nothing is written there, so that a restore works from a read-only directory.
    """

    root: Path
    store: LocalStore
    codec: Codec
    mongo_host: str
    min_free_bytes: int
    is_wanted: bool = True  # False: no safety backup, so that replaced collections cannot be put back

    async def restore(self, order: engine.Order, chosen: engine.Chosen | None = None) -> Result:
        """Back up what `order` replaces, then restore. After a failure the target holds what it held before.

        `chosen` saves a second verification. Raises Busy while the set is in use, and the errors of a backup and of a restore;
        the message says what became of the target.
        """
        chosen = chosen or await engine.choose(order)
        await engine.require_suitable(order, chosen)
        kept = Kept()
        loaded = await self.put_in_place(order, chosen.items, chosen.source, kept)
        return Result(engine.described(order, chosen, loaded), kept.safety, kept.late)

    async def put_back_documents(self, order: engine.Order) -> Result:
        """Restore the single documents of `order`. If it replaces any, their collection is backed up first."""
        paired = await documents.pair(order)
        if not (paired.replaces and self.is_wanted):
            return Result(await documents.put_back(order, paired), None)
        self._require_private_key()
        async with entered(self.store.locked(f"restore into {order.target_db}")) as lock:
            safety = await self._back_up(order, (paired.item.name,), lock)
            try:
                return Result(await documents.put_back(order, paired), safety)
            except SidecarError as error:
                raise error.with_more(f"{safety.backup_id} holds {paired.item.name} as it was before") from error

    async def put_in_place(
        self, target: Target, items: Mapping[str, Collection], source: Source, kept: Kept
    ) -> Loading:
        """Replace these collections of the target by those of `source`: all of them or none. Fills `kept`."""
        there = await target.database.collections(target.target_db)
        existing = tuple(name for name in items if name in there)
        async with AsyncExitStack() as stack:
            journal = await stack.enter_async_context(
                entered(journals.opened(self.root, target.target_db, self.store.set.name))
            )
            target = replace(target, journal=journal)
            try:
                if existing and self.is_wanted:
                    self._require_private_key()
                    lock = await stack.enter_async_context(
                        entered(self.store.locked(f"restore into {target.target_db}"))
                    )
                    target = await self._protected(target, {name: there[name] for name in existing}, kept, lock)
                else:
                    await in_thread(journal.protect, existing, None)
                loaded = await engine.put_in_place(target, items, source, there)
                await in_thread(journal.end)
            except (Exception, asyncio.CancelledError) as error:  # a bug must not leave a half-replaced target either
                raise await completed(self._undone(target, error)) from error
        await self._forget_replaced(journal.note)
        return loaded

    def _require_private_key(self) -> None:
        """Raises IdentityRequired if no private key here could decrypt the safety backup for an undo."""
        if not self.store.keyring.opens(self.store.set.recipients):
            raise IdentityRequired(
                f"what is replaced is backed up first, for the recipients of the set {self.store.set.name}: no private key that "
                "is here could put it back"
            )

    async def _protected(self, target: Target, there: Mapping[str, Collection], kept: Kept, lock: Lock) -> Target:
        """Back up what the target holds. Return the target with a check that backs up late writes before each replacement."""
        kept.safety = await self._back_up(target, tuple(there), lock)
        await in_thread(target.journal.protect, there, kept.safety.backup_id)

        async def keep_late_writes(item: Collection) -> None:
            if item.name in there:
                await self._keep_late_writes(target, there[item.name], kept, lock)

        return replace(target, checks=(*target.checks, keep_late_writes))

    async def _keep_late_writes(self, target: Target, held: Collection, kept: Kept, lock: Lock) -> None:
        """Back up a collection again, just before it is replaced, if it was written to since its backup."""
        backed_up = kept.safety.collection_details.get(held.name) if kept.safety else None
        if backed_up is None:  # a view
            return
        now = await read_back(target.database, target.target_db, held, target.codec)
        if now.details().fingerprint == backed_up.fingerprint:
            return
        try:
            late = kept.late[held.name] = await self._back_up(target, (held.name,), lock)
        except NothingToBackUp:  # somebody dropped the collection
            return
        await in_thread(target.journal.keep, held.name, late.backup_id)
        log.warning("restore.target_in_use", collection=held.name, backup_id=late.backup_id)

    async def _back_up(self, target: Target, existing: tuple[str, ...], lock: Lock) -> Manifest:
        only = replace(self.store.set, collections=existing, exclude=())
        store = LocalStore(self.store.root, only, self.store.keyring, self.store.seal.signing)
        made = await backup.make_backup(
            backup.BackupOrder(
                database=target.database.of(target.target_db),
                store=store,
                codec=self.codec,
                mongo_host=self.mongo_host,
                min_free_bytes=self.min_free_bytes,
                trigger=Trigger.PRE_RESTORE,
                is_pinned=True,
                listener=target.listener,
            ),
            lock,
        )
        return opened(made, self.store.keyring)

    async def _undone(self, target: Target, error: BaseException) -> SidecarError:
        """Undo the restore, and return its error with the outcome added. If the undo fails, the note stays for the next start."""
        journal = target.journal
        try:
            put_back, remarks = await undo(journal, target.database, self.store, self.codec)
            await in_thread(journal.end)
        except Exception as again:  # noqa: BLE001 - whatever failed, the message must say where the old data is
            outcome = _not_undone(journal.note, as_ours(again))
        else:
            outcome = "; ".join([_outcome(journal.note, put_back), *remarks])
        log.warning("restore.undone", collections=list(journal.note.replaced), outcome=outcome)
        return as_ours(error).with_more(outcome)

    async def _forget_replaced(self, note: Note) -> None:
        try:
            await in_thread(journals.forget_replaced, self.root, note)
        except StorageError as error:
            log.warning("restore.note_not_deleted", error=str(error))


def _outcome(note: Note, put_back: list[str]) -> str:
    if note.unprotected:
        return f"{', '.join(note.unprotected)} had been replaced without a safety backup and are not what they were"
    became = "what the target held before was put back" if put_back else "nothing had been replaced"
    return f"{became}, and {note.in_words()}" if note.safety else became


def _not_undone(note: Note, error: SidecarError) -> str:
    again = "The next start of the sidecar, or the next restore, tries again"
    if note.replaced:
        return f"it could not be put back ({error}): {note.in_words()}. {again}"
    return f"nothing had been replaced, but what was loaded could not be removed ({error}). {again}"
