"""What is answered: the bodies of the API, from which the OpenAPI document is made as well."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime, RootModel

from sidecar.inspect.documents import Now, Way
from sidecar.model import CollectionKind, Kind, Manifest, Outcome, Trigger
from sidecar.rules.tiers import Rule
from sidecar.runs.leadership import Standing
from sidecar.runs.progress import Snapshot
from sidecar.status.bodies import BackupCopy, Body, CopyStatus
from sidecar.status.reports import Entry, SetStatus


class Statuses(RootModel[dict[str, SetStatus]]):
    """The state of each set, by its name."""


class ListEntry(Entry):
    """One backup in a list, and where it lies elsewhere."""

    copies: tuple[BackupCopy, ...]


class BackupList(RootModel[dict[str, list[ListEntry]]]):
    """The backups of each set, newest first."""


class BackupResult(Body):
    """What became of one set. `success` is null while it is still under way."""

    success: bool | None
    message: str
    job_id: str | None = None
    metadata: Manifest | None = None
    warning: str | None = None  # what went wrong after the backup was safe
    code: str | None = None
    cure: str | None = None


class Results(RootModel[dict[str, BackupResult]]):
    """What became of each set, by its name."""


class VerificationBody(Body):
    """Whether a backup is what was written. `is_valid` is null where nobody knows: it is under way, or not possible."""

    backup_id: str
    is_valid: bool | None
    message: str
    job_id: str


class Detail(ListEntry):
    """One backup with all that its metadata says."""

    metadata: Manifest | None


class DifferenceBody(Body):
    """One collection: how many documents went, came or changed, and some of their `_id`s in canonical Extended JSON."""

    left_documents: int
    right_documents: int
    removed: int
    added: int
    changed: int
    definition_changed: bool
    not_in: Literal["left", "right"] | None  # that side says nothing of this collection: nothing was compared
    ids: dict[str, list[Any]]


class Differences(RootModel[dict[str, DifferenceBody]]):
    """What differs between two backups, by collection."""


class FieldChange(Body):
    """A field before and after, in canonical Extended JSON; null where there was or is no such field."""

    path: str
    way: Way
    before: Any
    after: Any


class FoundDocument(Body):
    """A document of a backup in canonical Extended JSON. `now` is null where the database was not asked."""

    id: Any
    document: Any
    now: Now | None
    changes: tuple[FieldChange, ...]  # from the backup to the database; none of a document that is very large


class FoundDocuments(Body):
    """How many documents of a backup were meant, and the first of them."""

    backup_id: str
    collection: str
    count: int
    documents: tuple[FoundDocument, ...]
    live_error: str | None  # why the database could not be asked


class PlannedCollection(Body):
    """What a restore would do to one collection. `replaces_documents` is null where there is no such collection.

    Only a dry run compares documents: those the restore would insert, replace, leave as they are and remove.
    """

    collection: str
    kind: CollectionKind
    documents: int
    replaces_documents: int | None
    indexes: int  # besides that on `_id`: tried only when they are built
    inserted: int | None
    replaced: int | None
    unchanged: int | None
    removed: int | None
    warnings: tuple[str, ...]


class RestoreResult(Body):
    """The plan of a restore, and what became of it. `success` is null for a dry run and while it is under way."""

    backup_id: str
    target_db: str
    plan: tuple[PlannedCollection, ...]
    obstacles: tuple[str, ...]  # why it is refused without `force`
    estimated_seconds: float | None  # by the measure of the last drill
    success: bool | None
    message: str
    job_id: str | None
    code: str | None


class DecisionBody(Body):
    """What becomes of a backup by the retention rules, why, and when it will go if every run succeeds; null: never."""

    backup_id: str
    timestamp: AwareDatetime
    keep: bool
    reason: str
    expires_at: AwareDatetime | None
    rules: tuple[Rule, ...]  # those that keep it


class Decisions(RootModel[dict[str, list[DecisionBody]]]):
    """The retention rules' verdict on each backup, by set."""


class CopyBody(Body):
    """A copy elsewhere, and what is known of it without asking it."""

    name: str
    kind: str  # s3, gs, az or file
    is_up: bool  # the last contact went well
    write_only: bool
    object_lock_days: int | None
    max_age_hours: float
    sets: dict[str, CopyStatus]


class CopiesBody(Body):
    """Every copy that is configured."""

    copies: tuple[CopyBody, ...]


class RunBody(Body):
    """What a job did, or does, on one set."""

    backup_type: str
    outcome: Outcome | None
    code: str | None
    message: str
    cure: str | None  # what helps against `code`
    backup_id: str | None
    safety_backup: str | None  # of a restore: what was there before, with which it can be undone
    due_at: AwareDatetime | None
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    progress: Snapshot | None
    log: tuple[dict[str, Any], ...]


class JobState(StrEnum):
    """Where a job stands: running, or the worst outcome of its runs."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    MISSED = "missed"
    ABORTED = "aborted"
    FAILED = "failed"


class JobBody(Body):
    """Work that was asked for together, by somebody or by a schedule."""

    id: str
    kind: Kind
    trigger: Trigger
    state: JobState
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    runs: tuple[RunBody, ...]


class JobList(Body):
    """Jobs, newest first."""

    jobs: tuple[JobBody, ...]


class PauseBody(Body):
    """Who stopped a schedule, since when and until when."""

    since: AwareDatetime
    until: AwareDatetime | None
    by: str


class ScheduleEntry(Body):
    """What runs by itself on one set."""

    kind: Kind
    backup_type: str
    schedule: str
    interval_seconds: float
    next_run: AwareDatetime | None
    blackout_until: AwareDatetime | None  # now nothing begins by schedule, until then
    pause: PauseBody | None
    last_run: RunBody | None
    last_success_at: AwareDatetime | None
    consecutive_failures: int
    max_age_seconds: float | None  # of backups: the age at which the newest one is overdue
    is_overdue: bool


class LeadershipBody(Body):
    """Which of several sidecars begins backups and drills. `id` is this process, `leader` that of the one that leads."""

    role: Standing
    group: str | None
    id: str | None
    leader: str | None  # None without a group, and while nobody leads or it is not known who
    error: str | None


class ScheduleBody(Body):
    """Everything that runs by itself, here or, of what is the leader's, there."""

    is_running: bool
    timezone: str
    leadership: LeadershipBody
    entries: tuple[ScheduleEntry, ...]


class SessionBody(Body):
    """Who is signed in."""

    name: str
    role: str
    expires_at: AwareDatetime | None


RESULTS = {
    202: "Begun; the body says what is under way, and Location where to ask.",
    409: "A set is in use, or there is nothing of it to back up.",
    500: "It failed; the body says of which set and why.",
    502: "MongoDB failed.",
    503: "MongoDB is away.",
    507: "There is no room.",
}
