"""Find out what is wrong now, from memory only. The judgements are those of the alert rules, for use without Prometheus."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sidecar.errors import Stopped
from sidecar.history.record import History
from sidecar.model import WENT_WRONG, BackupState, Kind, Run, Severity
from sidecar.rules.conditions import Condition
from sidecar.rules.health import age_in_words
from sidecar.rules.schedule import max_age_seconds, schedule_name
from sidecar.runs.leadership import Alone, Standing
from sidecar.runs.scheduler import Scheduler
from sidecar.runs.startup import StartUp
from sidecar.status.overview import Overview, SetView

BACKUP: Final = "newest backup"
RUNS: Final = "last run"
REPEATEDLY: Final = 3  # runs that failed one after another
MONGODB_PATIENCE: Final = timedelta(minutes=10)
START_PATIENCE: Final = timedelta(minutes=5)  # allowed for a start
FIRST_BACKUP: Final = timedelta(minutes=4)  # allowed for the first backup, on top of the maximum age
LISTED: Final = 3  # the most ids that a message lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The objects that know the state of the sidecar."""

    overview: Overview
    scheduler: Scheduler
    startup: StartUp
    leadership: Alone
    history: History
    since: datetime  # when the process began

    def conditions(self, now: datetime) -> list[Condition]:
        """Return everything that is wrong. Reads only memory."""
        of_sets = [one for name, view in self.overview.sets.items() for one in self._of_set(name, view, now)]
        return [*of_sets, *self._of_process(now)]

    # -- a set ---------------------------------------------------------------------------------------------------------

    def _of_set(self, name: str, view: SetView, now: datetime) -> Iterator[Condition]:
        if view.looked_at is None:
            return
        if view.error:
            yield Condition(subject="directory", set_name=name, severity=Severity.CRITICAL, words=view.error)
            return
        found = self._newest(name, view, now)
        if found is not None:
            severity, words = found
            yield Condition(subject=BACKUP, set_name=name, severity=severity, words=words)
        if view.tampering:
            words = f"The ledger and the backups do not match: {'; '.join(view.tampering)}"
            yield Condition(subject="ledger", set_name=name, severity=Severity.CRITICAL, words=words)
        bad = [one.id for one in view.backups if one.verdict.state in (BackupState.INVALID, BackupState.MISSING)]
        if bad:
            listed = ", ".join(map(str, bad[:LISTED])) + (" …" if len(bad) > LISTED else "")
            words = f"Damaged or without data: {listed}"
            yield Condition(subject="stored backups", set_name=name, severity=Severity.WARNING, words=words)
        for copy in self.overview.copies_of(name, now):
            if copy.is_late:
                words = f"{copy.message}{f': {copy.error}' if copy.error else ''}"
                yield Condition(subject=f"copy {copy.copy_name}", set_name=name, severity=Severity.WARNING, words=words)
        runs = ((RUNS, view.last_judged), ("verification", view.last_verification), ("restore drill", view.last_drill))
        for subject, run in runs:
            if run is not None and _went_wrong(run):
                severity = _severity(subject, view.consecutive_failures)
                words = f"{run.outcome}: {run.message}"
                yield Condition(subject=subject, set_name=name, severity=severity, words=words)

    def _newest(self, name: str, view: SetView, now: datetime) -> tuple[Severity, str] | None:
        newest = self.overview.stock(name, now).newest
        is_ours = self.leadership.role is not Standing.FOLLOWER  # else the leader answers for the schedule
        if newest is None:
            is_late = self._is_late(name, view, now)
            return (Severity.CRITICAL, "There is no backup that could be restored") if is_ours and is_late else None
        if not newest.verdict.is_valid:
            return Severity.CRITICAL, f"{newest.id} is damaged: {newest.verdict.message}"
        if newest.is_suspect and newest.manifest is not None:
            lost = "; ".join(newest.manifest.suspicions)
            return Severity.CRITICAL, f"{newest.id} is suspect: {lost}. Nothing is deleted until it is confirmed"
        age = now - newest.taken_at
        if is_ours and age > self._max_age(name, now):
            return Severity.CRITICAL, f"It is {age_in_words(age)} old: more than two intervals of its schedule"
        return None

    def _max_age(self, name: str, now: datetime) -> timedelta:
        routine = self.scheduler.routines[schedule_name(Kind.BACKUP, name)]
        return timedelta(seconds=max_age_seconds(routine.timetable, now))

    def _is_late(self, name: str, view: SetView, now: datetime) -> bool:
        """Return whether a set without a backup should have one: it had one before, or its first one is overdue."""
        if view.last_success is not None:
            return True
        return view.known_since is not None and now - view.known_since > self._max_age(name, now) + FIRST_BACKUP

    # -- the process ---------------------------------------------------------------------------------------------------

    def _of_process(self, now: datetime) -> Iterator[Condition]:
        overview, is_started = self.overview, now - self.since > START_PATIENCE
        if overview.storage.error:
            yield Condition(subject="storage", severity=Severity.CRITICAL, words=overview.storage.error)
        elif overview.storage.asked_at is not None and not overview.has_space:
            yield Condition(
                subject="storage", severity=Severity.CRITICAL, words="Short of space: the next run will not start"
            )
        if not overview.mongodb.is_up and now - (overview.mongodb.last_up_at or self.since) > MONGODB_PATIENCE:
            words = f"No answer: {overview.mongodb.error}"
            yield Condition(subject="MongoDB", severity=Severity.WARNING, words=words)
        if self.startup.reason and is_started:
            yield Condition(subject="schedules", severity=Severity.CRITICAL, words=f"Held: {self.startup.reason}")
        elif is_started and not self.scheduler.task.is_running:
            words = f"Not running: {self.scheduler.task.error or 'no answer'}"
            yield Condition(subject="schedules", severity=Severity.CRITICAL, words=words)
        if not self.history.is_durable:
            words = "It cannot be written: a restart would forget what happened"
            yield Condition(subject="record of runs", severity=Severity.WARNING, words=words)


def _went_wrong(run: Run) -> bool:
    """Return whether a run failed; not if the sidecar was stopped, because then the run is begun again."""
    return run.outcome in WENT_WRONG and run.code != Stopped.code


def _severity(subject: str, consecutive_failures: int) -> Severity:
    is_grave = consecutive_failures >= REPEATEDLY if subject == RUNS else subject == "restore drill"
    return Severity.CRITICAL if is_grave else Severity.WARNING
