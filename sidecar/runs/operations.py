"""Start the jobs that people and schedules ask for; the work is the same for both."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from sidecar.copies.report import Report
from sidecar.errors import BackupInvalid, BackupNotFound, SidecarError
from sidecar.events import Listener
from sidecar.history.rows import Accounted, Retry
from sidecar.model import Kind, Run, Trigger, documents_in_words
from sidecar.restore import restore as engine
from sidecar.restore.safety import Result
from sidecar.rules.schedule import pauses
from sidecar.runs.jobs import Done, Job, Jobs, Work
from sidecar.runs.leadership import SHARED, Alone
from sidecar.runs.patience import patiently
from sidecar.runs.scheduler import Routine
from sidecar.runtime.threads import in_thread
from sidecar.service import Service
from sidecar.status.overview import Overview
from sidecar.store.catalog import require_open

RETENTION_DELETED = "retention_deleted_backups"
RETENTION_FAILURES = "retention_failures"


class Operations:
    """Starts jobs.

    Every method raises Busy if the same work is running, BackupNotFound for an unknown id, IdentityRequired if no key opens
    the backup that is to be read.
    """

    def __init__(self, service: Service, jobs: Jobs, overview: Overview, leadership: Alone) -> None:
        self._service = service
        self._jobs = jobs
        self._overview = overview
        self._leadership = leadership
        self._one_drills = asyncio.Semaphore(1)  # drills take turns on the MongoDB server
        self._one_copies: dict[str, asyncio.Semaphore] = {}  # the sets of a copy take turns on the connection
        self._one_reads = asyncio.Semaphore(1)  # verifications of whole sets take turns on the disk

    async def back_up(self, set_names: Iterable[str], retry: Retry | None = None) -> Job:
        """Back up sets. `retry` is the request's idempotency key, if it has one."""
        works = {name: self._backup(name, Trigger.MANUAL) for name in set_names}
        return await self._jobs.start(Kind.BACKUP, Trigger.MANUAL, works, retry=retry)

    async def verify(self, backup_id: str, *, deep: bool) -> Job:
        """Verify one backup; `deep` also decodes every document."""
        found = await in_thread(self._service.catalog.find, backup_id)
        if deep:
            require_open(found)
        work = Work(
            claim=f"verify {found.id}",
            do=partial(self._verify_one, str(found.id), deep=deep),
            backup_id=str(found.id),
            expected_documents=found.documents if deep else 0,
        )
        return await self._jobs.start(Kind.VERIFY, Trigger.MANUAL, {found.set_name: work})

    async def prune(self, set_names: Iterable[str]) -> Job:
        """Delete what the retention rules of sets no longer keep."""
        works = {name: Work(claim=_writes(name), do=partial(self._prune, name)) for name in set_names}
        return await self._jobs.start(Kind.PRUNE, Trigger.MANUAL, works)

    async def restore(
        self,
        order: engine.Order,
        chosen: engine.Chosen | None = None,
        trigger: Trigger = Trigger.MANUAL,
        release: Callable[[], Awaitable[None]] | None = None,
    ) -> Job:
        """Restore a backup, after a safety backup of what is replaced. `chosen` is the backup if it is verified already.

        `release` is awaited when the restore is over or could not begin.
        """
        name = order.store.set.name
        work = Work(
            claim=_writes(name),
            do=partial(self._restore, order, chosen),
            backup_id=str(order.backup_id),
            expected_documents=self._overview.newest_documents(name),
        )
        if release is None:
            return await self._jobs.start(Kind.RESTORE, trigger, {name: work})
        work = replace(work, do=partial(_releasing, release, work.do))
        try:
            return await self._jobs.start(Kind.RESTORE, trigger, {name: work})
        except BaseException:  # it could not begin
            await release()
            raise

    async def drill(self, set_names: Iterable[str]) -> Job:
        """Rehearse the restore of sets."""
        names = list(set_names)
        for name in names:
            with suppress(BackupNotFound):  # the job's run will report it
                await in_thread(self._service.newest_to_rehearse, name)
        return await self._jobs.start(Kind.DRILL, Trigger.MANUAL, {name: self._drill(name) for name in names})

    async def copy(self, copy: str, set_name: str, trigger: Trigger = Trigger.MANUAL) -> Job:
        """Bring one set of a copy up to date. Raises CopyNotFound."""
        return await self.copy_sets(copy, [set_name], trigger)

    async def copy_sets(self, copy: str, set_names: Iterable[str], trigger: Trigger = Trigger.MANUAL) -> Job:
        """Bring several sets of a copy up to date. Raises CopyNotFound."""
        works = {name: self._copying(copy, name, self._service.copies.mirror(copy, name).sync) for name in set_names}
        return await self._jobs.start(Kind.COPY, trigger, works)

    async def push(self, copy: str, backup_id: str) -> Job:
        """Send one backup to a copy. Raises CopyNotFound."""
        found = await in_thread(self._service.catalog.find, backup_id)
        self._service.copies.of(copy, found.set_name)

        def work(listener: Listener) -> Report:
            self._service.copies.push(copy, found, listener)
            return Report(sent=[found.id])

        works = {found.set_name: replace(self._copying(copy, found.set_name, work), backup_id=backup_id)}
        return await self._jobs.start(Kind.COPY, Trigger.MANUAL, works)

    async def pull(self, copy: str, backup_id: str) -> Job:
        """Fetch one backup from a copy into the backup directory. Raises CopyNotFound."""
        there, found = self._service.copies.set_of(copy, backup_id)

        def work(listener: Listener) -> Report:
            is_new = self._service.copies.pull(copy, backup_id, listener)
            return Report(fetched=[found] if is_new else [])

        works = {there.set.name: replace(self._copying(copy, there.set.name, work), backup_id=backup_id)}
        return await self._jobs.start(Kind.COPY, Trigger.MANUAL, works)

    async def begin_scheduled(self, routine: Routine, accounted: Accounted) -> None:
        """Start a scheduled run. Its due time is recorded with it, and the group is told before the work begins."""
        work = self._by_schedule(routine)
        work = replace(work, do=partial(patiently, work.do, pauses(routine.interval_seconds)))
        if routine.kind in SHARED:
            work = replace(work, do=partial(self._as_leader, accounted, work.do))
        await self._jobs.start(routine.kind, Trigger.SCHEDULED, {routine.set_name: work}, accounted=accounted)

    async def _as_leader(
        self, accounted: Accounted, do: Callable[[Listener], Awaitable[Done]], listener: Listener
    ) -> Done:
        await self._leadership.account(accounted.schedule, accounted.until)
        return await do(listener)

    def _by_schedule(self, routine: Routine) -> Work:
        match routine.kind:
            case Kind.DRILL:
                return self._drill(routine.set_name)
            case Kind.VERIFY:
                return self._verification(routine)
        return self._backup(routine.set_name, Trigger.SCHEDULED)

    def is_free(self, set_name: str) -> bool:
        """Return whether no job of this process writes to the set, so that a backup could begin now."""
        return self._jobs.claimed_by(_writes(set_name)) is None

    def _copying(self, copy: str, set_name: str, do: Callable[[Listener], Report]) -> Work:
        return Work(claim=f"copy {set_name} to {copy}", do=partial(self._copy, copy, set_name, do))

    async def _copy(self, copy: str, set_name: str, do: Callable[[Listener], Report], listener: Listener) -> Done:
        try:
            async with self._one_copies.setdefault(copy, asyncio.Semaphore(1)):
                report = await in_thread(do, listener)
        except SidecarError as error:
            await self._jobs.count(failures_of(copy, error.code), set_name, 1)
            raise
        for direction, mended in (("there", report.mended_there), ("here", report.mended_here)):
            if mended:
                await self._jobs.count(healed_of(copy, direction), set_name, len(mended))
        for code, number in Counter(error.code for error in report.failures).items():
            await self._jobs.count(failures_of(copy, code), set_name, number)
        report.require_success()
        return Done(f"{copy}: {report}")

    # -- the works -----------------------------------------------------------------------------------------------------

    def _backup(self, name: str, trigger: Trigger) -> Work:
        expected = self._overview.newest_documents(name)
        return Work(claim=_writes(name), do=partial(self._back_up, name, trigger), expected_documents=expected)

    async def _back_up(self, name: str, trigger: Trigger, listener: Listener) -> Done:
        fence = self._leadership.fence() if trigger is Trigger.SCHEDULED else None
        made = await self._service.back_up(name, trigger, listener, fence)
        failed = made.retention_error
        counts = {RETENTION_DELETED: len(made.deleted), RETENTION_FAILURES: int(failed is not None)}
        warnings = [f"suspect: {'; '.join(made.manifest.suspicions)}"] if made.manifest.suspicions else []
        warnings += [str(failed)] if failed else []
        return Done(made.manifest.filename, made.manifest.backup_id, "; ".join(warnings) or None, counts)

    def _verification(self, routine: Routine) -> Work:
        return Work(claim=f"verify all of {routine.set_name}", do=partial(self._verify_set, routine.set_name))

    async def _verify_set(self, name: str, listener: Listener) -> Done:
        async with self._one_reads:
            verdicts = await self._service.verify_slice(name, listener)
        if not verdicts:
            raise BackupNotFound(f"the set {name} has no backup that could be verified")
        bad = {backup_id: verdict for backup_id, verdict in verdicts.items() if not verdict.is_valid}
        if bad:
            words = "; ".join(f"{backup_id}: {verdict.message}" for backup_id, verdict in bad.items())
            raise BackupInvalid(f"{len(bad)} of {len(verdicts)} backups are invalid: {words}")
        return Done(f"{len(verdicts)} backups verified deep")

    async def _restore(self, order: engine.Order, chosen: engine.Chosen | None, listener: Listener) -> Done:
        await self._service.recover()
        result = await self._service.restore(replace(order, listener=listener), chosen)
        if order.ids is not None:
            return Done(_of_documents(result), str(order.backup_id))
        documents = sum(found.documents for found in result.restored.collections.values())
        before = f"{_BEFORE}{result.safety.backup_id}" if result.safety else "nothing was there before"
        late = [f"{name} was written to meanwhile, which is in {one.backup_id}" for name, one in result.late.items()]
        message = f"{documents_in_words(documents)} restored into {order.target_db} and compared; {before}"
        warnings = [*late, *result.restored.remarks]
        return Done("; ".join([message, *warnings]), str(order.backup_id), "; ".join(warnings) or None)

    def _drill(self, name: str) -> Work:
        expected = self._overview.newest_documents(name)
        return Work(claim=f"drill {name}", do=partial(self._rehearse, name), expected_documents=expected)

    async def _rehearse(self, name: str, listener: Listener) -> Done:
        async with self._one_drills:
            proven = await self._service.drill(name, listener)
        documents = sum(found.documents for found in proven.collections.values())
        message = f"{documents_in_words(documents)} restored, compared and dropped again"
        return Done("; ".join([message, *proven.remarks]), proven.backup_id, "; ".join(proven.remarks) or None)

    async def _verify_one(self, backup_id: str, listener: Listener, *, deep: bool) -> Done:
        found = await in_thread(self._service.catalog.find, backup_id)
        verdict = await self._service.verify(found, deep=deep, listener=listener)
        if not verdict.is_valid:
            raise BackupInvalid(verdict.message)
        return Done(verdict.message, backup_id)

    async def _prune(self, name: str, _: Listener) -> Done:
        decisions = await in_thread(self._service.keeping.prune, name)
        gone = [str(decision.id) for decision in decisions if not decision.keep]
        return Done(f"{len(gone)} backups deleted", counts={RETENTION_DELETED: len(gone)})


