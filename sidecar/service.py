"""The use cases: the steps of a backup, a verification, a clean-up and a restore, in their order."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sidecar.archive.codec import Codec
from sidecar.backup import make as backup
from sidecar.config import Settings
from sidecar.copies import fetching
from sidecar.copies.copies import Copies
from sidecar.errors import BackupNotFound, Busy, SidecarError, StorageError
from sidecar.events import Listener, nobody
from sidecar.holdings import Holdings
from sidecar.logger import Logger
from sidecar.model import BackupId, Manifest, StoredBackup, Trigger, Verdict
from sidecar.mongodb.database import Database
from sidecar.restore import documents, drill, estimate, seed
from sidecar.restore import plan as planning
from sidecar.restore import restore as engine
from sidecar.restore.safety import Result, Safeguard
from sidecar.restore.target import Check, Target
from sidecar.restore.undo import recover
from sidecar.rules import counting, room, suspicion
from sidecar.runtime.pace import Pace, paced
from sidecar.runtime.threads import entered, in_thread
from sidecar.store import spill, tampering
from sidecar.store.beside import beside
from sidecar.store.catalog import require_open
from sidecar.store.local import LocalStore
from sidecar.store.lock import DIRECTORY, DRILL, Lock
from sidecar.store.verification import Verification
from sidecar.store.volume import token

OWNER = ".owner"  # a name in the directory of locks
PATIENCE_SECONDS = 3.0  # for a question that can do without an answer

log = Logger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that exists, and why the retention rules could not be carried out after it, if so."""

    manifest: Manifest
    retention_error: SidecarError | None = None
    deleted: tuple[BackupId, ...] = ()


