"""A restore that can be taken back: what it replaces is backed up first, and put back if it fails half-way."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from sidecar.archive.codec import Codec
from sidecar.backup import make as backup
from sidecar.errors import SidecarError
from sidecar.model import BackupId, Collection, Manifest, Trigger
from sidecar.restore import restore as engine
from sidecar.restore.staging import read_back
from sidecar.runtime.threads import in_thread
from sidecar.store.local import LocalStore
from sidecar.store.lock import SetLock

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """What the server holds now, and the backup of what it held before; None where there was nothing.

    `late` are further backups, by collection, of what was written to a collection between its backup and its replacement.
    """

    restored: engine.Restored
    safety: Manifest | None
    late: Mapping[str, Manifest] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Safeguard:
    """How the safety backup of a restore is made: into the set's own directory, pinned.

    Where there is nothing to back up, nothing is written there: a restore works from a directory that cannot be written.
    """

    store: LocalStore
    mongo_host: str
    min_free_bytes: int

    async def restore(self, order: engine.Order) -> Result:
        """Back up what `order` replaces, then restore. After a failure the target holds what it held before.

        Raises Busy while the set is in use, and what a backup and a restore raise; the message says what became of the target.
        """
        existing = await self._existing(order)
        if not existing:
            return await self._restore(order, Kept(self.store, order.codec, existing))
        with self.store.locked(f"restore of {order.backup_id}") as lock:
            safety = await self._back_up(order, existing, lock)
            kept = Kept(self.store, order.codec, existing, safety)
            await in_thread(kept.note, order.journal)
            check = partial(self._keep_late_writes, order, kept, lock)
            return await self._restore(replace(order, checks=(*order.checks, check)), kept)

    async def _existing(self, order: engine.Order) -> tuple[str, ...]:
        there = await order.database.collections(order.target_db)
        return tuple(name for name in (await engine.choose(order)).items if name in there)

    async def _restore(self, order: engine.Order, kept: "Kept") -> Result:
        try:
            return Result(await engine.restore(order), kept.safety, kept.late)
        except (SidecarError, asyncio.CancelledError) as error:
            if order.replaced:
                await asyncio.shield(_undo(order, kept, error))
            raise

    async def _keep_late_writes(self, order: engine.Order, kept: "Kept", lock: SetLock, item: Collection) -> None:
        """Just before a collection is replaced: what was written to it since its backup is backed up as well."""
        there = (await order.database.collections(order.target_db)).get(item.name)
        backed_up = kept.safety.collection_details.get(item.name) if kept.safety else None
        if there is None or backed_up is None or not there.holds_documents:
            return
        held = await read_back(order.database, order.target_db, there)
        if held.details().fingerprint != backed_up.fingerprint:
            kept.late[item.name] = await self._back_up(order, (item.name,), lock)
            await in_thread(kept.note, order.journal)
            log.warning("restore.target_in_use", collection=item.name, backup_id=kept.late[item.name].backup_id)

    async def _back_up(self, order: engine.Order, existing: tuple[str, ...], lock: SetLock) -> Manifest:
        only = replace(self.store.set, collections=existing, exclude=())
        return await backup.make_backup(
            backup.BackupOrder(
                database=order.database.of(order.target_db),
                store=LocalStore(self.store.root, only),
                codec=order.codec,
                mongo_host=self.mongo_host,
                min_free_bytes=self.min_free_bytes,
                trigger=Trigger.PRE_RESTORE,
                is_pinned=True,
                listener=order.listener,
            ),
            lock,
        )


async def _undo(order: engine.Order, kept: "Kept", error: BaseException) -> None:
    """Put back what was replaced. Where that fails too, the backups still hold everything, and the error names them."""
    replaced = tuple(order.replaced)
    try:
        await kept.put_back(order, replaced)
    except SidecarError as again:
        where = f"; it could not be put back ({again}): {kept.in_words()}"
    else:
        where = "; what the target held before was put back"
    log.warning("restore.undone", collections=replaced, outcome=where.removeprefix("; "))
    if isinstance(error, SidecarError):
        error.args = (f"{error}{where}",)


@dataclass(frozen=True, slots=True)
class Kept:
    """Which collections a target had, and the backups that they are in: `late`, by collection, goes before `safety`."""

    store: LocalStore
    codec: Codec
    existing: tuple[str, ...]
    safety: Manifest | None = None
    late: dict[str, Manifest] = field(default_factory=dict)

    def backup_of(self, name: str) -> Manifest | None:
        return self.late.get(name, self.safety) if name in self.existing else None

    async def put_back(self, target: engine.Target, names: Sequence[str]) -> None:
        """Make these collections of the target what they were. Raises what a restore raises."""
        by_backup: dict[str, list[str]] = {}
        for name in names:
            if manifest := self.backup_of(name):
                by_backup.setdefault(manifest.backup_id, []).append(name)
            elif name in await target.database.collections(target.target_db):
                await target.database.command({"drop": name}, database=target.target_db)
        for backup_id, held in by_backup.items():
            await engine.restore(self._way_back(target, backup_id, held))

    def _way_back(self, target: engine.Target, backup_id: str, names: Sequence[str]) -> engine.Order:
        parsed = BackupId.parse(backup_id)
        assert parsed is not None  # noqa: S101 - a backup of ours
        return engine.Order(
            database=target.database,
            target_db=target.target_db,
            run_id=target.run_id,
            listener=target.listener,
            store=self.store,
            backup_id=parsed,
            codec=self.codec,
            collections=tuple(names),
            force=True,
        )

    def note(self, journal: engine.Journal) -> None:
        late = {name: manifest.backup_id for name, manifest in self.late.items()}
        journal.protected(self.existing, self.safety.backup_id if self.safety else None, late)

    def in_words(self) -> str:
        backups = [self.safety, *self.late.values()] if self.safety else []
        return " and ".join(f"{one.backup_id} holds it" for one in backups) or "it was empty"
