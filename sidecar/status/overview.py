"""What is known right now, in memory: for metrics, which may do no I/O, and for pages that must answer at once."""

import asyncio
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from sidecar.backup.make import predicted_bytes
from sidecar.copies.copies import CopyView
from sidecar.errors import SidecarError, StorageFull
from sidecar.history.record import History
from sidecar.history.rows import Total
from sidecar.logger import Logger
from sidecar.model import BackupSet, Kind, Outcome, Run, StoredBackup, Trigger
from sidecar.rules import forecast, room
from sidecar.rules.coverage import Uncovered
from sidecar.rules.forecast import Outlook
from sidecar.rules.health import Health
from sidecar.rules.stock import Stock
from sidecar.runtime.clock import Clock
from sidecar.runtime.supervision import Supervised
from sidecar.runtime.threads import in_thread
from sidecar.service import Service
from sidecar.status import alert_test, coverage, strangers
from sidecar.status.alert_test import AlertTest
from sidecar.status.bodies import BackupCopy, CopyStatus
from sidecar.status.copies import backup_copies, copy_status
from sidecar.status.reports import SetStatus, set_status
from sidecar.status.stocks import Stocks
from sidecar.store import tampering
from sidecar.store.files import Space

REFRESH_SECONDS = 15.0
PING_SECONDS = 3.0
NO_SPACE = Space(0, 0)
ROOM_SECONDS = 300.0  # between two questions for the size of the data, beside those after runs

log = Logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetView:
    """One set: its backups, newest first, and its record."""

    backups: tuple[StoredBackup, ...] = ()
    error: str | None = None  # why the directory could not be listed
    is_writable: bool = False  # its directory
    directory_id: str | None = None  # hexadecimal; None until it has one
    looked_at: datetime | None = None
    known_since: datetime | None = None  # its first due time or run on record
    last_run: Run | None = None
    last_judged: Run | None = None  # the last one that nobody cancelled
    last_success: Run | None = None
    consecutive_failures: int = 0
    last_verification: Run | None = None  # of all its backups
    last_drill: Run | None = None
    last_good_drill: Run | None = None
    tampering: tuple[str, ...] = ()  # what contradicts the ledger


@dataclass(frozen=True, slots=True)
class Storage:
    """The file system of the backups in bytes, when it was asked, and why it could not be if so."""

    space: Space = NO_SPACE
    asked_at: datetime | None = None
    error: str | None = None
    draft_bytes: int = 0  # taken by what is being written


@dataclass(frozen=True, slots=True)
class Reachability:
    """Whether MongoDB answered, when it was asked, and when it last did."""

    is_up: bool = False
    asked_at: datetime | None = None
    last_up_at: datetime | None = None  # None if it never did since the process started
    error: str | None = None


