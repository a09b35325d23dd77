"""Everything that can go wrong and that an operator can act on: one class per fact.

Each class has a stable `code` for machines and a `cure` for people; `details` holds the figures. What an error means for
an exit code or an HTTP status is decided where those are made, by looking up the class and its parents.
"""

import errno
from collections.abc import Sequence
from typing import ClassVar, Self

DIED = "process_died"  # the code of a run whose process ended without a word


class SidecarError(Exception):
    """Root of the tree. `str(error)` is one sentence that names what was wrong; it never holds a secret."""

    code: ClassVar[str] = "internal"
    cure: ClassVar[str] = ""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.details = details

    def with_more(self, more: str) -> Self:
        """The same fact, and what became of things."""
        return type(self)(f"{self}; {more}", **self.details)


class ConfigError(SidecarError):
    """The configuration is unusable; `problems` lists every reason at once."""

    code = "config_invalid"
    cure = "Correct the settings named above; `sidecar config check` tries them without starting anything."

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class UsageError(SidecarError):
    """What was asked for cannot be done as asked: an unknown set, a collection that the backup does not hold."""

    code = "usage"


class SetNotFound(UsageError):
    """No set of this name is configured."""

    code = "set_not_found"
    cure = "`sidecar config show` lists the sets."


class NotSuspect(UsageError):
    """The backup to confirm is not suspect."""

    code = "not_suspect"
    cure = "There is nothing to confirm: the backup already counts as good."


class AlreadyOver(UsageError):
    """A time that was given as an end lies in the past."""

    code = "already_over"


# -- the database ------------------------------------------------------------------------------------------------------


class SourceError(SidecarError):
    """Reading from or writing to MongoDB failed."""

    code = "source_failed"
    cure = "Look at MongoDB's own log for the time of the failure, then run the backup again."


class SourceUnavailable(SourceError):
    """No server could be reached."""

    code = "mongodb_unavailable"
    cure = "Check that MongoDB runs and that MONGO_URL names it."


class AccessRefused(SourceError):
    """MongoDB refused the user: its password is wrong, or it may not do what the message names."""

    code = "mongodb_unauthorized"
    cure = (
        "Correct the user, the password and authSource of MONGO_URL, or give the user the right that the message names: "
        "docs/install.md lists the roles."
    )


class SourceStalled(SourceError):
    """The server did not answer within the limit."""

    code = "mongodb_stalled"
    cure = "The server is overloaded or hung; SIDECAR_STALL_TIMEOUT_SECONDS is the limit that ended the wait."


class CursorFailed(SourceError):
    """A cursor broke, ended early or gave documents it should not have: nothing that it returned is used."""

    code = "cursor_failed"


class DuplicateIds(CursorFailed):
    """A cursor returned the same `_id` more than once."""

    code = "duplicate_ids"


class CountMismatch(CursorFailed):
    """A cursor returned another number of documents than the server counts."""

    code = "count_mismatch"


class SnapshotTooOld(SourceError):
    """The server no longer keeps the cluster time that the set is read at."""

    code = "snapshot_too_old"
    cure = "Raise minSnapshotHistoryWindowInSeconds on the server or split the set."


class SnapshotUnavailable(SourceError):
    """The server gives no snapshot reads: it refused one, or its replies carry no cluster time."""

    code = "snapshot_unavailable"


class CollectionsChanged(SourceError):
    """A collection of the set was created, dropped, renamed or re-created while it was read."""

    code = "collections_changed"
    cure = "Run the backup again when no collections are being created, dropped or renamed."


class NothingToBackUp(SourceError):
    """None of the set's collections exists."""

    code = "nothing_to_back_up"
    cure = "Check DB_NAME and the set's list of collections."


class WriteRejected(SourceError):
    """The server did not store a document, an index or a collection that a restore sent."""

    code = "write_rejected"
    cure = "The message says what was refused and why; the target was left as it was unless it says otherwise."


class IndexRejected(WriteRejected):
    """The server did not build an index that a restore asked for."""

    code = "index_rejected"
    cure = "Correct what the message names, or restore with --force (without that index) or --no-indexes (without any)."


class LeaseLost(SourceError):
    """Another sidecar has taken over, or may have by now."""

    code = "lease_lost"
    cure = "Nothing is lost: the sidecar with the lease goes on. If it happens often, find what pauses it or MongoDB."


class TargetInUse(SourceError):
    """A collection that was to be filled because it was empty holds documents now."""

    code = "target_in_use"
    cure = "Nothing was replaced. Find out what wrote to the collection, and restore by hand if it may be replaced."


class DocumentChanged(SourceError):
    """Somebody wrote to a document while it was to be restored."""

    code = "document_changed"
    cure = "Look at the plan again: it shows what is there now. Then restore again."


class TargetUnsuitable(SourceError):
    """The target lacks what the backup needs, or would lose what it has: an older server, a sharded collection."""

    code = "target_unsuitable"
    cure = "Restore into a database that can hold it as it was, or use --force to try anyway."


