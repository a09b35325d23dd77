"""The use cases: what happens in which order when somebody asks for a backup, a verification, a clean-up or a restore."""

import json
import math
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from sidecar.archive.codec import Codec
from sidecar.backup import make as backup
from sidecar.config import Settings
from sidecar.errors import (
    BackupInvalid,
    BackupNotFound,
    BackupProtected,
    Busy,
    NotSuspect,
    SetNotFound,
    SidecarError,
    StorageError,
    UsageError,
)
from sidecar.events import Listener, nobody
from sidecar.model import BackupId, BackupSet, BackupState, Confirmation, Manifest, StoredBackup, Trigger, Verdict
from sidecar.mongodb.database import Database
from sidecar.restore import drill, seed
from sidecar.restore import restore as engine
from sidecar.restore.safety import Result, Safeguard
from sidecar.restore.target import Check, Target
from sidecar.restore.undo import recover
from sidecar.rules import counting, names, retention, room, suspicion
from sidecar.runtime.pace import Pace, paced
from sidecar.runtime.threads import in_thread
from sidecar.store import spill, timekeeping, verify
from sidecar.store.catalog import Catalog
from sidecar.store.durable import publish
from sidecar.store.local import LocalStore
from sidecar.store.lock import DIRECTORY, SetLock

BUILT_IN = ("main", "attendance")
ALL, BOTH = "all", "both"
DRILL, OWNER, MEASURE = ".drill", ".owner", ".measure"  # names in the directory of locks
PATIENCE_SECONDS = 3.0  # for a question that can do without an answer

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that exists, and why the retention rules could not be carried out after it, if so."""

    manifest: Manifest
    retention_error: SidecarError | None = None
    deleted: tuple[BackupId, ...] = ()


class Service:
    """One database, one backup directory."""

    def __init__(self, settings: Settings, database: Database, codec: Codec) -> None:
        self.settings = settings
        self.database = database
        self.codec = codec
        self.stores = {name: LocalStore(settings.backup_dir, one) for name, one in settings.sets.items()}
        self.catalog = Catalog(self.stores)

    def sets(self, asked: str) -> list[BackupSet]:
        """The sets that a name, `both` or `all` stands for. Raises SetNotFound."""
        known = self.settings.sets
        names = {ALL: tuple(known), BOTH: BUILT_IN}.get(asked, (asked,))
        if unknown := [name for name in names if name not in known]:
            raise SetNotFound(f"unknown backup set {unknown[0]!r}: expected {', '.join(known)}, both or all")
        return [known[name] for name in names]

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
            text_per_bson=self._text_per_bson(set_name),
            listener=listener,
            fence=fence or backup.Fence(),
        )
        with order.store.locked(f"backup ({trigger})") as lock:
            order = replace(order, baseline=await in_thread(self._baseline, set_name))
            manifest = await backup.make_backup(order, lock)
            try:
                server_time = await self.database.time(within_seconds=PATIENCE_SECONDS)
                made = BackupId.parse(manifest.backup_id)
                decisions = await in_thread(self._prune, lock, order.store, made, server_time)
            except SidecarError as error:
                log.exception("retention.failed", set=set_name)
                return Made(manifest, error)
        return Made(manifest, deleted=tuple(decision.id for decision in decisions if not decision.keep))

    def _baseline(self, set_name: str) -> dict[str, int]:
        """What the recent backups hold that nobody doubts; none from before one whose losses somebody confirmed."""
        recent: list[Manifest] = []
        for one in counting.trusted(self.catalog.backups(set_name), datetime.now(UTC)):
            if one.manifest:
                recent.append(one.manifest)
                if one.is_confirmed or len(recent) == suspicion.RECENT:
                    break
        chosen = self.settings.sets[set_name]  # what was taken out of the set on purpose is not lost
        most = suspicion.baseline(manifest.collections for manifest in recent)
        return {name: documents for name, documents in most.items() if chosen.wants(name)}

    def _text_per_bson(self, set_name: str) -> float:
        store = self.stores[set_name]
        for files in store.scan():
            try:
                manifest = verify.read_manifest(store, files.id)
            except (BackupNotFound, BackupInvalid, StorageError):
                continue
            if bson_bytes := sum(detail.bson_bytes for detail in manifest.collection_details.values()):
                return room.GROWTH * manifest.file_size_bytes / bson_bytes
        return room.TEXT_PER_BSON

    def decisions(self, set_name: str) -> list[retention.Decision]:
        """What would become of each backup of a set now, and why."""
        stored = self._prunable(set_name)
        clock = timekeeping.steadiness(self.settings.backup_dir, (one.taken_at for one in stored))
        return self._judged(set_name, stored, clock)

    def _prunable(self, set_name: str) -> list[StoredBackup]:
        """An orphan is never ours to delete: its metadata may only be lost."""
        return [one for one in self.catalog.backups(set_name) if one.verdict.state is not BackupState.ORPHAN]

    def _judged(
        self,
        set_name: str,
        stored: Sequence[StoredBackup],
        clock: retention.Steadiness,
        just_made: BackupId | None = None,
    ) -> list[retention.Decision]:
        rules, now = self.settings.sets[set_name], datetime.now(UTC)
        store = self.stores[set_name]
        candidates = [
            retention.Candidate.of(one, now, is_in_use=one.id == just_made or store.is_being_read(one.id))
            for one in stored
        ]
        return retention.judge(candidates, retention.Policy(rules.limit, rules.retention_days), now, clock)

    def prune(self, set_name: str) -> list[retention.Decision]:
        """Delete what the rules let go and return all decisions. Raises Busy, StorageError."""
        store = self.stores[set_name]
        with store.locked("retention") as lock:
            return self._prune(lock, store)

    def _prune(
        self,
        lock: SetLock,
        store: LocalStore,
        just_made: BackupId | None = None,
        server_time: datetime | None = None,
    ) -> list[retention.Decision]:
        """The one just made stays even where a clock that was set back makes it the oldest."""
        stored = self._prunable(store.set.name)
        earlier = [one.taken_at for one in stored if one.id != just_made]
        clock = timekeeping.observe(self.settings.backup_dir, earlier, server_time)
        decisions = self._judged(store.set.name, stored, clock, just_made)
        for decision in decisions:
            if not decision.keep:
                _delete(lock, store, decision)
        return decisions

    # -- verification --------------------------------------------------------------------------------------------------

    def verify(self, stored: StoredBackup, *, deep: bool, listener: Listener = nobody) -> Verdict:
        """Read a stored backup again, whatever was known of it."""
        store = self.stores[stored.set_name]
        if stored.verdict.state is BackupState.ORPHAN:
            return stored.verdict
        if deep:
            verdict = verify.verify_deep(store, stored.id, self.codec, listener)
        else:
            verdict = verify.verify(store, stored.id, listener)
        with suppress(BackupNotFound):  # deleted meanwhile: nothing to believe of it any more
            self.catalog.note(stored.id, verdict, is_deep=deep)
        return verdict

    def verify_slice(self, set_name: str, listener: Listener = nobody) -> dict[BackupId, Verdict]:
        """Verify deep the configured share of a set's backups: those for which that is longest ago.

        Reads as gently as configured. Raises StorageError where the directory cannot be listed.
        """
        stored = [
            one for one in self.catalog.backups(set_name, listener) if one.verdict.state is not BackupState.ORPHAN
        ]
        share = self.settings.verify_slice
        due = sorted(stored, key=self._verified_deep_at)[: math.ceil(len(stored) * share.number / share.parts)]
        gently = paced(listener, Pace(self.settings.max_read_mb_s))
        verdicts = {one.id: self.verify(one, deep=True, listener=gently) for one in due}
        there = {files.id for files in self.stores[set_name].scan()}  # what was deleted meanwhile is not missing
        return {backup_id: verdict for backup_id, verdict in verdicts.items() if backup_id in there}

    def _verified_deep_at(self, stored: StoredBackup) -> tuple[datetime, BackupId]:
        finding = self.catalog.findings.get(stored.id)
        never = datetime.min.replace(tzinfo=UTC)
        return (finding.found_at if finding and finding.is_deep else never), stored.id

    # -- single backups ------------------------------------------------------------------------------------------------

    def delete(self, backup_id: str, *, force: bool) -> StoredBackup:
        """Delete one backup. Raises BackupNotFound, BackupProtected without `force`, Busy while it or its set is in use."""
        found = self.catalog.find(backup_id)
        store = self.stores[found.set_name]
        with store.locked(f"deletion of {found.id}") as lock:
            if not force:
                self._require_expendable(self.catalog.find(backup_id))
            store.delete(lock, found.id)
        log.info("backup.deleted", backup_id=str(found.id), reason="asked for")
        return found

    def _require_expendable(self, found: StoredBackup) -> None:
        if found.is_pinned:
            raise BackupProtected(f"{found.id} is pinned")
        if counting.is_last_valid(found, self.catalog.backups(found.set_name), datetime.now(UTC)):
            raise BackupProtected(f"{found.id} is the last valid backup of the set {found.set_name}")

    def pin(self, backup_id: str, until: datetime | None) -> StoredBackup:
        """Keep a backup whatever the retention rules say, for ever or until then. Raises BackupNotFound, Busy."""
        found = self.catalog.find(backup_id)
        store = self.stores[found.set_name]
        with store.locked(f"pinning {found.id}") as lock:
            store.pin(lock, found.id, until)
        log.info("backup.pinned", backup_id=backup_id, until=until and until.isoformat())
        return self.catalog.find(backup_id)

    def unpin(self, backup_id: str) -> StoredBackup:
        """Leave a backup to the retention rules again. Raises BackupNotFound, Busy."""
        found = self.catalog.find(backup_id)
        store = self.stores[found.set_name]
        with store.locked(f"unpinning {found.id}") as lock:
            store.unpin(lock, found.id)
        log.info("backup.unpinned", backup_id=backup_id)
        return self.catalog.find(backup_id)

    def confirm(self, backup_id: str, by: str) -> StoredBackup:
        """Say that what a suspect backup lost was meant to go, so that the retention rules go on.

        Raises BackupNotFound, Busy, and NotSuspect for a backup that lost nothing.
        """
        found = self.catalog.find(backup_id)
        if found.manifest is None or not found.manifest.suspicions:
            raise NotSuspect(f"{found.id} is not suspect: there is nothing to confirm")
        store = self.stores[found.set_name]
        with store.locked(f"confirming {found.id}") as lock:
            store.confirm(lock, found.id, Confirmation(at=datetime.now(UTC), by=by))
        log.warning("backup.confirmed", backup_id=backup_id, by=by, lost=found.manifest.suspicions)
        return self.catalog.find(backup_id)

    # -- the way back --------------------------------------------------------------------------------------------------

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
        if target_db is not None and (expected := names.database_expected(target_db)):
            raise UsageError(f"the target database {target_db[:80]!r}: expected {expected}")
        if collections is not None and (not collections or any(names.collection_expected(one) for one in collections)):
            raise UsageError("collections: expected names of collections, none of them empty")
        store, backup_id = self.locate(chosen)
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

    def estimated_seconds(self, order: engine.Order) -> float | None:
        """How long a restore will take by the last drill's measure; None before there was one."""
        try:
            measured = json.loads(self._measure_path.read_bytes())
            manifest = verify.read_manifest(order.store, order.backup_id)
            return round(manifest.file_size_bytes * float(measured["seconds_per_byte"]), 1)
        except (OSError, ValueError, KeyError, TypeError, SidecarError):
            return None

    @property
    def _measure_path(self) -> Path:
        return self.settings.backup_dir / DIRECTORY / MEASURE

    def _note_measure(self, manifest: Manifest, seconds: float) -> None:
        measured = {"backup_id": manifest.backup_id, "seconds_per_byte": seconds / max(manifest.file_size_bytes, 1)}
        with suppress(StorageError):  # only an estimate
            publish(self._measure_path, json.dumps(measured).encode())

    async def restore(self, order: engine.Order, chosen: engine.Chosen | None = None, *, safety: bool = True) -> Result:
        """Make the target what a backup holds; what is replaced is backed up first unless `safety` is False.

        `chosen` is what the order comes to, where a plan has verified the backup already.
        Raises Busy while the backup's set is in use, and what a backup and a restore raise.
        """
        store = self.stores.get(order.store.set.name, order.store)
        return await self._safeguard(store, is_wanted=safety).restore(order, chosen)

    def _safeguard(self, store: LocalStore, *, is_wanted: bool = True) -> Safeguard:
        return Safeguard(
            root=self.settings.backup_dir,
            store=store,
            codec=self.codec,
            mongo_host=self.settings.mongo_host,
            min_free_bytes=self.settings.min_storage_bytes,
            is_wanted=is_wanted,
        )

    async def drill(self, set_name: str, listener: Listener = nobody) -> engine.Restored:
        """Prove the newest valid backup of a set by restoring it into a scratch database, which is dropped again.

        Raises BackupNotFound where there is none, Busy while another drill is under way, and what a restore raises.
        """
        usable = await in_thread(self.catalog.in_order_of_choice, set_name, datetime.now(UTC))
        if not usable:
            raise BackupNotFound(f"the set {set_name} has no valid backup that is dated before now")
        newest = usable[0]
        order = self.restore_order(str(newest.id), target_db=None, collections=None)
        with SetLock(self.settings.backup_dir, DRILL, f"drill of {newest.id}"):
            began = time.monotonic()
            proven = await drill.drill(replace(order, listener=listener), self._owner(), self.settings.drill_db)
        if newest.manifest is not None:
            await in_thread(self._note_measure, newest.manifest, time.monotonic() - began)
        return proven

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
        for name, store in self.stores.items():
            try:
                with store.locked("sweeping"):
                    pass
            except (Busy, StorageError) as error:  # the next run will try again
                log.warning("sweep.postponed", set=name, error=str(error))

    async def sweep_drills(self) -> list[str]:
        """Drop what killed drills left on the server; return the names. Raises SourceError, StorageError, Busy."""
        with SetLock(self.settings.backup_dir, DRILL, "sweeping"):
            return await drill.sweep(self.database, self._owner(), self.settings.drill_db)

    def _owner(self) -> str:
        """What tells this backup directory's scratch databases from those of others."""
        path = self.settings.backup_dir / DIRECTORY / OWNER
        if not path.exists():
            publish(path, secrets.token_hex(4).encode())
        return path.read_text(encoding="ascii")

    def locate(self, chosen: str | Path) -> tuple[LocalStore, BackupId]:
        """Where a backup lies, by its id or by the path of its data file."""
        if isinstance(chosen, Path):
            return _beside(chosen)
        found = self.catalog.find(chosen)
        return self.stores[found.set_name], found.id


