"""Run jobs: record each before it starts, run one at a time for a set, watch its progress, and record how it ended."""

import asyncio
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from sidecar.errors import Busy, Cancelled, JobNotFound, LeaseLost, SidecarError, Stopped
from sidecar.events import Listener
from sidecar.history.record import History
from sidecar.history.rows import Accounted, Retry
from sidecar.logger import Logger
from sidecar.model import Kind, Outcome, Run, Trigger
from sidecar.runs.progress import Progress
from sidecar.runtime.threads import in_thread

KEPT = 200  # ended jobs that are kept in memory with their progress; the history has more
LOG_LINES = 200  # per run

log = Logger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """The result of successful work. `warning` is what went wrong afterwards; `counts` are added to lasting counters."""

    message: str
    backup_id: str | None = None
    warning: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Work on one set. Two works with the same `claim` never run at the same time."""

    claim: str
    do: Callable[[Listener], Awaitable[Done]]
    backup_id: str | None = None
    expected_documents: int = 0


@dataclass(slots=True)
class WatchedRun:
    """A run of this process: its record, its progress and its tasks."""

    run: Run
    progress: Progress
    warning: str | None = None
    work: asyncio.Task[Done] | None = None  # the task that a cancellation ends
    owner: asyncio.Task[None] | None = None  # the task that awaits the work and records how it ended

    def cancel(self, reason: Cancelled | LeaseLost) -> None:
        """Tell the run to stop. Does nothing if it is over or was told before."""
        if self.progress.cancelled is None and self.run.outcome is None:
            self.progress.cancelled = reason
            if self.work is not None:
                self.work.cancel(str(reason))


@dataclass(slots=True)
class Job:
    """Runs that were asked for together: one for each set."""

    id: str
    kind: Kind
    trigger: Trigger
    watched: dict[str, WatchedRun] = field(default_factory=dict)  # by set
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def runs(self) -> dict[str, Run]:
        """The job's runs by set, as they are now."""
        return {name: watched.run for name, watched in self.watched.items()}

    async def wait(self, seconds: float | None) -> bool:
        """Wait until the job is over, at most so long (None: for ever). Return whether it is over.

        Cancelling the wait does not cancel the job.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.over.wait()
        return self.over.is_set()


class Jobs:
    """All jobs of the process. `ended` is awaited after each run, before `Job.wait` returns."""

    def __init__(self, history: History, ended: Callable[[Run], Awaitable[None]]) -> None:
        self._history = history
        self._ended = ended
        self._jobs: dict[str, Job] = {}
        self._claims: dict[str, str] = {}  # claim → job id
        self._lines: dict[tuple[str, str], list[str]] = {}
        self._stopping = False

    # -- starting ------------------------------------------------------------------------------------------------------

    def claimed_by(self, claim: str) -> str | None:
        """Return the id of the running job that holds this claim, None if there is none."""
        return self._claims.get(claim)

    async def start(
        self,
        kind: Kind,
        trigger: Trigger,
        works: Mapping[str, Work],
        *,
        accounted: Accounted | None = None,
        retry: Retry | None = None,
    ) -> Job:
        """Record the runs, together with the due time or request that they answer, then begin them.

        Raises Busy if a claim is held, the due time or request was answered before, or the process is stopping.
        """
        self._require_free(works)
        now = datetime.now(UTC)
        job = Job(new_job_id(kind, now), kind, trigger)
        for name, work in works.items():
            self._claims[work.claim] = job.id
            run = Run(
                job_id=job.id,
                kind=kind,
                set_name=name,
                trigger=trigger,
                started_at=now,
                due_at=accounted.until if accounted else None,
                backup_id=work.backup_id,
            )
            job.watched[name] = WatchedRun(run, Progress(work.expected_documents))
        try:
            await in_thread(self._history.begin, *job.runs.values(), accounted=accounted, retry=retry)
        except BaseException:  # the claims are freed, whatever went wrong
            self._release(works)
            raise
        self._jobs[job.id] = job
        for name, work in works.items():
            carrying = self._carry_out(job, name, work)
            job.watched[name].owner = asyncio.create_task(carrying, name=f"{job.id} {name}")
        return job

    def _require_free(self, works: Mapping[str, Work]) -> None:
        if self._stopping:
            raise Busy("the sidecar is stopping and begins nothing new")
        for name, work in works.items():
            if owner := self.claimed_by(work.claim):
                raise Busy(f"the set {name} is in use by the job {owner}", job_id=owner)

    def _release(self, works: Mapping[str, Work]) -> None:
        for work in works.values():
            self._claims.pop(work.claim, None)

    # -- at work -------------------------------------------------------------------------------------------------------

    async def _carry_out(self, job: Job, name: str, work: Work) -> None:
        with structlog.contextvars.bound_contextvars(job_id=job.id, kind=job.kind.value, set=name):
            self._lines[job.id, name] = []
            log.info("run.started", trigger=job.trigger.value)
            watched = job.watched[name]
            run, counts = await self._ended_run(watched, work)
            lines = tuple(self._lines.pop((job.id, name)))
            run = replace(run, ended_at=datetime.now(UTC), log=() if run.outcome is Outcome.SUCCEEDED else lines)
            try:
                await in_thread(self._history.end, run)
                for counter, amount in counts.items():
                    await in_thread(self._history.add, counter, name, amount)
                watched.run = run
                await self._ended(run)
            finally:  # nobody may wait for ever, even if recording failed
                watched.run = run
                self._claims.pop(work.claim, None)
                if all(one.outcome is not None for one in job.runs.values()):
                    job.over.set()
                self._forget_old()

    async def _ended_run(self, watched: WatchedRun, work: Work) -> tuple[Run, Mapping[str, int]]:
        run = watched.run
        try:
            done = await self._done(watched, work)
        except asyncio.CancelledError:
            return _failed(run, watched.progress.cancelled or Cancelled("cancelled")), {}
        except SidecarError as error:
            return _failed(run, error), {}
        except Exception as error:  # a defect of ours: no run may end without an outcome
            log.exception("run.broken")
            return _failed(run, SidecarError(f"unexpected {type(error).__name__}; the log says more")), {}
        watched.warning = done.warning
        log.info("run.succeeded", message=done.message)
        return replace(
            run, outcome=Outcome.SUCCEEDED, message=done.message, backup_id=done.backup_id or run.backup_id
        ), done.counts

    @staticmethod
    async def _done(watched: WatchedRun, work: Work) -> Done:
        if (reason := watched.progress.cancelled) is not None:  # cancelled before it had begun
            raise reason
        watched.work = asyncio.ensure_future(work.do(watched.progress))
        return await watched.work

    def hear(self, event: Mapping[str, Any]) -> None:
        """Keep the log events of running jobs; a tap of the logging."""
        lines = self._lines.get((str(event.get("job_id")), str(event.get("set"))))
        if lines is not None and len(lines) < LOG_LINES:
            shown = {key: value for key, value in event.items() if not key.startswith("_")}
            lines.append(json.dumps(shown, default=str, ensure_ascii=False))

    # -- watching and ending -------------------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job:
        """Return a job of this process. Raises JobNotFound; older jobs are in the history."""
        try:
            return self._jobs[job_id]
        except KeyError:
            raise JobNotFound(f"there is no job {job_id!r}") from None

    def under_way(self) -> list[Job]:
        """Return the jobs that are running."""
        return [job for job in self._jobs.values() if not job.over.is_set()]

    def running(self, kind: Kind, set_name: str) -> Run | None:
        """Return the running run of this kind on a set, None if there is none."""
        runs = (job.runs.get(set_name) for job in self.under_way() if job.kind is kind)
        return next((run for run in runs if run is not None and run.outcome is None), None)

    def watched(self, run: Run) -> WatchedRun | None:
        """Return what this process knows about a run, None if it has forgotten it."""
        job = self._jobs.get(run.job_id)
        return job.watched.get(run.set_name) if job else None

    def cancel(self, job_id: str, reason: Cancelled | LeaseLost) -> Job:
        """Tell a job to clean up and stop. Does nothing if it is over. Raises JobNotFound."""
        job = self.get(job_id)
        for watched in job.watched.values():
            watched.cancel(reason)
        return job

    async def stop(self) -> None:
        """Begin nothing new, cancel the running jobs and wait until they have ended."""
        self._stopping = True
        jobs = self.under_way()
        for job in jobs:
            self.cancel(job.id, Stopped("the sidecar is stopping"))
        owners = [watched.owner for job in jobs for watched in job.watched.values() if watched.owner is not None]
        await asyncio.gather(*owners, return_exceptions=True)

    async def count(self, counter: str, set_name: str, amount: int) -> None:
        """Add to a lasting counter."""
        await in_thread(self._history.add, counter, set_name, amount)

    def _forget_old(self) -> None:
        over = [job_id for job_id, job in self._jobs.items() if job.over.is_set()]
        for job_id in over[:-KEPT]:
            del self._jobs[job_id]


_LEVELS = {Outcome.FAILED: logging.ERROR, Outcome.ABORTED: logging.WARNING, Outcome.SKIPPED: logging.WARNING}


def _failed(run: Run, error: SidecarError) -> Run:
    outcome = _outcome_of(error, run)
    log.log(_LEVELS[outcome], "run.ended", outcome=outcome.value, code=error.code, error=str(error))
    return replace(run, outcome=outcome, code=error.code, message=str(error))


def _outcome_of(error: SidecarError, run: Run) -> Outcome:
    if isinstance(error, Cancelled | LeaseLost):
        return Outcome.ABORTED
    # A scheduled run is skipped, not failed, if another process such as a command works on the set.
    return Outcome.SKIPPED if isinstance(error, Busy) and run.due_at is not None else Outcome.FAILED


def new_job_id(kind: Kind, moment: datetime) -> str:
    """Return an id that is readable, unique, and sorts by time within its kind."""
    return f"{kind}_{moment:%Y%m%d_%H%M%S}_{secrets.token_hex(3)}"