# -- the storage -------------------------------------------------------------------------------------------------------


class StorageError(SidecarError):
    """The backup directory could not be read or written."""

    code = "storage_failed"
    cure = "Check the disk, the mount and the permissions of BACKUP_DIR."

    @staticmethod
    def of(error: OSError, action: str) -> "StorageError":
        """The operating system's error as ours: StorageFull where there is no room."""
        kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StorageError
        return kind(f"{action}: {error.strerror or error}", errno=error.errno)


class StorageFull(StorageError):
    """There is no room, or not enough to start."""

    code = "storage_full"
    cure = "Free space in BACKUP_DIR, lower BACKUP_LIMIT or give it a larger volume."


class Busy(SidecarError):
    """Another run is at work on the same set or backup."""

    code = "busy"
    cure = "Wait until the other run has ended; its lock is released even if it is killed."


class Cancelled(SidecarError):
    """Somebody cancelled the work."""

    code = "cancelled"


class Stopped(Cancelled):
    """The work ended because the sidecar was stopped."""

    code = "stopped"
    cure = "Nothing is lost: a scheduled run begins again at the next start."


class JobNotFound(SidecarError):
    """No job has this id."""

    code = "job_not_found"
    cure = "`GET /api/admin/jobs` lists all jobs."


# -- copies elsewhere --------------------------------------------------------------------------------------------------


class CopyNotFound(UsageError):
    """No copy of this name is configured."""

    code = "copy_not_found"
    cure = "`sidecar copies status` lists the copies; each is a table [copies.NAME] of the configuration file."


class CopyError(SidecarError):
    """A place that holds copies of backups could not be read or written."""

    code = "copy_failed"
    cure = "Nothing is lost here. It is tried again; the message says what the other side answered."


class CopyUnreachable(CopyError):
    """The place that holds the copies does not answer."""

    code = "copy_unreachable"
    cure = "Check the network, the endpoint and the mount. The copies catch up by themselves when it answers again."


class CopyRefused(CopyError):
    """The place that holds the copies refused the credentials, or what they ask for."""

    code = "copy_refused"
    cure = "Check the credentials of the copy, what they allow on the bucket, and the clock of this machine."


class CopyForeign(CopyError):
    """The place belongs to another sidecar, or is not the one that it was: nothing was written there."""

    code = "copy_foreign"
    cure = (
        "Give each sidecar a prefix of its own. If the other one is gone for good and this one takes its place, say "
        "`sidecar copies adopt NAME`."
    )


class CopyDamaged(CopyError):
    """The copy that was read back differs from what was written."""

    code = "copy_damaged"
    cure = "It is sent again. If it happens often, look at the network and the other side's disks."


# -- the backups -------------------------------------------------------------------------------------------------------


class BackupNotFound(SidecarError):
    """No backup has this id, or the file does not exist."""

    code = "backup_not_found"
    cure = "`sidecar list` shows all backups."


class DocumentNotFound(BackupNotFound):
    """A backup holds no such document."""

    code = "document_not_found"
    cure = "`sidecar history -c COLLECTION --id ID` shows which backups hold it."


class BackupInvalid(SidecarError):
    """A stored backup cannot be trusted; the message says why."""

    code = "backup_invalid"
    cure = "Do not use it. `sidecar list` shows which backups are valid; make a new one and look for disk errors."


class IdentityRequired(SidecarError):
    """A backup is encrypted, and this host has no private key for it. That does not mean that the backup is damaged."""

    code = "identity_required"
    cure = (
        "Set SIDECAR_IDENTITY_FILE to a file with the private key of one of its recipients, here or on another "
        "machine: the backup's files and the key are all that is needed."
    )


class LedgerBroken(BackupInvalid):
    """The ledger of a set or its backups were changed, and not by the sidecar."""

    code = "ledger_broken"
    cure = (
        "`sidecar ledger check` says what. Find out who was at the directory; then restore with force, or accept what is there "
        "with `sidecar ledger accept`."
    )


class BackupProtected(SidecarError):
    """The backup is pinned, or is the last valid one of its set."""

    code = "backup_protected"
    cure = "Unpin it, or use `force` to delete it anyway."


class RestoreMismatch(SidecarError):
    """What the server holds after a restore is not what the backup holds."""

    code = "restore_mismatch"
    cure = "The message says which collection differs; the target was left as it was unless it says otherwise."


def codes_below(*kinds: type[SidecarError]) -> set[str]:
    """The codes of these errors and of their kinds."""
    below = [one for kind in kinds for one in kind.__subclasses__() if one.__module__ == __name__]
    return {kind.code for kind in kinds} | (codes_below(*below) if below else set())


def every_code() -> tuple[str, ...]:
    """The codes of this tree in alphabetical order, and that of a run whose process died."""
    return tuple(sorted(codes_below(SidecarError) | {DIED}))
