"""The nouns: what a backup, a backup set and their metadata are. Frozen, no I/O."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from sidecar.form import Form

FORMAT = "sidecar-json"
FORMAT_VERSION = 1
MB = 2**20  # bytes, wherever a size or a rate is given in MB: so the first version reckoned file_size_mb
METADATA_VERSION = "3.0"  # 2.x is what the application wrote before there was a sidecar

METADATA = ".meta.json"  # what the name of a metadata file ends with

_ID = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]*)_(\d{4})(\d{2})(\d{2})_(\d{2})(\d{2})(\d{2})", re.ASCII)


class Trigger(StrEnum):
    """Why a backup was made."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    PRE_RESTORE = "pre_restore"
    START_UP = "start_up"


class Consistency(StrEnum):
    """`SNAPSHOT`: every document as of one cluster time. `PER_COLLECTION`: each collection as the cursor found it."""

    SNAPSHOT = "snapshot"
    PER_COLLECTION = "per_collection"


class CollectionKind(StrEnum):
    """The `type` of MongoDB's listCollections reply."""

    COLLECTION = "collection"
    VIEW = "view"
    TIMESERIES = "timeseries"


@dataclass(frozen=True, slots=True, order=True)
class BackupId:
    """`<prefix>_YYYYMMDD_HHMMSS`, the second in UTC at which the backup was begun."""

    taken_at: datetime
    prefix: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The id that `text` is, or None where it is not one (also for a date that does not exist)."""
        found = _ID.fullmatch(text)
        if found is None:
            return None
        prefix, *parts = found.groups()
        try:
            return cls(datetime(*map(int, parts), tzinfo=UTC), prefix)  # type: ignore[arg-type,misc] # six integers
        except ValueError:
            return None

    @classmethod
    def of_file(cls, name: str) -> Self | None:
        """The backup whose data or metadata file would have this name."""
        stem, dot, end = name.partition(".")
        return cls.parse(stem) if dot + end in (METADATA, *Form) else None

    @classmethod
    def at(cls, prefix: str, moment: datetime) -> Self:
        return cls(moment.astimezone(UTC).replace(microsecond=0), prefix)

    def next_second(self) -> Self:
        return type(self)(self.taken_at + timedelta(seconds=1), self.prefix)

    @property
    def data_name(self) -> str:
        """Of a backup that is neither compressed nor encrypted."""
        return self.data_name_in(Form.PLAIN)

    def data_name_in(self, form: Form) -> str:
        return f"{self}{form}"

    @property
    def metadata_name(self) -> str:
        return f"{self}{METADATA}"

    @property
    def pin_name(self) -> str:
        return f"{self}.pin.json"

    @property
    def confirmation_name(self) -> str:
        return f"{self}.confirmed.json"

    @property
    def file_names(self) -> tuple[str, ...]:
        """Every file that a backup may have, in the order in which they are taken away: it is gone with the first."""
        return self.metadata_name, *map(self.data_name_in, Form), self.pin_name, self.confirmation_name

    def __str__(self) -> str:
        at = self.taken_at  # strftime does not write four digits of every year
        return f"{self.prefix}_{at.year:04}{at.month:02}{at.day:02}_{at.hour:02}{at.minute:02}{at.second:02}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSet:
    """A named list of collections that are backed up together, and the rules for what is kept of them."""

    name: str
    collections: tuple[str, ...]  # ("*",) is every collection of the database
    prefix: str
    exclude: tuple[str, ...] = ()
    directory: PurePosixPath = field(default_factory=PurePosixPath)  # below BACKUP_DIR
    limit: int = 5
    retention_days: int = 30
    schedule: str | None = None  # five-field cron expression or @alias; wins over the interval
    interval_hours: float = 1.0
    jitter_seconds: float = 0.0  # everything begins later by a share of this that is the set's own
    compression: str = "none"
    compression_level: int = 1
    recipients: tuple[str, ...] = ()  # public keys of age or SSH; without any nothing is encrypted

    @property
    def is_compressed(self) -> bool:
        return self.compression != "none"

    @property
    def takes_all(self) -> bool:
        return self.collections == ("*",)

    def wants(self, collection: str) -> bool:
        """Whether a collection of this name belongs to the set."""
        return collection not in self.exclude and (self.takes_all or collection in self.collections)


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection, view or time series as listCollections and listIndexes describe it; options and indexes are raw BSON."""

    name: str
    kind: CollectionKind
    uuid: bytes | None
    options: bytes
    indexes: tuple[bytes, ...] = ()

    @property
    def holds_documents(self) -> bool:
        return self.kind is not CollectionKind.VIEW


class CollectionDetails(BaseModel):
    """What one collection of a backup holds, so that a restore can be compared with it."""

    model_config = ConfigDict(frozen=True, strict=True)

    documents: Annotated[int, Field(ge=0)]
    bson_bytes: Annotated[int, Field(ge=0)]
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None  # None where it is sealed
    escaped_documents: Annotated[int, Field(ge=0)]


class Encryption(BaseModel):
    """For whom a backup is encrypted: public keys of age or SSH."""

    model_config = ConfigDict(frozen=True)

    format: Literal["age"] = "age"
    recipients: tuple[str, ...]


