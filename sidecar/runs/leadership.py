"""Decide which of several sidecars begins scheduled work: without a group always this one, else the holder of the lease.

Only the leader begins backups and drills by schedule. Verifications read a sidecar's own directory, so each sidecar
begins its own.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum

from sidecar.backup.make import Fence
from sidecar.errors import LeaseLost, SourceError
from sidecar.logger import Logger
from sidecar.model import Kind, Trigger
from sidecar.mongodb.lease import Lease
from sidecar.runs.jobs import Jobs
from sidecar.runtime.clock import Clock
from sidecar.runtime.supervision import Supervised

SHARED = frozenset({Kind.BACKUP, Kind.DRILL})
SILENCE_SECONDS = 10.0  # on top of the time for MongoDB's answers

log = Logger(__name__)


class Standing(StrEnum):
    """The role of a sidecar in its group; ALONE without a group."""

    ALONE = "alone"
    LEADER = "leader"
    FOLLOWER = "follower"


class Alone:
    """A sidecar without a group: it may always begin scheduled work."""

    group: str | None = None
    id: str | None = None  # of this process within the group
    leader: str | None = None  # the id of the leader, None if it is not known
    error: str | None = None  # why the leader is not known
    tasks: tuple[Supervised, ...] = ()

    @property
    def role(self) -> Standing:
        return Standing.ALONE

    def stand(self) -> None:
        """Be a candidate from now on."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take part in elections inside the `with` block, and give up the lease at its end."""
        yield

    def may_begin(self, kind: Kind) -> bool:
        """Return whether this sidecar may begin scheduled work of this kind."""
        return self.role is not Standing.FOLLOWER or kind not in SHARED

    def accounted_until(self, schedule: str) -> datetime | None:
        """Return the last due time of a schedule that the group has dealt with, None if unknown."""
        del schedule
        return None

    async def account(self, schedule: str, until: datetime) -> None:
        """Tell the group that the due times up to `until` are dealt with. Raises LeaseLost, SourceError."""

    def fence(self) -> Fence:
        """Return the fence for a run that begins now: it stops the run when the lease is lost."""
        return Fence()


class Member(Alone):
    """A sidecar of a group. It is a candidate from `stand` on, and leads while its lease is valid by its own clock.

    The lease carries the due times that the group has dealt with, so that the next leader continues from there.
    """

    def __init__(self, group: str, lease: Lease, jobs: Jobs, clock: Clock) -> None:
        self.group = group
        self.id = lease.owner[:8]
        silence_seconds = SILENCE_SECONDS + 2 * lease.timing.patience_seconds
        self.tasks = (Supervised("leadership", self._run, clock, silence_seconds),)
        self._lease = lease
        self._jobs = jobs
        self._clock = clock
        self._stands = False
        self._leads = False  # until `_step_down` has ended what was under way
        self._accounted: Mapping[str, datetime] = {}

    def stand(self) -> None:
        self._stands = True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        try:
            async with self.tasks[0].running():
                yield
        finally:
            self._leads = False
            await self._lease.release()

    @property
    def role(self) -> Standing:
        return Standing.LEADER if self._leads and self._lease.is_held else Standing.FOLLOWER

    def accounted_until(self, schedule: str) -> datetime | None:
        return self._accounted.get(schedule)

    async def account(self, schedule: str, until: datetime) -> None:
        self._lease.check()
        self._accounted = {**self._accounted, schedule: until}
        await self._lease.renew({name: at.isoformat() for name, at in self._accounted.items()})

    def fence(self) -> Fence:
        return _OfTerm(self._lease)

    # -- the loop ------------------------------------------------------------------------------------------------------

    async def _run(self, task: Supervised) -> None:
        while True:
            task.beat()
            if self._stands:
                await self.turn()
            await self._clock.sleep(self._lease.timing.beat_seconds)

    async def turn(self) -> None:
        """Renew the lease if this sidecar leads, else try to win it."""
        error = None
        try:
            await (self._go_on() if self._leads else self._attempt())
        except SourceError as failed:
            error = str(failed)
        if error is not None and error != self.error:
            log.warning("leadership.failing", group=self.group, error=error)
        self.error = error
        if self._leads and not self._lease.is_held:
            self._step_down()
        self.leader = self._known_leader()

    async def _go_on(self) -> None:
        try:  # no longer than the lease lasts: our runs must have ended before another leader begins its own
            async with asyncio.timeout(self._lease.remaining_seconds):
                await self._lease.renew()
        except TimeoutError:
            raise LeaseLost("the lease could not be renewed in time") from None

    async def _attempt(self) -> None:
        has_won = await self._lease.attempt()
        notes = self._lease.seen.notes if self._lease.seen else {}
        self._accounted = {schedule: datetime.fromisoformat(until) for schedule, until in notes.items()}
        if has_won:
            self._leads = True
            log.warning("leadership.won", group=self.group, id=self.id, term=self._lease.term)

    def _known_leader(self) -> str | None:
        seen = self._lease.seen
        if self._leads:
            return self.id
        return seen.owner[:8] if seen and seen.owner and self.error is None else None

    def _step_down(self) -> None:
        self._leads = False
        self._lease.drop()
        log.error("leadership.lost", group=self.group, id=self.id, error=self.error)
        for job in self._jobs.under_way():
            if job.trigger is Trigger.SCHEDULED and job.kind in SHARED:
                self._jobs.cancel(job.id, LeaseLost("this sidecar no longer leads its group: another one takes over"))


class _OfTerm(Fence):
    """A fence that holds for the term in which it was made."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._term = lease.term

    async def require(self) -> None:
        await self._lease.require(self._term)

    def check(self) -> None:
        self._lease.check(self._term)
