"""What proves who made a set's backups and what became of them: signatures beside the metadata, and the ledger."""

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
    """Of the store in one directory. Does nothing where there is no key. Methods block and raise StorageError."""

    def __init__(self, root: Path, directory: Path, set_name: str, signing: Signing) -> None:
        self.signing = signing
        self.ledger = Ledger(root, set_name, signing)
        self._directory = directory

    def apply(self, backup_id: BackupId, metadata: bytes, **facts: Any) -> None:
        """Sign metadata that is about to be published, and enter the backup."""
        signature = self.signing.sign(metadata)
        if signature is not None:
            publish(self._directory / backup_id.signature_name, signature)
            self.note(Event.CREATED, backup_id, **facts)

    def note(self, event: Event, backup_id: BackupId, reason: str = "", **facts: Any) -> None:
        """Enter what becomes of a backup. A ledger that was tampered with, which is told, keeps no backup from being made."""
        try:
            self.ledger.note(event, backup_id, reason, **facts)
        except LedgerBroken as error:
            log.error("ledger.not_written", backup_id=str(backup_id), ledger_event=event.value, error=str(error))  # noqa: TRY400 - known by its words

    def note_removal(self, event: Event, backup_id: BackupId, reason: str) -> bool:
        """Enter that a backup is about to go. False where the disk is too full to: then it is entered afterwards.

        Raises LedgerBroken: nothing goes without an entry.
        """
        try:
            self.ledger.note(event, backup_id, reason)
        except StorageFull:
            return False
        return True

    def settle(self, backup_id: BackupId, *, is_there: bool) -> None:
        """Enter how what was begun with a backup ended, where that is not what the ledger says."""
        try:
            self.ledger.settle(backup_id, is_there=is_there)
        except (LedgerBroken, StorageFull) as error:
            log.error("ledger.not_written", backup_id=str(backup_id), error=str(error))  # noqa: TRY400 - known by its words