def _delete(lock: SetLock, store: LocalStore, decision: retention.Decision) -> None:
    try:
        store.delete(lock, decision.id)
        log.info("backup.deleted", backup_id=str(decision.id), reason=decision.reason)
    except Busy:  # somebody began to read it just now: the next run will find it again
        log.info("backup.delete_deferred", backup_id=str(decision.id))


def _beside(path: Path) -> tuple[LocalStore, BackupId]:
    """A store of the one directory that a data file lies in. Its metadata names the set."""
    backup_id = BackupId.parse(path.name.removesuffix(".json"))
    if not path.is_file() or backup_id is None:
        raise BackupNotFound(f"{path}: expected an existing file <prefix>_YYYYMMDD_HHMMSS.json")
    metadata = path.with_name(backup_id.metadata_name)
    try:
        set_name = str(json.loads(metadata.read_bytes())["backup_type"])
    except FileNotFoundError:
        raise BackupInvalid(
            f"{metadata.name} is missing beside it: without its checksum the file cannot be trusted"
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise BackupInvalid(
            f"{metadata.name} cannot be read: without its checksum the file cannot be trusted"
        ) from None
    directory = path.parent.resolve()
    return LocalStore(directory, BackupSet(name=set_name, collections=("*",), prefix=backup_id.prefix)), backup_id
