"""Keep every copy up to date: look soon after each backup and at intervals, and retry later what failed.

A backup never waits for its copies and never fails because of them. The work is found by comparing both sides, so nothing
has to survive a restart. A job begins only if there is work.
"""

from dataclasses import dataclass
from typing import Final

from sidecar.errors import Busy, SidecarError
from sidecar.logger import Logger
from sidecar.model import Kind, Outcome, Run, Trigger
from sidecar.runs.jobs import Job, Jobs
from sidecar.runs.operations import Operations, failures_of
from sidecar.runtime.backoff import pause_seconds
from sidecar.runtime.clock import Clock
from sidecar.runtime.supervision import Supervised
from sidecar.runtime.threads import in_thread
from sidecar.service import Service

TICK_SECONDS: Final = 1.0
EVERY_SECONDS: Final = 900.0  # between two looks if all is well
FIRST_SECONDS: Final = 5.0  # after a start, and after the first failure
MOST_SECONDS: Final = 900.0
SILENCE_SECONDS: Final = 600.0  # a listing may take its time

log = Logger(__name__)


@dataclass(slots=True)
class _Pair:
    """One copy of one set. Times are monotonic."""

    copy: str
    set_name: str
    next_at: float
    failures: int = 0  # in a row
    is_away: bool = False  # the last contact with the place failed; False if only single backups failed
    job: Job | None = None
    is_woken: bool = False  # there is a new backup since the last look


class Copying:
    """The task that keeps every copy up to date."""

    def __init__(self, service: Service, operations: Operations, jobs: Jobs, clock: Clock) -> None:
        self.task = Supervised("copies", self._run, clock, SILENCE_SECONDS)
        self._service = service
        self._operations = operations
        self._jobs = jobs
        self._clock = clock
        begin = clock.monotonic() + FIRST_SECONDS
        self._pairs = [_Pair(one.name, name, begin) for one in service.copies.configured.values() for name in one.sets]

    async def after(self, run: Run) -> None:
        """After a successful backup, look at its copies at once; at a place that just failed, after its pause."""
        if run.kind is Kind.BACKUP and run.outcome is Outcome.SUCCEEDED:
            for pair in self._pairs:
                if pair.set_name == run.set_name and not pair.is_away:
                    pair.next_at, pair.is_woken = self._clock.monotonic(), True

    async def _run(self, task: Supervised) -> None:
        while True:
            for pair in self._pairs:
                task.beat()
                await self.attend(pair)
            task.beat()
            await self._clock.sleep(TICK_SECONDS)

    async def attend(self, pair: _Pair) -> None:
        """Look whether there is work and begin a job for it, or note how the job ended."""
        if pair.job is not None:
            if pair.job.over.is_set():
                outcome = pair.job.runs[pair.set_name].outcome
                pair.job, pair.is_away = None, await in_thread(self._is_away, pair)
                self._settle(pair, is_good=outcome is Outcome.SUCCEEDED)
            return
        if self._clock.monotonic() < pair.next_at:
            return
        pair.is_woken = False
        try:
            if await in_thread(self._service.copies.mirror(pair.copy, pair.set_name).has_work):
                pair.job = await self._operations.copy(pair.copy, pair.set_name, Trigger.SCHEDULED)
            else:
                self._settle(pair, is_good=True)
        except Busy:
            pair.next_at = self._clock.monotonic() + FIRST_SECONDS
        except SidecarError as error:
            log.warning("copy.unreachable", copy=pair.copy, set=pair.set_name, code=error.code, error=str(error))
            await self._jobs.count(failures_of(pair.copy, error.code), pair.set_name, 1)
            pair.is_away = True
            self._settle(pair, is_good=False)

    def _is_away(self, pair: _Pair) -> bool:
        contact = self._service.copies.of(pair.copy, pair.set_name).memory.contact(pair.copy, pair.set_name)
        return contact is not None and contact.error is not None

    def _settle(self, pair: _Pair, *, is_good: bool) -> None:
        pair.failures = 0 if is_good else pair.failures + 1
        pair.is_away = pair.is_away and not is_good
        pause = EVERY_SECONDS if is_good else pause_seconds(pair.failures, FIRST_SECONDS, MOST_SECONDS)
        pair.next_at = self._clock.monotonic() + (0 if pair.is_woken and not pair.is_away else pause)
