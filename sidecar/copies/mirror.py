"""What makes a place hold what it should: prove what nobody has read, send what is missing, mend both sides, prune there.

The queue is rebuilt from the two listings each time, newest first: nothing has to survive a restart but the listings.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from sidecar.copies.elsewhere import READ_BACK, Elsewhere
from sidecar.copies.fetching import bring_home
from sidecar.copies.memory import Held
from sidecar.copies.sending import clear, send
from sidecar.errors import BackupInvalid, BackupNotFound, Busy, CopyDamaged, SidecarError, StorageError
from sidecar.events import Listener
from sidecar.model import NOT_READ, BackupId, StoredBackup
from sidecar.rules import counting, mirroring
from sidecar.rules.policy import Policy
from sidecar.rules.retention import Decision, Steadiness
from sidecar.runtime.pace import Pace, paced
from sidecar.store import timekeeping
from sidecar.store.catalog import Catalog
from sidecar.store.lock import Lock

SCRUB_EVERY: Final = timedelta(hours=24)
OF_ONE: Final = (
    BackupInvalid,
    BackupNotFound,
    CopyDamaged,
    Busy,
    StorageError,
)  # they say nothing of the other backups

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Report:
    """What a sync did, and what it could not do."""

    sent: list[BackupId] = field(default_factory=list)
    fetched: list[BackupId] = field(default_factory=list)
    proven: int = 0
    mended_there: list[BackupId] = field(default_factory=list)
    mended_here: list[BackupId] = field(default_factory=list)
    deleted: list[BackupId] = field(default_factory=list)
    locked: int = 0  # that would go if they were not locked
    failures: list[SidecarError] = field(default_factory=list)

    def __str__(self) -> str:
        done = [
            ("sent", len(self.sent)),
            ("fetched", len(self.fetched)),
            ("read back", self.proven),
            ("mended there", len(self.mended_there)),
            ("mended here", len(self.mended_here)),
            ("deleted there", len(self.deleted)),
            ("kept because they are locked", self.locked),
        ]
        return ", ".join(f"{number} {what}" for what, number in done if number) or "nothing to do"


@contextmanager
def _noting(report: Report, backup_id: BackupId) -> Iterator[None]:
    """What fails with one backup does not keep the others."""
    try:
        yield
    except OF_ONE as error:
        log.warning("copy.backup_failed", backup_id=str(backup_id), code=error.code, error=str(error))
        report.failures.append(error)


class Mirror:
    """One copy of one set, brought up to date. Methods block."""

    def __init__(self, there: Elsewhere, catalog: Catalog, policy: Policy, minimum_bytes: int) -> None:
        self.policy = policy  # of what lies there
        self._there = there
        self._catalog = catalog
        self._minimum_bytes = minimum_bytes

    @property
    def _name(self) -> str:
        return self._there.set.name

    def sync(self, listener: Listener) -> Report:
        """Raises CopyError and its kinds, Busy, StorageError; what concerns one backup alone comes after all the others."""
        there, report = self._there, Report()
        with there.locked("sync") as lock, there.noted():
            listener = paced(listener, Pace(there.copy.max_mb_s))
            there.claim()
            clear(there, lock)
            if not there.copy.write_only:
                self._prove(report, listener)
                self._scrub(report, listener)
            self._carry_out(lock, report, listener)
            if not there.copy.write_only:
                self._prune(report)
        if report.failures:
            raise (
                report.failures[0].with_more(f"otherwise: {report}")
                if len(report.failures) == 1
                else report.failures[0]
            )
        return report

    def has_work(self) -> bool:
        """Whether a sync would do something, after a look at what lies there. Raises CopyError and its kinds."""
        there = self._there
        if there.copy.write_only:
            return bool(self.plan().send)
        with there.noted(writes=False):
            held = there.look()
        plan = self.plan()
        is_unread = any(one.backup.verdict == NOT_READ for one in held)
        is_to_go = any(not one.keep for one in self._judged())
        return bool(
            is_unread or is_to_go or plan.send or plan.fetch or plan.hopeless or (held and self._is_scrub_due())
        )

    # -- proving -------------------------------------------------------------------------------------------------------

    def _prove(self, report: Report, listener: Listener) -> None:
        """What was never read back, or is not what it was then."""
        for held in self._there.look():
            if held.backup.verdict == NOT_READ:
                self._there.prove(held, listener)
                report.proven += 1

    def _scrub(self, report: Report, listener: Listener) -> None:
        """Once a day the slice for which that is longest ago."""
        if not self._is_scrub_due():
            return
        for held in self._slice():
            self._there.prove(held, listener)
            report.proven += 1
        self._there.note_scrubbed()

    def _is_scrub_due(self) -> bool:
        contact = self._there.memory.contact(self._there.copy.name, self._name)
        last = contact.scrubbed_at if contact else None
        return last is None or datetime.now(UTC) - last > SCRUB_EVERY

    def _slice(self) -> list[Held]:
        share, now = self._there.copy.verify_slice, datetime.now(UTC)
        read = [(one.backup.verified_at, one) for one in self._there.remembered() if one.backup.verified_at]
        longest_ago_first = sorted(read, key=lambda pair: (pair[0], pair[1].backup.id))
        due = longest_ago_first[: math.ceil(len(read) * share.number / share.parts)]
        return [one for at, one in due if one.backup.manifest and now - at > SCRUB_EVERY]

    def scrub(self, listener: Listener) -> list[Held]:
        """Read all of them again now. Returns what was found."""
        with self._there.noted(writes=False):
            listener = paced(listener, Pace(self._there.copy.max_mb_s))
            return [self._there.prove(held, listener) for held in self._there.look() if held.backup.manifest]

    # -- sending and mending -------------------------------------------------------------------------------------------

    def plan(self) -> mirroring.Queue:
        """By what is remembered of the place."""
        here, there = self._here(), [one.backup for one in self._there.remembered()]
        return mirroring.plan(here, there, self.policy, datetime.now(UTC), self._clock(here))

    def _here(self) -> tuple[StoredBackup, ...]:
        return self._catalog.backups(self._name)

    def _clock(self, here: tuple[StoredBackup, ...]) -> Steadiness:
        return timekeeping.steadiness(self._there.store.root, (one.taken_at for one in here))

    def _carry_out(self, lock: Lock, report: Report, listener: Listener) -> None:
        plan = self.plan()
        here = {one.id: one for one in self._here()}
        for backup_id, why in plan.hopeless.items():
            report.failures.append(CopyDamaged(f"{backup_id}: {why}"))
        for backup_id in plan.send:
            with _noting(report, backup_id):
                send(self._there, lock, here[backup_id], listener)
                self._mended(backup_id, report) if backup_id in plan.mended_there else report.sent.append(backup_id)
        if plan.fetch and not self._there.copy.write_only:
            self._fetch(plan.fetch, report, listener)

    def _mended(self, backup_id: BackupId, report: Report) -> None:
        report.mended_there.append(backup_id)
        log.warning("copy.mended_there", copy=self._there.copy.name, backup_id=str(backup_id))

    def _fetch(self, wanted: tuple[BackupId, ...], report: Report, listener: Listener) -> None:
        held = {one.backup.id: one for one in self._there.remembered()}
        with self._there.store.locked(f"mending from the copy {self._there.copy.name}") as lock:
            for backup_id in wanted:
                with _noting(report, backup_id):
                    if bring_home(self._there, lock, held[backup_id], listener, self._minimum_bytes):
                        report.mended_here.append(backup_id)
                        log.warning("copy.mended_here", copy=self._there.copy.name, backup_id=str(backup_id))

    # -- pruning -------------------------------------------------------------------------------------------------------

    def decisions(self) -> list[Decision]:
        """What the rules say of each backup there, locks looked at."""
        there = {one.backup.id: one for one in self._there.remembered()}
        return [one if one.keep else self._unless_locked(one, there[one.id]) for one in self._judged()]

    def _judged(self) -> list[Decision]:
        """Without asking for locks, but for those that are remembered."""
        here, now = self._here(), datetime.now(UTC)
        there = self._there.remembered()
        pinned = [one.id for one in here if one.is_pinned]
        locked = {one.backup.id: one.locked_until for one in there if one.locked_until and one.locked_until > now}
        judged = mirroring.to_delete([one.backup for one in there], pinned, self.policy, now, self._clock(here))
        return [one if one.keep or one.id not in locked else _locked(one, locked[one.id]) for one in judged]

    def _unless_locked(self, decision: Decision, held: Held) -> Decision:
        now = datetime.now(UTC)
        names = (held.backup.id.metadata_name, held.backup.filename)
        ends = [self._there.place.locked_until(self._there.path_of(name)) for name in names]
        until = max((end for end in ends if end is not None and end > now), default=None)
        if until is None:
            return decision
        return _locked(decision, until)

    def _prune(self, report: Report) -> None:
        for one in self.decisions():
            if one.keep:
                report.locked += one.reason.startswith("locked until")
                continue
            self._there.require_ours()
            names = {item.name for item in self._there.place.items()}
            for name in map(self._there.path_of, one.id.file_names):
                if name in names:
                    self._there.place.delete(name)
            self._there.memory.forget(self._there.copy.name, [one.id])
            report.deleted.append(one.id)
            log.info("copy.deleted", copy=self._there.copy.name, backup_id=str(one.id), reason=one.reason)

    # -- what is told --------------------------------------------------------------------------------------------------

    def lag(self) -> int:
        """Backups that are to be sent and are not proven there yet, by what is remembered."""
        return len(self.plan().send)

    def in_order_of_choice(self, now: datetime) -> list[StoredBackup]:
        """Of what lies there now, as one would want it back; what nobody has read back there yet comes last."""
        whole = [one for one in self._there.look() if one.backup.manifest and not one.is_damaged]
        unread = [replace(one.backup, verdict=READ_BACK) for one in whole]
        proven = {one.backup.id for one in whole if one.is_proven}
        return sorted(counting.in_order_of_choice(unread, now), key=lambda one: one.id not in proven)

    def restorable(self) -> list[StoredBackup]:
        """Those there that were read back, or where nothing can be read, those that were sent; newest first."""
        held = [
            one for one in self._there.remembered() if one.is_proven or (self._there.copy.write_only and one.is_sent)
        ]
        now = datetime.now(UTC)
        return [one.backup for one in held if not counting.is_ahead(one.backup, now)]


def _locked(decision: Decision, until: datetime) -> Decision:
    return replace(decision, keep=True, reason=f"locked until {until:%Y-%m-%d %H:%M} UTC; then: {decision.reason}")
