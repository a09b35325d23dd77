"""What ran, and how it ended."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sidecar.model.manifest import Trigger


class Kind(StrEnum):
    """What a run does."""

    BACKUP = "backup"
    VERIFY = "verify"
    PRUNE = "prune"
    RESTORE = "restore"
    DRILL = "drill"
    COPY = "copy"


class Outcome(StrEnum):
    """How a run, or a due time that had none, ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"  # on purpose: the schedule was paused, or the set's previous run was still under way
    MISSED = "missed"  # nobody was there to run it
    ABORTED = "aborted"  # ended from outside: cancelled, stopped, or its process died


WENT_WRONG = frozenset({Outcome.FAILED, Outcome.ABORTED})
TOOK_PLACE = WENT_WRONG | {Outcome.SUCCEEDED}  # somebody or a schedule began it
CALLED_OFF = "cancelled"  # the code of a run that somebody ended on purpose: it went wrong for nobody
PASSED_BY = frozenset({Outcome.SKIPPED, Outcome.MISSED})  # a due time without a run


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One piece of work on one set, or the outcome of a due time for which there was none."""

    job_id: str  # runs that were asked for together share it
    kind: Kind
    set_name: str
    trigger: Trigger
    started_at: datetime
    due_at: datetime | None = None  # the scheduled time it answers to, None where somebody asked for it
    ended_at: datetime | None = None
    outcome: Outcome | None = None  # None while it is under way
    code: str | None = None  # the code of the error that ended it
    message: str = ""
    backup_id: str | None = None
    log: tuple[str, ...] = ()  # its log lines as JSON, kept where it did not succeed
