"""The nouns: what a backup, a backup set, their metadata and a run are. Frozen, no I/O."""

from sidecar.model.amounts import documents_in_words, size
from sidecar.model.backup_id import METADATA, BackupId
from sidecar.model.backup_set import BackupSet
from sidecar.model.collection import Collection, CollectionKind
from sidecar.model.form import Form
from sidecar.model.manifest import (
    FORMAT,
    FORMAT_VERSION,
    MB,
    METADATA_VERSION,
    CollectionDetails,
    Consistency,
    Encryption,
    Manifest,
    Trigger,
)
from sidecar.model.metadata import Brief, Metadata
from sidecar.model.notice import Channel, Notice, NoticeState
from sidecar.model.run import CALLED_OFF, PASSED_BY, TOOK_PLACE, WENT_WRONG, Kind, Outcome, Run
from sidecar.model.severity import Severity
from sidecar.model.stored import NOT_READ, VERIFIED, BackupState, Confirmation, Pin, StoredBackup, Verdict

__all__ = [
    "CALLED_OFF",
    "FORMAT",
    "FORMAT_VERSION",
    "MB",
    "METADATA",
    "METADATA_VERSION",
    "NOT_READ",
    "PASSED_BY",
    "TOOK_PLACE",
    "VERIFIED",
    "WENT_WRONG",
    "BackupId",
    "BackupSet",
    "BackupState",
    "Brief",
    "Channel",
    "Collection",
    "CollectionDetails",
    "CollectionKind",
    "Confirmation",
    "Consistency",
    "Encryption",
    "Form",
    "Kind",
    "Manifest",
    "Metadata",
    "Notice",
    "NoticeState",
    "Outcome",
    "Pin",
    "Run",
    "Severity",
    "StoredBackup",
    "Trigger",
    "Verdict",
    "documents_in_words",
    "size",
]