async def _releasing(
    release: Callable[[], Awaitable[None]], do: Callable[[Listener], Awaitable[Done]], listener: Listener
) -> Done:
    try:
        return await do(listener)
    finally:
        await release()


_BEFORE = "what was there before is in "


def _of_documents(result: Result) -> str:
    """Return the message of a restore of single documents.

    It does not offer the safety backup as an undo: that would also take back what was written to the collection since.
    """
    (name,) = result.restored.collections
    counts = ", ".join(f"{number} {what}" for what, number in (result.restored.documents or {}).items() if number)
    became = f"documents of {name} in {result.restored.target_db}: {counts}; read back and compared"
    return f"{became}; {result.safety.backup_id} holds {name} as it was before" if result.safety else became


def safety_of(run: Run) -> str | None:
    """Return the id of the safety backup that a restore's message names, None if it names none."""
    before, _, after = run.message.partition(_BEFORE)
    return after.partition(";")[0] if before and after and run.kind is Kind.RESTORE else None


def _writes(set_name: str) -> str:
    return f"write to {set_name}"


def failures_of(copy: str, code: str) -> str:
    """Return the name of the lasting counter of failures of a copy with this error code."""
    return f"copy_failures {copy} {code}"


def healed_of(copy: str, direction: str) -> str:
    """Return the name of the lasting counter of healed backups; `direction` is `there` or `here`."""
    return f"copy_healed {copy} {direction}"