def _without_credentials(url: str) -> str:
    """Metadata that somebody else wrote may name more than host and port."""
    return url.rpartition("@")[2]


class Manifest(BaseModel):
    """The metadata file of a backup (`<id>.meta.json`).

    The keys up to `version` are those the users' first backup system wrote; everything after has a default, so a version
    2.x file reads too. `timestamp` without an offset is UTC. `checksum` and `file_size_bytes` are of the stored bytes.
    """

    model_config = ConfigDict(frozen=True)

    backup_id: str
    backup_type: str
    filename: str
    timestamp: AwareDatetime
    checksum: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    checksum_algorithm: Literal["SHA256"]
    file_size_bytes: Annotated[int, Field(ge=0)]
    file_size_mb: float
    collections: dict[str, Annotated[int, Field(ge=0)]]
    mongo_url: Annotated[str, AfterValidator(_without_credentials)]
    db_name: str
    version: str
    format_version: int | None = None
    sidecar_version: str | None = None
    trigger: Trigger = Trigger.MANUAL
    duration_seconds: Annotated[float, Field(ge=0, le=1e9)] | None = None
    consistency: Consistency = Consistency.PER_COLLECTION
    cluster_time: tuple[int, int] | None = None
    codec: str | None = None
    server_version: str | None = None
    missing_collections: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    suspicions: tuple[str, ...] = ()  # what it lost against the recent backups, in words
    collection_details: dict[str, CollectionDetails] = {}
    content_checksum: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None  # of the text that was stored
    content_size_bytes: Annotated[int, Field(ge=0)] | None = None
    compression: Literal["zstd"] | None = None
    encryption: Encryption | None = None
    sealed: str | None = None  # what the recipients alone may know; None also once it was opened

    @property
    def is_legacy(self) -> bool:
        return self.format_version is None

    @property
    def form(self) -> Form:
        return Form.of(compressed=self.compression is not None, encrypted=self.encryption is not None)

    @property
    def text_bytes(self) -> int:
        """The size of the text, however it is stored."""
        return self.file_size_bytes if self.content_size_bytes is None else self.content_size_bytes

    @property
    def is_sealed(self) -> bool:
        """Encrypted for others: no private key that is here opens it."""
        return self.sealed is not None


class BackupState(StrEnum):
    """What is known of a stored backup. Only `VALID` ones count."""

    VALID = "valid"
    INVALID = "invalid"  # the stored bytes or the metadata are not what was written, or cannot be read
    MISSING = "missing"  # metadata without its data file
    ORPHAN = "orphan"  # a data file without metadata: never finished, or its metadata was lost


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a backup can be trusted and the reason in words."""

    state: BackupState
    message: str

    @property
    def is_valid(self) -> bool:
        return self.state is BackupState.VALID


VERIFIED = Verdict(BackupState.VALID, "Integrity verified")
NOT_READ = Verdict(BackupState.INVALID, "Not read since its files changed")  # of a look that reads no data


class Pin(BaseModel):
    """Keeps a backup from the retention rules, for ever where `until` is None (`<id>.pin.json`)."""

    model_config = ConfigDict(frozen=True)

    until: AwareDatetime | None = None

    def holds_at(self, moment: datetime) -> bool:
        return self.until is None or moment < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBackup:
    """One backup as the catalogue shows it."""

    id: BackupId
    set_name: str
    manifest: Manifest | None
    size_bytes: int
    verdict: Verdict
    verified_at: datetime | None = None  # when that was found by reading it; None where nothing had to be read
    is_pinned: bool = False
    pinned_until: datetime | None = None  # None where it is pinned for ever, or not at all
    is_confirmed: bool = False  # somebody said that what it lost was meant to go
    form: Form = Form.PLAIN

    @property
    def filename(self) -> str:
        return self.id.data_name_in(self.form)

    @property
    def taken_at(self) -> datetime:
        """When it was begun, in UTC; from its name where the metadata cannot be read."""
        return self.manifest.timestamp.astimezone(UTC) if self.manifest else self.id.taken_at

    @property
    def documents(self) -> int:
        """How many its metadata speaks of."""
        return sum(self.manifest.collections.values()) if self.manifest else 0

    @property
    def is_sealed(self) -> bool:
        """Its stored bytes can be verified here, its content cannot be read."""
        return self.manifest is not None and self.manifest.is_sealed

    @property
    def is_safety(self) -> bool:
        """Made before a restore, of what it was about to replace: perhaps only a part of the set, so it never counts as one."""
        return self.manifest is not None and self.manifest.trigger is Trigger.PRE_RESTORE

    @property
    def is_suspect(self) -> bool:
        """It lost most of a collection against the backups before it, and nobody has said that this is as it should be."""
        return self.manifest is not None and bool(self.manifest.suspicions) and not self.is_confirmed


class Confirmation(BaseModel):
    """That what a suspect backup lost was meant to go (`<id>.confirmed.json`)."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    by: str


# -- runs --------------------------------------------------------------------------------------------------------------


class Kind(StrEnum):
    """What a run does."""

    BACKUP = "backup"
    VERIFY = "verify"
    PRUNE = "prune"
    RESTORE = "restore"
    DRILL = "drill"


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
