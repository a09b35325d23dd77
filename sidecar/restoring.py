"""A restore that can be taken back: what it replaces is backed up first, and put back if it fails half-way."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from sidecar.engine import backup
from sidecar.engine import restore as engine
from sidecar.engine.loading import read_back
from sidecar.engine.lock import SetLock
from sidecar.engine.source import Collection
from sidecar.engine.store import LocalStore
from sidecar.errors import SidecarError
from sidecar.model import BackupId, Manifest, Trigger

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
            return await self._restore(order, _Kept(None, existing))
        with self.store.locked(f"restore of {order.backup_id}") as lock:
            kept = _Kept(await self._back_up(order, existing, lock), existing)
            check = partial(self._keep_late_writes, order, kept, lock)
            return await self._restore(replace(order, checks=(*order.checks, check)), kept)

    async def _existing(self, order: engine.Order) -> tuple[str, ...]:
        there = await order.database.collections(order.target_db)
        return tuple(name for name in (await engine.choose(order)).items if name in there)

    async def _restore(self, order: engine.Order, kept: "_Kept") -> Result:
        try:
            return Result(await engine.restore(order), kept.safety, kept.late)
        except (SidecarError, asyncio.CancelledError) as error:
            if order.replaced:
                await asyncio.shield(self._put_back(order, kept, error))
            raise

    async def _keep_late_writes(self, order: engine.Order, kept: "_Kept", lock: SetLock, item: Collection) -> None:
        """Just before a collection is replaced: what was written to it since its backup is backed up as well."""
        there = (await order.database.collections(order.target_db)).get(item.name)
        backed_up = kept.safety.collection_details.get(item.name) if kept.safety else None
        if there is None or backed_up is None or not there.holds_documents:
            return
        held = await read_back(order.database, order.target_db, there)
        if held.details().fingerprint != backed_up.fingerprint:
            kept.late[item.name] = await self._back_up(order, (item.name,), lock)
            log.warning("restore.target_in_use", collection=item.name, backup_id=kept.late[item.name].backup_id)

    async def _back_up(self, order: engine.Order, existing: tuple[str, ...], lock: SetLock) -> Manifest:
        only = replace(self.store.set, collections=existing, exclude=())
        return await backup.make_backup(
            backup.Order(
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

    async def _put_back(self, order: engine.Order, kept: "_Kept", error: BaseException) -> None:
        """Undo what was done. Where that fails too, the safety backup still holds everything, and the error names it."""
        replaced = tuple(order.replaced)
        try:
            for name in replaced:
                if name not in kept.existing and name in await order.database.collections(order.target_db):
                    await order.database.command({"drop": name}, database=order.target_db)
            for manifest, names in kept.by_backup(replaced):
                await engine.restore(self._way_back(order, manifest, names))
        except SidecarError as again:
            where = f"; it could not be put back ({again}): {kept.in_words() or 'it was empty'}"
        else:
            where = "; what the target held before was put back"
        log.warning("restore.undone", collections=replaced, outcome=where.removeprefix("; "))
        if isinstance(error, SidecarError):
            error.args = (f"{error}{where}",)

    def _way_back(self, order: engine.Order, safety: Manifest, names: tuple[str, ...]) -> engine.Order:
        backup_id = BackupId.parse(safety.backup_id)
        assert backup_id is not None  # noqa: S101 - it was just made
        return replace(
            order, store=self.store, backup_id=backup_id, collections=names, replaced=[], checks=(), force=True
        )


@dataclass(frozen=True, slots=True)
class _Kept:
    """Which collections there were, and in which backups they are."""

    safety: Manifest | None
    existing: tuple[str, ...]
    late: dict[str, Manifest] = field(default_factory=dict)

    def by_backup(self, names: tuple[str, ...]) -> list[tuple[Manifest, tuple[str, ...]]]:
        """For each backup the collections that are to come from it."""
        mine = tuple(name for name in names if name in self.existing and name not in self.late)
        found = [(self.safety, mine)] if self.safety and mine else []
        return found + [(manifest, (name,)) for name, manifest in self.late.items() if name in names]

    def in_words(self) -> str:
        backups = [self.safety, *self.late.values()] if self.safety else []
        return " and ".join(f"{one.backup_id} holds it" for one in backups)
