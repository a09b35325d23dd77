"""The signatures and the ledger of a set: they prove who made its backups and what happened to them."""

from pathlib import Path
from typing import Any

from sidecar.archive.signing import Signing
from sidecar.errors import LedgerBroken, StorageFull
from sidecar.logger import Logger
from sidecar.model import BackupId
from sidecar.store.durable import publish
from sidecar.store.ledger import Event, Ledger

log = Logger(__name__)


class Seal:
    """Signs and records the backups of one set. Does nothing without a key. Methods block and raise StorageError."""

    def __init__(self, root: Path, directory: Path, set_name: str, signing: Signing) -> None:
        self.signing = signing
        self.ledger = Ledger(root, set_name, signing)
        self._directory = directory

    def apply(self, backup_id: BackupId, metadata: bytes, **facts: Any) -> None:
        """Sign metadata that is about to be published, and record the backup in the ledger."""
        signature = self.signing.sign(metadata)
        if signature is not None:
            publish(self._directory / backup_id.signature_name, signature)
            self.note(Event.CREATED, backup_id, **facts)

    def note(self, event: Event, backup_id: BackupId, reason: str = "", **facts: Any) -> None:
        """Record an event of a backup. A broken ledger is only logged: it must not keep backups from being made."""
        try:
            self.ledger.note(event, backup_id, reason, **facts)
        except LedgerBroken as error:
            log.error("ledger.not_written", backup_id=str(backup_id), ledger_event=event.value, error=str(error))  # noqa: TRY400 - known by its words

    def note_removal(self, event: Event, backup_id: BackupId, reason: str) -> bool:
        """Record that a backup is about to be deleted. Return False if the disk is full: record it after the deletion.

        Raises LedgerBroken, because nothing may be deleted without a record.
        """
        try:
            self.ledger.note(event, backup_id, reason)
        except StorageFull:
            return False
        return True

    def settle(self, backup_id: BackupId, *, is_there: bool) -> None:
        """Correct the ledger after a process was killed while it made or deleted a backup. Errors are logged."""
        try:
            self.ledger.settle(backup_id, is_there=is_there)
        except (LedgerBroken, StorageFull) as error:
            log.error("ledger.not_written", backup_id=str(backup_id), error=str(error))  # noqa: TRY400 - known by its words