class Overview:
    """Refreshed after every run, before a page is answered, and every few seconds by a task of its own."""

    def __init__(self, service: Service, history: History, clock: Clock) -> None:
        self._service = service
        self._history = history
        self._clock = clock
        self.sets: Mapping[str, SetView] = {name: SetView() for name in service.settings.sets}
        self.copies: Mapping[tuple[str, str], CopyView] = {}  # by copy and set
        self.totals: list[Total] = []
        self.counted: Mapping[tuple[str, str], int] = {}
        self.storage = Storage()
        self.mongodb = Reachability()
        self.alert_test: AlertTest | None = None
        self.strangers: tuple[str, ...] = ()
        self.uncovered = Uncovered()
        self.outlook = Outlook(math.inf, 0, 0)
        self._stocks = Stocks()
        self._rooms: dict[str, room.RoomNeeded] = {}  # what the next backup of each set needs
        self._asks_again_at = 0.0  # for the sizes, by the monotonic clock
        self.task = Supervised("overview", self._run, clock, silence_seconds=4 * REFRESH_SECONDS)

    async def _run(self, task: Supervised) -> None:
        while True:
            task.beat()
            await self._clock.sleep(REFRESH_SECONDS)
            await self.refresh()

    async def refresh(self) -> None:
        """Look at everything again. Never raises: what cannot be seen is said in its place."""
        await asyncio.gather(
            self.look(self.sets, again=True),
            self._look_at_storage(),
            self._ask_mongodb(),
            self._look_for_alert_test(),
            self._look_for_strangers(),
        )
        if self._clock.monotonic() >= self._asks_again_at:
            self._asks_again_at = self._clock.monotonic() + ROOM_SECONDS
            await self._reckon_room(self.sets)
            await self._look_for_uncovered()
            await self._foretell()

    async def look(self, names: Iterable[str], *, again: bool = False) -> None:
        """Look at the backups and the record of some sets; `again` also at files that seem to be the same."""
        for name in names:
            view, standings = await in_thread(self._looked_at, name, again=again)
            self.sets = {**self.sets, name: view}
            self.copies = {**self.copies, **standings}
        self.totals, self.counted = await in_thread(lambda: (self._history.totals(), self._history.counted()))

    async def after(self, run: Run) -> None:
        """What a run may have changed."""
        await self.look([run.set_name])
        await self._look_at_storage()
        if run.outcome is not Outcome.SUCCEEDED or not self.mongodb.is_up:
            await self._ask_mongodb()
        if run.outcome is Outcome.SUCCEEDED or run.code == StorageFull.code:
            await self._reckon_room([run.set_name])
            await self._look_for_uncovered()
            await self._foretell()

    def _looked_at(self, name: str, *, again: bool) -> tuple[SetView, dict[tuple[str, str], CopyView]]:
        """Return both from one thread: each change of threads may have to wait for the interpreter."""
        return self._view(name, again=again), self._standings(name)

    def _view(self, name: str, *, again: bool) -> SetView:
        store = self._service.stores[name]
        recorded = SetView(
            looked_at=self._clock.now(),
            known_since=self._history.known_since(Kind.BACKUP, name),
            last_run=self._history.latest(Kind.BACKUP, name),
            last_judged=self._history.last_judged(Kind.BACKUP, name),
            last_success=self._history.last_success(Kind.BACKUP, name),
            consecutive_failures=self._history.consecutive_failures(Kind.BACKUP, name),
            last_verification=self._history.latest(Kind.VERIFY, name, Trigger.SCHEDULED),
            last_drill=self._history.last_finished(Kind.DRILL, name),
            last_good_drill=self._history.last_success(Kind.DRILL, name),
        )
        catalog = self._service.catalog
        try:
            backups = catalog.refresh(name) if again else catalog.backups(name)
            self._stocks.of(name, backups, self._clock.now())  # here, where nobody waits for it, and not in an answer
            if again:
                self._service.keeping.judge_again(name)  # for the same reason
            return replace(
                recorded,
                backups=backups,
                is_writable=store.is_writable(),
                directory_id=store.volume.id,
                tampering=tampering.found(store, lambda: catalog.files(name)),
            )
        except SidecarError as error:
            log.warning("overview.set_unreadable", set=name, error=str(error))
            return replace(recorded, error=str(error), directory_id=store.volume.id)

    def _standings(self, name: str) -> dict[tuple[str, str], CopyView]:
        """By what is remembered of the copies: nothing is asked of them here."""
        copies = self._service.copies
        wanted = [one.name for one in copies.configured.values() if name in one.sets]
        try:
            return {(copy, name): copies.standing(copy, name) for copy in wanted}
        except SidecarError as error:
            log.warning("overview.copies_unknown", set=name, error=str(error))
            return {}

    async def _look_at_storage(self) -> None:
        now = self._clock.now()
        try:
            self.storage = await in_thread(self._measured, now)
        except SidecarError as error:
            self.storage = Storage(asked_at=now, error=str(error))

    def _measured(self, now: datetime) -> Storage:
        stores = self._service.stores.values()
        return Storage(next(iter(stores)).space(), now, draft_bytes=sum(store.draft_bytes() for store in stores))

    async def _reckon_room(self, names: Iterable[str]) -> None:
        """What the next backup of these sets needs, as their runs reckon it."""
        for name in names:
            self._rooms[name] = room.RoomNeeded(self._service.settings.min_storage_bytes, await self._predicted(name))

    async def _predicted(self, name: str) -> int:
        """By the size of the data; where MongoDB does not tell, by that of the newest backup."""
        backups, database, one_set = self.sets[name].backups, self._service.database, self._service.settings.sets[name]
        manifests = (one.manifest for one in backups if one.manifest)
        ratio = room.stored_per_bson(manifests, compressed=one_set.is_compressed)
        if self.mongodb.is_up:
            with suppress(SidecarError, TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    return await predicted_bytes(database, one_set, ratio)
        newest = next((one.manifest for one in self.stock(name, self._clock.now()).restorable), None)
        return int(room.GROWTH * room.stored_bytes(newest, compressed=one_set.is_compressed)) if newest else 0

    async def _look_for_alert_test(self) -> None:
        self.alert_test = await in_thread(alert_test.asked_for, self._service.settings.backup_dir)

    async def _look_for_strangers(self) -> None:
        found = await in_thread(
            strangers.found, self._service.settings.backup_dir, self._service.settings.sets.values()
        )
        if found != self.strangers and found:
            log.warning("backups.unconfigured", backups=len(found), newest=found[-1])
        self.strangers = found

    async def _look_for_uncovered(self) -> None:
        """Told once when it appears. What is not known stays as it was."""
        if not self.mongodb.is_up:
            return
        try:
            async with asyncio.timeout(PING_SECONDS):
                found = await coverage.look(self._service.settings, self._service.database, PING_SECONDS)
        except (SidecarError, TimeoutError) as error:
            log.debug("coverage.unknown", error=str(error))
            return
        if said := str(found.new(self.uncovered)):
            log.warning("coverage.uncovered", about=said)
        self.uncovered = found

    async def _foretell(self) -> None:
        if self.storage.error is None and self.storage.asked_at is not None:
            self.outlook = await in_thread(self._outlook, self._clock.now())

    def _outlook(self, now: datetime) -> Outlook:
        service, free = self._service, self.storage.space.free + self.storage.draft_bytes
        stored = [forecast.stored(self.sets[name].backups, one, now) for name, one in service.policies.items()]
        return forecast.outlook(stored, now, free, service.settings.min_storage_bytes)

    async def _ask_mongodb(self) -> None:
        now = self._clock.now()
        try:
            await self._service.database.ping(PING_SECONDS)
            self.mongodb = Reachability(is_up=True, asked_at=now, last_up_at=now)
        except SidecarError as error:
            self.mongodb = Reachability(asked_at=now, last_up_at=self.mongodb.last_up_at, error=str(error))

    def backup_copies(self, backup: StoredBackup) -> tuple[BackupCopy, ...]:
        """Where a backup lies elsewhere, by what was last seen."""
        standings = (standing for (_, name), standing in self.copies.items() if name == backup.set_name)
        return backup_copies(backup.id, standings)

    def copies_of(self, set_name: str, now: datetime) -> list[CopyStatus]:
        """The copies of a set elsewhere, by what was last seen."""
        here = self.stock(set_name, now)
        return [copy_status(standing, here, now) for (_, name), standing in self.copies.items() if name == set_name]

    def stock(self, set_name: str, now: datetime) -> Stock:
        """What the backups of a set come to, by what was last seen."""
        return self._stocks.of(set_name, self.sets[set_name].backups, now)

    def status(self, one: BackupSet, now: datetime) -> SetStatus:
        """How well a set is protected, by what was last seen."""
        view, copies = self.sets[one.name], self.copies_of(one.name, now)
        policy, proofs = self._service.policies[one.name], (view.last_verification, view.last_drill)
        status = set_status(one, policy, self.stock(one.name, now), now, proofs, copies)
        if not view.tampering:
            return status
        words = f"{status.message}; its ledger and its backups do not match: {'; '.join(view.tampering)}"
        return status.model_copy(update={"health": Health.CRITICAL, "message": words})

    def newest_documents(self, name: str) -> int:
        """How many documents the newest restorable backup of a set holds; 0 without one."""
        found = self.stock(name, self._clock.now()).restorable
        return found[0].documents if found else 0

    @property
    def required_bytes(self) -> int:
        """What must be free for the next run of any set to begin, beside the drafts of those under way."""
        return room.required_bytes(self._rooms.values(), self.storage.draft_bytes)

    @property
    def is_storage_up(self) -> bool:
        return self.storage.error is None and all(view.error is None for view in self.sets.values())

    @property
    def has_space(self) -> bool:
        return self.storage.error is None and self.storage.space.free >= self.required_bytes