class Service(Holdings):
    """One database, one backup directory."""

    def __init__(self, settings: Settings, database: Database, codec: Codec) -> None:
        super().__init__(settings)
        self.database = database
        self.codec = codec
        self.verification = Verification(self.catalog, codec)
        self.copies = Copies(settings.copies, self.catalog, self.policies, settings.min_storage_bytes)

    # -- backup and retention ------------------------------------------------------------------------------------------

    async def back_up(
        self, set_name: str, trigger: Trigger, listener: Listener = nobody, fence: backup.Fence | None = None
    ) -> Made:
        """Make a backup of one set, unless the fence forbids it in the end, then carry out its retention rules."""
        order = backup.BackupOrder(
            database=self.database,
            store=self.stores[set_name],
            codec=self.codec,
            mongo_host=self.settings.mongo_host,
            min_free_bytes=self.settings.min_storage_bytes,
            trigger=trigger,
            listener=listener,
            fence=fence or backup.Fence(),
            committed=self.catalog.committed,
        )
        async with entered(order.store.locked(f"backup ({trigger})")) as lock:
            order = replace(order, **await in_thread(self._experience, set_name))
            manifest = await backup.make_backup(order, lock)
            try:
                server_time = await self.database.time(within_seconds=PATIENCE_SECONDS)
                made = BackupId.parse(manifest.backup_id)
                decisions = await in_thread(self.keeping.prune_locked, lock, set_name, made, server_time)
            except SidecarError as error:
                log.error("retention.failed", set=set_name, error=str(error))  # noqa: TRY400 - known by its words
                return Made(manifest, error)
        return Made(manifest, deleted=tuple(decision.id for decision in decisions if not decision.keep))

    def _experience(self, set_name: str) -> dict[str, Any]:
        """What earlier backups tell: how many documents to expect, and how much larger the text is than the BSON."""
        recent: list[Manifest] = []
        backups = self.catalog.backups(set_name)
        for one in counting.trusted(backups, datetime.now(UTC)):
            if one.manifest:
                recent.append(one.manifest)
                if one.is_confirmed or len(recent) == suspicion.RECENT:  # none from before a confirmed loss
                    break
        chosen = self.settings.sets[set_name]  # what was taken out of the set on purpose is not lost
        most = suspicion.baseline(manifest.collections for manifest in recent)
        return {
            "baseline": {name: documents for name, documents in most.items() if chosen.wants(name)},
            "stored_per_bson": room.stored_per_bson(
                (one.manifest for one in backups if one.manifest), compressed=chosen.is_compressed
            ),
        }

    # -- verification --------------------------------------------------------------------------------------------------

    async def verify(self, stored: StoredBackup, *, deep: bool, listener: Listener = nobody) -> Verdict:
        """Read a stored backup again, whatever was known of it. Raises StorageError where it cannot be read."""
        return await in_thread(self.verification.one, stored, deep=deep, listener=listener)

    async def verify_slice(self, set_name: str, listener: Listener = nobody) -> dict[BackupId, Verdict]:
        """Verify deep the configured share of a set's backups, reading as gently as configured.

        Raises StorageError where the directory cannot be listed or, after all the others, a backup not be read.
        """
        gently = paced(listener, Pace(self.settings.max_read_mb_s))
        share = self.settings.verify_slice
        return await in_thread(self.verification.slice, set_name, share.number / share.parts, gently)

    # -- restoring -----------------------------------------------------------------------------------------------------

    def restore_order(
        self,
        chosen: str | Path,
        *,
        target_db: str | None,
        collections: Sequence[str] | None,
        checks: tuple[Check, ...] = (),
        force: bool = False,
    ) -> engine.Order:
        """What to restore: a backup by its id, or a data file anywhere. Raises BackupNotFound, BackupInvalid, UsageError."""
        engine.require_names(target_db, collections)
        store, backup_id = self.locate(chosen)
        if not force and not isinstance(chosen, Path):
            tampering.require_none(store)
        return engine.Order(
            database=self.database,
            store=store,
            backup_id=backup_id,
            codec=self.codec,
            target_db=self.settings.db_name if target_db is None else target_db,
            collections=None if collections is None else tuple(collections),
            checks=checks,
            force=force,
        )

    async def plan(self, order: engine.Order, chosen: engine.Chosen | None = None) -> planning.Plan:
        """What a restore would do. Without `chosen` documents are compared. Raises what a restore raises first."""
        if order.ids is not None:
            return documents.planned(await documents.pair(order))
        return await planning.plan(order, chosen, directory=self.settings.backup_dir)

    def estimated_seconds(self, order: engine.Order) -> float | None:
        """How long a restore will take by the last drill's measure; None before there was one, and for a few documents."""
        return None if order.ids else estimate.estimated_seconds(self.settings.backup_dir, order)

    async def restore(self, order: engine.Order, chosen: engine.Chosen | None = None, *, safety: bool = True) -> Result:
        """Make the target what a backup holds; what is replaced is backed up first unless `safety` is False.

        `chosen` is what the order comes to, where a plan has verified the backup already.
        Raises Busy while the backup's set is in use, and what a backup and a restore raise.
        """
        store = self.stores.get(order.store.set.name, order.store)
        safeguard = self._safeguard(store, is_wanted=safety)
        return await (safeguard.restore(order, chosen) if order.ids is None else safeguard.put_back_documents(order))

    def _safeguard(self, store: LocalStore, *, is_wanted: bool = True) -> Safeguard:
        return Safeguard(
            root=self.settings.backup_dir,
            store=store,
            codec=self.codec,
            mongo_host=self.settings.mongo_host,
            min_free_bytes=self.settings.min_storage_bytes,
            is_wanted=is_wanted,
        )

    @asynccontextmanager
    async def chosen(self, backup_id: str, copy: str | None, listener: Listener = nobody) -> AsyncIterator[str | Path]:
        """What to restore or look at: a backup here by its id, or the path of one that was fetched from a copy."""
        if copy is None:
            yield backup_id
        else:
            async with entered(self.copies.borrowed(copy, backup_id, listener)) as path:
                yield path

    async def drill(self, set_name: str, listener: Listener = nobody, copy: str | None = None) -> engine.Restored:
        """Prove the newest valid backup of a set, here or in a copy, by restoring it into a scratch database.

        Raises BackupNotFound where there is none, Busy while another drill is under way, IdentityRequired, and what a restore
        raises.
        """
        newest = await in_thread(self.newest_to_rehearse, set_name, copy)
        async with self.chosen(str(newest.id), copy, listener) as chosen:
            return await self._drilled(newest, chosen, listener)

    async def _drilled(self, newest: StoredBackup, chosen: str | Path, listener: Listener) -> engine.Restored:
        order = await in_thread(self.restore_order, chosen, target_db=None, collections=None)
        async with entered(self._drilling(f"drill of {newest.id}")):
            owner, began = await in_thread(self._owner), time.monotonic()
            proven = await drill.drill(replace(order, listener=listener), owner, self.settings.drill_db)
            if newest.manifest is not None:
                seconds = time.monotonic() - began
                await in_thread(estimate.note_measure, self.settings.backup_dir, newest.manifest, seconds)
        return proven

    def newest_to_rehearse(self, set_name: str, copy: str | None = None) -> StoredBackup:
        """Raises BackupNotFound, and IdentityRequired where no key opens it."""
        now = datetime.now(UTC)
        if copy is None:
            usable, where = self.catalog.in_order_of_choice(set_name, now), ""
        else:
            usable, where = self.copies.mirror(copy, set_name).in_order_of_choice(now), f" in the copy {copy}"
        if not usable:
            raise BackupNotFound(f"the set {set_name} has no valid backup{where} that is dated before now")
        require_open(usable[0])
        return usable[0]

    async def sow(self, target: Target, path: Path) -> None:
        """Fill an empty database from a seed file. Raises what a restore raises, StorageError, BackupInvalid."""
        store = next(iter(self.stores.values()))
        await seed.sow(target, seed.Seed(path, self.codec), self._safeguard(store))

    async def recover(self) -> list[str]:
        """Undo what restores did that did not end; return in words what could not be. Raises SourceError, StorageError."""
        return await recover(self.settings.backup_dir, self.database, self.stores, self.codec)

    def sweep(self) -> None:
        """Remove what killed runs left in the directory: where another sidecar leads, the next run here may be far off."""
        with suppress(StorageError):
            spill.sweep(self.settings.backup_dir)
        fetching.sweep(self.settings.backup_dir)
        for name, store in self.stores.items():
            try:
                with store.locked("sweeping"):
                    pass
            except (Busy, StorageError) as error:  # the next run will try again
                log.warning("sweep.postponed", set=name, error=str(error))

    async def sweep_drills(self) -> list[str]:
        """Drop what killed drills left on the server; return the names. Raises SourceError, StorageError, Busy."""
        async with entered(self._drilling("sweeping")):
            return await drill.sweep(self.database, await in_thread(self._owner), self.settings.drill_db)

    def _drilling(self, purpose: str) -> Lock:
        return Lock(self.settings.backup_dir, DRILL, "the rehearsal of restores", purpose)

    def _owner(self) -> str:
        """What tells this backup directory's scratch databases from those of others."""
        return token(self.settings.backup_dir / DIRECTORY / OWNER)

    def locate(self, chosen: str | Path) -> tuple[LocalStore, BackupId]:
        """Where a backup lies, by its id or by the path of its data file."""
        if isinstance(chosen, Path):
            return beside(chosen, self.settings.keyring, self.settings.signing)
        found = self.catalog.find(chosen)
        return self.stores[found.set_name], found.id
