"""Bring a copy up to date: send missing backups, read back new ones, heal damage on both sides, prune the copy.

What is to do is computed from the two listings each time, newest first, so a restart loses no work.
"""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sidecar.copies.elsewhere import READ_BACK, Elsewhere
from sidecar.copies.fetching import bring_home
from sidecar.copies.memory import Held
from sidecar.copies.report import Patience, Report
from sidecar.copies.sending import Sender
from sidecar.errors import CopyDamaged
from sidecar.events import Listener
from sidecar.logger import Logger
from sidecar.model import NOT_READ, StoredBackup
from sidecar.rules import counting, mirroring
from sidecar.rules.policy import Policy
from sidecar.rules.retention import Decision, Steadiness
from sidecar.runtime.pace import Pace, paced
from sidecar.store import timekeeping
from sidecar.store.catalog import Catalog

SCRUB_EVERY: Final = timedelta(hours=24)
_LOCKED: Final = "locked until"

log = Logger(__name__)


@dataclass(frozen=True, slots=True)
class _Work:
    """One sync: its report so far, and the parts that its steps share."""

    report: Report
    patience: Patience
    sender: Sender
    listener: Listener


class Mirror:
    """Brings one copy of one set up to date. Methods block."""

    def __init__(self, there: Elsewhere, catalog: Catalog, policy: Policy, minimum_bytes: int) -> None:
        self.policy = policy  # the retention rules of the copy
        self._there = there
        self._catalog = catalog
        self._minimum_bytes = minimum_bytes

    @property
    def _name(self) -> str:
        return self._there.set.name

    def sync(self, listener: Listener) -> Report:
        """Do all that is to do. Return the report, which also holds the errors of the place and of single backups.

        Raises Busy, StorageError.
        """
        there, report = self._there, Report()
        patience = Patience(report)
        with there.locked("sync") as lock, patience.with_place(), there.noted():
            there.claim()
            work = _Work(report, patience, Sender(there, lock), paced(listener, Pace(there.copy.max_mb_s)))
            self._clear(work)
            there.look()
            self._send(work)  # first: a missing backup does not wait for reading back
            if not there.copy.write_only:
                self._prove(work)
                self._scrub(work)
                self._send(work)  # again, for what reading back found damaged
                self._fetch(work)
                self._prune(work)
            report.failures.extend(CopyDamaged(f"{one}: {why}") for one, why in self.plan().hopeless.items())
        return report

    def has_work(self) -> bool:
        """List the copy and return whether a sync would do something. Raises CopyError and its kinds."""
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

    def _prove(self, work: _Work) -> None:
        """Read back what is new in the copy or has changed since."""
        self._prove_each([one for one in self._there.look() if one.backup.verdict == NOT_READ], work)

    def _scrub(self, work: _Work) -> None:
        """Once a day, read back again the share (`verify_slice`) that was read the longest ago."""
        if not self._is_scrub_due():
            return
        due = self._slice()
        self._prove_each(due, work)
        if work.patience.failed.isdisjoint(one.backup.id for one in due):
            self._there.note_scrubbed()

    def _prove_each(self, unproven: list[Held], work: _Work) -> None:
        for held in unproven:
            with work.patience.with_one(held.backup.id):
                self._there.prove(held, work.listener)
                work.report.proven += 1

    def _is_scrub_due(self) -> bool:
        contact = self._there.memory.contact(self._there.copy.name, self._name)
        last = contact.scrubbed_at if contact else None
        return last is None or datetime.now(UTC) - last > SCRUB_EVERY

    def _slice(self) -> list[Held]:
        share, now = self._there.copy.verify_slice, datetime.now(UTC)
        read = [(one.backup.verified_at, one) for one in self._there.remembered() if one.backup.verified_at]
        longest_ago_first = sorted(read, key=lambda pair: (pair[0], pair[1].backup.id))
        due = longest_ago_first[: math.ceil(len(read) * share.number / share.parts)]
        return [one for at, one in due if one.backup.metadata and now - at > SCRUB_EVERY]

    def scrub(self, listener: Listener) -> list[Held]:
        """Read back every backup of the copy now. Return their entries with the new verdicts."""
        with self._there.noted(writes=False):
            listener = paced(listener, Pace(self._there.copy.max_mb_s))
            return [self._there.prove(held, listener) for held in self._there.look() if held.backup.metadata]

    # -- sending and mending -------------------------------------------------------------------------------------------

    def plan(self) -> mirroring.Queue:
        """Return what is to send, to fetch and to report, computed from what is remembered about the copy."""
        here, there = self._here(), [one.backup for one in self._there.remembered()]
        return mirroring.plan(here, there, self.policy, datetime.now(UTC), self._clock(here))

    def _here(self) -> tuple[StoredBackup, ...]:
        return self._catalog.backups(self._name)

    def _clock(self, here: tuple[StoredBackup, ...]) -> Steadiness:
        return timekeeping.steadiness(self._there.store.root, (one.taken_at for one in here))

    def _clear(self, work: _Work) -> None:
        """Delete what killed uploads left."""
        self._there.place.sweep(self._there.set.prefix)
        for backup_id in work.sender.unfinished:
            with work.patience.with_one(backup_id):
                work.sender.clear(backup_id)

    def _send(self, work: _Work) -> None:
        plan, here = self.plan(), {one.id: one for one in self._here()}
        for backup_id in plan.send:
            if backup_id in work.patience.failed:
                continue
            with work.patience.with_one(backup_id):
                work.sender.send(here[backup_id], work.listener)
                if backup_id in plan.mended_there:
                    work.report.mended_there.append(backup_id)
                    log.warning("copy.healed_there", copy=self._there.copy.name, backup_id=str(backup_id))
                else:
                    work.report.sent.append(backup_id)

    def _fetch(self, work: _Work) -> None:
        there, held = self._there, {one.backup.id: one for one in self._there.remembered()}
        for backup_id in self.plan().fetch:
            if backup_id in work.patience.failed:
                continue
            mending = f"mending {backup_id} from the copy {there.copy.name}"
            with work.patience.with_one(backup_id), there.store.locked(mending) as lock:
                if bring_home(there, lock, held[backup_id], work.listener, self._minimum_bytes):
                    work.report.mended_here.append(backup_id)
                    log.warning("copy.healed_here", copy=there.copy.name, backup_id=str(backup_id))

    # -- pruning -------------------------------------------------------------------------------------------------------

    def _judged(self) -> list[Decision]:
        """Apply the retention rules. Only object locks that are remembered count: the provider is not asked."""
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

    def _prune(self, work: _Work) -> None:
        held = {one.backup.id: one for one in self._there.remembered()}
        for one in self._judged():
            if one.keep:
                work.report.locked += one.reason.startswith(_LOCKED)
                continue
            with work.patience.with_one(one.id):
                decided = self._unless_locked(one, held[one.id])
                if decided.keep:
                    work.report.locked += 1
                else:
                    self._delete(decided)
                    work.report.deleted.append(one.id)

    def _delete(self, decided: Decision) -> None:
        there = self._there
        there.require_ours()
        names = {item.name for item in there.place.items()}
        for name in map(there.path_of, decided.id.file_names):
            if name in names:
                there.place.delete(name)
        there.memory.forget(there.copy.name, [decided.id])
        log.info("copy.deleted", copy=there.copy.name, backup_id=str(decided.id), reason=decided.reason)

    # -- what is told --------------------------------------------------------------------------------------------------

    def lag(self) -> int:
        """Return how many backups are still to be sent, computed from what is remembered."""
        return len(self.plan().send)

    def in_order_of_choice(self, now: datetime) -> list[StoredBackup]:
        """List the copy and return its backups in the order of choice for a restore; those last that were never read back."""
        whole = [one for one in self._there.look() if one.backup.metadata and not one.is_damaged]
        unread = [replace(one.backup, verdict=READ_BACK) for one in whole]
        proven = {one.backup.id for one in whole if one.is_proven}
        return sorted(counting.in_order_of_choice(unread, now), key=lambda one: one.id not in proven)

    def restorable(self) -> list[StoredBackup]:
        """Return the backups that were read back, newest first; in a write-only copy, those that were sent."""
        held = [
            one for one in self._there.remembered() if one.is_proven or (self._there.copy.write_only and one.is_sent)
        ]
        now = datetime.now(UTC)
        return [one.backup for one in held if not counting.is_ahead(one.backup, now)]


def _locked(decision: Decision, until: datetime) -> Decision:
    return replace(decision, keep=True, reason=f"{_LOCKED} {until:%Y-%m-%d %H:%M} UTC; then: {decision.reason}")
