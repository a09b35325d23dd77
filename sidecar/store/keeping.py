"""What is kept and what goes: the retention rules carried out, and what people say of single backups."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from sidecar.errors import BackupProtected, Busy, LedgerBroken, NotSuspect, StorageError
from sidecar.logger import Logger
from sidecar.model import BackupId, Confirmation, StoredBackup
from sidecar.rules import counting, retention
from sidecar.rules.retention import Decision, Policy
from sidecar.store import timekeeping
from sidecar.store.catalog import Catalog
from sidecar.store.judgement import RENEWED, Judgement, judged, prunable
from sidecar.store.ledger import Event
from sidecar.store.local import LocalStore
from sidecar.store.lock import Lock

log = Logger(__name__)


class Keeping:
    """The backups of a catalogue. Methods block; errors are Busy while the set is in use, BackupNotFound, StorageError."""

    def __init__(self, catalog: Catalog, policies: Mapping[str, Policy] | None = None) -> None:
        """`policies` are those of the sets by name; without, what their keys say, by the days of UTC."""
        self._catalog = catalog
        self._stores = catalog.stores
        self._judgements: dict[str, Judgement] = {}
        self.policies = policies or {name: Policy.of(store.set) for name, store in self._stores.items()}

    # -- the rules -----------------------------------------------------------------------------------------------------

    def decisions(self, set_name: str, policy: Policy | None = None) -> list[Decision]:
        """What would become of each backup of a set now, and why; by another policy than its own, if one is given."""
        store, judgement = self._stores[set_name], self._judgement(set_name)
        policy, clock = policy or self.policies[set_name], timekeeping.steadiness(store.root, judgement.taken)
        first = judgement.decisions(policy, clock, now := datetime.now(UTC))
        in_use = _in_use(store, first)
        return judged(judgement.stored, policy, now, clock, in_use) if in_use else first

    def judge_again(self, set_name: str) -> None:
        """Judge a set by its own policy if that was not done for a while, so that `decisions` need not. Raises StorageError."""
        judgement = self._judgement(set_name)
        clock = timekeeping.steadiness(self._stores[set_name].root, judgement.taken)
        judgement.decisions(self.policies[set_name], clock, datetime.now(UTC), within=RENEWED)

    def _judgement(self, set_name: str) -> Judgement:
        """Return what was judged of the backups that there are now, or an empty judgement of them."""
        backups, found = self._catalog.backups(set_name), self._judgements.get(set_name)
        if found is None or found.backups is not backups:
            found = self._judgements[set_name] = Judgement(backups)
        return found

    def prune(self, set_name: str) -> list[Decision]:
        """Delete what the rules let go and return all decisions as they were carried out."""
        store = self._stores[set_name]
        with store.locked("retention") as lock:
            return self.prune_locked(lock, set_name)

    def prune_locked(
        self, lock: Lock, set_name: str, just_made: BackupId | None = None, server_time: datetime | None = None
    ) -> list[Decision]:
        """`prune` for a caller that holds the set's lock. Tries every deletion, then raises the first error.

        The backup that was just made stays, even if a clock that was set back makes it look the oldest.
        """
        stored = prunable(self._catalog.backups(set_name))
        earlier = [one.taken_at for one in stored if one.id != just_made]
        clock = timekeeping.observe(self._stores[set_name].root, earlier, server_time)
        store, failures = self._stores[set_name], list[StorageError | LedgerBroken]()
        decisions = _judged(store, self.policies[set_name], stored, clock, just_made)
        carried_out = []
        for one in decisions:
            try:
                carried_out.append(one if one.keep else _carried_out(lock, store, one))
            except (StorageError, LedgerBroken) as error:  # one that cannot be deleted does not keep the others
                log.warning("backup.not_deleted", backup_id=str(one.id), error=str(error))
                failures.append(error)
        if failures:
            raise failures[0]
        return carried_out

    # -- single backups ------------------------------------------------------------------------------------------------

    def delete(self, backup_id: str, *, force: bool) -> StoredBackup:
        """Delete one backup. Raises BackupProtected without `force`, and Busy while it is being read."""
        found = self._catalog.find(backup_id)
        store = self._stores[found.set_name]
        with store.locked(f"deletion of {found.id}") as lock:
            if not force:
                self._require_expendable(self._catalog.find(backup_id))
            store.delete(lock, found.id, reason="asked for")
        log.info("backup.deleted", backup_id=str(found.id), reason="asked for")
        return found

    def _require_expendable(self, found: StoredBackup) -> None:
        if found.is_pinned:
            raise BackupProtected(f"{found.id} is pinned")
        if counting.is_last_valid(found, self._catalog.backups(found.set_name), datetime.now(UTC)):
            raise BackupProtected(f"{found.id} is the last valid backup of the set {found.set_name}")

    def pin(self, backup_id: str, until: datetime | None) -> StoredBackup:
        """Protect a backup from the retention rules, for ever or until a time."""
        found = self._catalog.find(backup_id)
        store = self._stores[found.set_name]
        with store.locked(f"pinning {found.id}") as lock:
            store.pin(lock, found.id, until)
        log.info("backup.pinned", backup_id=backup_id, until=until and until.isoformat())
        return self._catalog.find(backup_id)

    def unpin(self, backup_id: str) -> StoredBackup:
        """Remove a pin: the retention rules apply to the backup again."""
        found = self._catalog.find(backup_id)
        store = self._stores[found.set_name]
        with store.locked(f"unpinning {found.id}") as lock:
            store.unpin(lock, found.id)
        log.info("backup.unpinned", backup_id=backup_id)
        return self._catalog.find(backup_id)

    def confirm(self, backup_id: str, by: str) -> StoredBackup:
        """Say that what a suspect backup lost was meant to go, so that the retention rules go on.

        Raises NotSuspect for a backup that lost nothing.
        """
        found = self._catalog.find(backup_id)
        if found.manifest is None or not found.manifest.suspicions:
            raise NotSuspect(f"{found.id} is not suspect: there is nothing to confirm")
        store = self._stores[found.set_name]
        with store.locked(f"confirming {found.id}") as lock:
            store.confirm(lock, found.id, Confirmation(at=datetime.now(UTC), by=by))
        log.warning("backup.confirmed", backup_id=backup_id, by=by, lost=found.manifest.suspicions)
        return self._catalog.find(backup_id)


def _judged(
    store: LocalStore,
    policy: Policy,
    stored: Collection[StoredBackup],
    clock: retention.Steadiness,
    just_made: BackupId | None,
) -> list[Decision]:
    now, held = datetime.now(UTC), {just_made} if just_made else set[BackupId]()
    first = judged(stored, policy, now, clock, held)
    in_use = _in_use(store, first)
    return judged(stored, policy, now, clock, held | in_use) if in_use else first


def _in_use(store: LocalStore, decisions: Iterable[Decision]) -> set[BackupId]:
    """Only backups that would be deleted are asked whether they are being read."""
    return {one.id for one in decisions if not one.keep and store.is_being_read(one.id)}


def _carried_out(lock: Lock, store: LocalStore, decision: Decision) -> Decision:
    try:
        store.delete(lock, decision.id, Event.PRUNED, decision.reason)
    except Busy:  # somebody began to read it just now: the next run will find it again
        log.info("backup.delete_deferred", backup_id=str(decision.id))
        return replace(decision, keep=True, reason=f"in use; then: {decision.reason}")
    log.info("backup.deleted", backup_id=str(decision.id), reason=decision.reason)
    return decision
