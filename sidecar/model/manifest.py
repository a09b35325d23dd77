"""What the metadata of a backup says."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from sidecar.model.form import Form

FORMAT = "sidecar-json"
FORMAT_VERSION = 1
MB = 2**20  # bytes, wherever a size or a rate is given in MB: so the first version reckoned file_size_mb
METADATA_VERSION = "3.0"  # 2.x is what the application wrote before there was a sidecar


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


class CollectionDetails(BaseModel):
    """What one collection of a backup holds, so that a restore can be compared with it."""

    model_config = ConfigDict(frozen=True, strict=True, defer_build=True)

    documents: Annotated[int, Field(ge=0)]
    bson_bytes: Annotated[int, Field(ge=0)]
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None  # None if it is sealed
    escaped_documents: Annotated[int, Field(ge=0)]


class Encryption(BaseModel):
    """For whom a backup is encrypted: public keys of age or SSH."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    format: Literal["age"] = "age"
    recipients: tuple[str, ...]


def _without_credentials(url: str) -> str:
    """Metadata from another program may name more than host and port."""
    return url.rpartition("@")[2]


class Manifest(BaseModel):
    """The metadata file of a backup (`<id>.meta.json`).

    The keys up to `version` are those the users' first backup system wrote; everything after has a default, so a version
    2.x file reads too. `timestamp` without an offset is UTC. `checksum` and `file_size_bytes` are of the stored bytes.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

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
