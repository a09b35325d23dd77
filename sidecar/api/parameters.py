"""What requests may say: paths, queries and bodies, validated before a handler sees them, and a part of the OpenAPI document."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from sidecar.config.parsing import LARGEST
from sidecar.config.table import MOST_KEPT
from sidecar.errors import AlreadyOver
from sidecar.model import BackupState, Kind, Outcome, Trigger
from sidecar.rules.names import DATABASE_PATTERN

PAGE = 50
DATABASE = f"^{DATABASE_PATTERN}$"

SetName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$",
        description="A configured set, `both` (main and attendance) or `all`.",
        examples=["main"],
    ),
]


class Parameters(BaseModel):
    """What a request may say; anything else is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WhichSets(Parameters):
    """Which sets are meant."""

    backup_type: SetName = "both"


class WhichOrAll(Parameters):
    """Which sets are meant; all of them where nothing is said."""

    backup_type: SetName = "all"


def _dated(value: object) -> object:
    """The moment that a text in ISO 8601 names; a number, also one written as text, would be taken for seconds since 1970."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        raise ValueError("expected a date and a time with its zone such as 2026-11-28T16:00:00Z") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_dated)]


class ListQuery(WhichSets):
    """Which part of a list. `limit` and `offset` count what `state`, `trigger` and `until` leave."""

    state: BackupState | None = None
    trigger: Trigger | None = None
    until: Annotated[Moment | None, Field(description="Only backups taken at this time or before.")] = None
    limit: Annotated[int, Field(ge=1, le=1000, description="Backups per set.")] = 1000
    offset: Annotated[
        int, Field(ge=0, le=1_000_000, description="How many of the newest backups of each set to leave out.")
    ] = 0


Wait = Annotated[
    float | None,
    Field(ge=0, le=86_400, allow_inf_nan=False, description="Seconds to wait for the end; by default, until the end."),
]


class TriggerQuery(WhichSets):
    """What is backed up, and how long the answer may take."""

    wait: Wait = None


class VerifyQuery(Parameters):
    """How thoroughly a backup is verified, and how long the answer may take."""

    deep: bool = False
    wait: Wait = None


class DownloadQuery(Parameters):
    """Whether the text is wanted where the file is compressed or encrypted."""

    decompress: bool = False


class DeleteQuery(Parameters):
    """Whether a pinned backup or the last valid one of its set goes as well."""

    force: bool = False


Count = Annotated[int | None, Field(ge=0, le=MOST_KEPT)]


class WhatIf(WhichOrAll):
    """By what other counts than those of the configuration it is judged. Nothing is changed."""

    keep_last: Annotated[int | None, Field(ge=1, le=LARGEST)] = None
    keep_hourly: Count = None
    keep_daily: Count = None
    keep_weekly: Count = None
    keep_monthly: Count = None
    keep_yearly: Count = None
    keep_within_days: Annotated[int | None, Field(ge=0, le=LARGEST)] = None
    retention_days: Annotated[int | None, Field(ge=1, le=LARGEST)] = None
    max_total_mb: Annotated[float | None, Field(ge=0, le=LARGEST, allow_inf_nan=False)] = None


class PruneQuery(WhichOrAll):
    """Whose retention rules are carried out, and how long the answer may take."""

    wait: Wait = None


class DrillQuery(WhichOrAll):
    """Whose restore is rehearsed, and how long the answer may take."""

    wait: Wait = None


class JobsQuery(Parameters):
    """Which jobs, newest first."""

    kind: Kind | None = None
    backup_type: Annotated[str | None, Field(max_length=63)] = None
    outcome: Outcome | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = PAGE
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class DocumentsQuery(Parameters):
    """Which documents of a backup: by `id` or by `where`, which both take what somebody types."""

    collection: Annotated[str, Field(min_length=1, max_length=255)]
    id: Annotated[
        str | None,
        Field(
            max_length=200,  # of up to twelve bytes each in an address of 8,190
            description="An `_id`: an ObjectId in hexadecimal, a number, a text, or Extended JSON.",
            examples=["65a1b2c3d4e5f60718293a4b"],
        ),
    ] = None
    where: Annotated[
        str | None,
        Field(
            max_length=300,
            description="Fields and the values that they must equal, as JSON. A path reaches into documents and arrays.",
            examples=['{"email": "ada@example.org", "address.city": "Berlin"}'],
        ),
    ] = None
    live: Annotated[bool, Field(description="Compare each with what the database holds under its `_id` now.")] = False
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class BackupPath(Parameters):
    """A backup's id."""

    backup_id: Annotated[str, Field(max_length=255, examples=["seed_backup_20251117_150530"])]


class BackupPair(BackupPath):
    """Two backups' ids, the older one first."""

    other_id: Annotated[str, Field(max_length=255, examples=["seed_backup_20251117_160530"])]


class CopyPath(Parameters):
    """The name of a copy."""

    name: Annotated[str, Field(max_length=31, examples=["offsite"])]


class BackupCopyPath(BackupPath, CopyPath):
    """A backup and a copy."""


class CopyQuery(Parameters):
    """How long the answer may take."""

    wait: Wait = None


class RunbookPath(Parameters):
    """The name of an alert."""

    alert: Annotated[str, Field(max_length=100, examples=["MongoBackupTooOld"])]


class JobPath(Parameters):
    """A job's id."""

    job_id: Annotated[str, Field(max_length=100)]


_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def _in_utc(moment: datetime) -> datetime:
    """Without the ends of the calendar, where other offsets cannot be reckoned with."""
    return min(max(moment, _EARLIEST), _LATEST).astimezone(UTC)


class Until(Parameters):
    """An end; without one it holds until it is taken back."""

    until: Annotated[Moment, AfterValidator(_in_utc)] | None = None

    def require_ahead(self, now: datetime) -> None:
        """Raises AlreadyOver where the end is not in the future."""
        if self.until is not None and self.until <= now:
            raise AlreadyOver(f"until: expected a time in the future, not {self.until:%Y-%m-%d %H:%M:%S} UTC")


class RestoreBody(Parameters):
    """What is restored where. `confirm` repeats the name of the database; a dry run needs none."""

    target_db: (
        Annotated[str, Field(pattern=DATABASE, description="Another database than the configured one.")] | None
    ) = None
    collections: (
        Annotated[list[Annotated[str, Field(min_length=1, max_length=255)]], Field(min_length=1, max_length=1000)]
        | None
    ) = None
    ids: Annotated[
        list[Any] | None,
        Field(
            min_length=1,
            max_length=1000,
            description="Only the documents with these `_id`s, of the one collection that is named: a text is an ObjectId in "
            "hexadecimal, a number, a text or Extended JSON as typed; anything else is Extended JSON.",
            examples=[["65a1b2c3d4e5f60718293a4b", {"$numberInt": "42"}]],
        ),
    ] = None
    from_copy: Annotated[
        str | None, Field(alias="from", max_length=31, description="Fetch the backup from this copy first.")
    ] = None
    dry_run: bool = False
    force: Annotated[
        bool,
        Field(description="Restore despite the plan's obstacles, and leave out indexes that the server refuses."),
    ] = False
    no_indexes: Annotated[bool, Field(description="Restore the documents without any index but that on `_id`.")] = False
    confirm: str | None = None


class RestoreQuery(Parameters):
    """How long the answer may take."""

    wait: Wait = None


class Credentials(Parameters):
    """A token."""

    token: Annotated[str, Field(max_length=1000)]
