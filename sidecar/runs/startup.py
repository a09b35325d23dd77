"""Hold the schedules at the start until killed restores are undone and, if configured, an empty database is restored.

Otherwise the first scheduled runs would back up an empty database. `reason` says why the schedules are held.
"""

from collections.abc import Mapping

from sidecar.errors import (
    AccessRefused,
    Busy,
    Cancelled,
    LeaseLost,
    SidecarError,
    SourceStalled,
    SourceUnavailable,
    TargetInUse,
)
from sidecar.logger import Logger
from sidecar.model import BackupId, BackupSet, Collection, Outcome, StoredBackup, Trigger
from sidecar.mongodb.lease import Lease
from sidecar.restore.target import Target
from sidecar.rules import counting
from sidecar.rules.names import is_ours
from sidecar.runs.operations import Operations
from sidecar.runs.scheduler import Scheduler
from sidecar.runtime.clock import Clock
from sidecar.runtime.threads import in_thread
from sidecar.service import Service

LEASE = "start-up restore"
PAUSE_SECONDS = 5.0  # between two attempts
PASSING = {
    error.code for error in (SourceUnavailable, AccessRefused, SourceStalled, Busy, Cancelled, LeaseLost, TargetInUse)
}

log = Logger(__name__)


class StartUp:
    """Restores empty sets, then arms the scheduler. Of several sidecars on one database only one restores."""

    def __init__(self, service: Service, operations: Operations, scheduler: Scheduler, clock: Clock) -> None:
        settings = service.settings
        self.reason: str | None = None
        if settings.restore_on_empty or settings.seed_file:
            self.reason = "the start-up restore has not looked at the database yet"
        scheduler.is_armed = self.reason is None
        self._service = service
        self._operations = operations
        self._scheduler = scheduler
        self._clock = clock
        self._lease = Lease(service.database, LEASE)
        self._tried: set[BackupId] = set()

    async def run(self) -> None:
        """Work until the schedules may begin. Errors are shown in `reason`; a backup that failed is not tried again."""
        while (reason := await self._obstacle()) is not None:
            if not self._scheduler.is_armed and reason != self.reason:
                log.error("startup.held", reason=reason)
                self.reason = reason
            await self._clock.sleep(PAUSE_SECONDS)
        self.reason = None
        self._scheduler.is_armed = True

    async def _obstacle(self) -> str | None:
        """Do what has to be done. Return what still keeps the schedules from beginning, None if nothing does."""
        try:
            not_undone = await self._service.recover()
            if self._scheduler.is_armed:
                return None
            if not_undone:
                return "; ".join(not_undone)
            if not await self._empty_sets():
                return None
            async with self._lease.hold():
                return await self._fill()
        except SidecarError as error:
            return f"the start-up restore has not ended: {error}"
        except Exception as error:  # a defect of ours must not look like a running restore
            log.exception("startup.broken")
            return f"the start-up restore is broken: {type(error).__name__}; the log says more"

    async def _fill(self) -> str | None:
        empty = await self._empty_sets()  # another sidecar may have been at work meanwhile
        backups = {one.name: await in_thread(self._backups_of, one) for one in self._service.settings.sets.values()}
        if len(empty) == len(backups) and not any(backups.values()):
            await self._sow()
        elif self._service.settings.restore_on_empty:
            obstacles = [await self._restore(one) for one in empty if backups[one.name]]
            return "; ".join(obstacle for obstacle in obstacles if obstacle) or None
        return None

    async def _empty_sets(self) -> list[BackupSet]:
        """Return the sets whose collections hold no document."""
        there = await self._service.database.collections()
        has_data = {name for name, item in there.items() if await self._service.database.holds_documents(item)}
        return [one for one in self._service.settings.sets.values() if not has_data.intersection(_names(one, there))]

    def _backups_of(self, one: BackupSet) -> list[StoredBackup]:
        return counting.of_the_set(self._service.catalog.backups(one.name))

    # -- restoring -----------------------------------------------------------------------------------------------------

    async def _restore(self, one: BackupSet) -> str | None:
        """Restore the newest backup of a set that can be restored. Return an error, None on success."""
        if one not in await self._empty_sets():  # a set restored before it shares its collections
            return None
        usable = await in_thread(self._service.catalog.in_order_of_choice, one.name, self._clock.now())
        if not usable:
            return f"{one.name} is empty and none of its backups is valid and dated before now"
        if not usable[0].documents:
            return None
        failures = []
        for backup in usable:
            if backup.id not in self._tried:
                code, message = await self._restore_one(backup)
                if code is None:
                    return None
                failures.append(f"{backup.id}: {message}")
                if code in PASSING:
                    return f"{one.name} is not restored: {failures[-1]}"
                self._tried.add(backup.id)
        return f"{one.name} is empty and could not be restored: {'; '.join(failures) or 'every backup was tried'}"

    async def _restore_one(self, backup: StoredBackup) -> tuple[str | None, str]:
        """Restore one backup. Return the error code, None on success, and a message."""
        checks = (self._require_ours_and_empty,)
        order = await in_thread(
            self._service.restore_order, str(backup.id), target_db=None, collections=None, checks=checks
        )
        job = await self._operations.restore(order, trigger=Trigger.START_UP)
        await job.wait(None)
        (run,) = job.runs.values()
        log.warning("startup.restored", backup_id=str(backup.id), outcome=str(run.outcome), message=run.message)
        return (None if run.outcome is Outcome.SUCCEEDED else str(run.code)), run.message

    async def _sow(self) -> None:
        if (path := self._service.settings.seed_file) is not None:
            database, codec = self._service.database, self._service.codec
            checks = (self._require_ours_and_empty,)
            target = Target(database=database, target_db=database.name, codec=codec, checks=checks)
            await self._service.sow(target, path)

    async def _require_ours_and_empty(self, item: Collection) -> None:
        """Check right before a collection is replaced. Raises LeaseLost, TargetInUse if it holds documents by now."""
        await self._lease.require()
        there = (await self._service.database.collections()).get(item.name)
        if there is not None and await self._service.database.holds_documents(there):
            raise TargetInUse(f"{item.name} was empty and now holds documents: somebody else began to fill it")


def _names(one: BackupSet, there: Mapping[str, Collection]) -> set[str]:
    names = {name for name in there if not is_ours(name)} if one.takes_all else set(one.collections)
    return names - set(one.exclude)
