"""A restore that can be taken back: what it replaces is backed up first, and put back if it fails half-way."""

import asyncio
from dataclasses import dataclass, replace

import structlog

from sidecar.engine import backup
from sidecar.engine import restore as engine
from sidecar.engine.lock import SetLock
from sidecar.engine.store import LocalStore
from sidecar.errors import SidecarError
from sidecar.model import BackupId, Manifest, Trigger

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """What the server holds now, and the backup of what it held before; None where there was nothing."""

    restored: engine.Restored
    safety: Manifest | None


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
        planned = await engine.plan(order)
        existing = tuple(one.collection for one in planned if one.replaces_documents is not None)
        if not existing:
            return await self._restore(order, None, existing)
        with self.store.locked(f"restore of {order.backup_id}") as lock:
            return await self._restore(order, await self._back_up(order, existing, lock), existing)

    async def _restore(self, order: engine.Order, safety: Manifest | None, existing: tuple[str, ...]) -> Result:
        try:
            return Result(await engine.restore(order), safety)
        except (SidecarError, asyncio.CancelledError) as error:
            if order.replaced:
                await asyncio.shield(self._put_back(order, safety, set(existing), error))
            raise

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

    async def _put_back(
        self, order: engine.Order, safety: Manifest | None, held: set[str], error: BaseException
    ) -> None:
        """Undo what was done. Where that fails too, the safety backup still holds everything, and the error names it."""
        replaced = tuple(order.replaced)
        try:
            for name in replaced:
                if name not in held and name in await order.database.collections(order.target_db):
                    await order.database.command({"drop": name}, database=order.target_db)
            if safety is not None and held & set(replaced):
                await engine.restore(self._way_back(order, safety, tuple(name for name in replaced if name in held)))
        except SidecarError as again:
            where = f"; it could not be put back ({again}): " + (
                f"{safety.backup_id} holds it" if safety else "it was empty"
            )
        else:
            where = "; what the target held before was put back"
        log.warning("restore.undone", collections=replaced, outcome=where.removeprefix("; "))
        if isinstance(error, SidecarError):
            error.args = (f"{error}{where}",)

    def _way_back(self, order: engine.Order, safety: Manifest, names: tuple[str, ...]) -> engine.Order:
        backup_id = BackupId.parse(safety.backup_id)
        assert backup_id is not None  # noqa: S101 - it was just made
        return replace(order, store=self.store, backup_id=backup_id, collections=names, replaced=[])
