"""What backups there are and whether each can be trusted; always rebuilt from the files, never a truth of its own."""

from collections.abc import Callable, Mapping
from datetime import datetime

from sidecar.errors import BackupNotFound, IdentityRequired
from sidecar.events import Listener, nobody
from sidecar.model import VERIFIED, BackupId, Manifest, StoredBackup, Verdict
from sidecar.rules import counting
from sidecar.store.durable import Identity
from sidecar.store.files import Files
from sidecar.store.findings import Findings, new_finding
from sidecar.store.local import LocalStore
from sidecar.store.shelf import Shelf


class Catalog:
    """The backups of every set. Methods block: they look at files, and read those that are new."""

    def __init__(
        self, stores: Mapping[str, LocalStore], remembered: Findings | None = None, *, reads: bool = True
    ) -> None:
        """`remembered` is where findings are kept for other processes and the next start.

        Without `reads` no data is read: what nobody has found out yet is NOT_READ.
        """
        self.stores = stores
        self._shelves = {name: Shelf(store, remembered, reads=reads) for name, store in stores.items()}

    def backups(self, set_name: str, listener: Listener = nobody) -> tuple[StoredBackup, ...]:
        """All of a set's backups, newest first, each verified now or since its files last changed. Raises StorageError."""
        return self._shelves[set_name].backups(listener, again=False)

    def files(self, set_name: str) -> tuple[Files, ...]:
        """Which files the backups of a set have, newest first; listed anew where any has come or gone. Raises StorageError."""
        return self._shelves[set_name].files()

    def newest(self, set_name: str, most: int) -> tuple[StoredBackup, ...]:
        """The newest `most` backups of a set, without a look at the others. Raises StorageError."""
        return self._shelves[set_name].newest(most)

    def refresh(self, set_name: str, listener: Listener = nobody) -> tuple[StoredBackup, ...]:
        """The same, after looking at every file again. Raises StorageError."""
        return self._shelves[set_name].backups(listener, again=True)

    def find(self, backup_id: str) -> StoredBackup:
        """One backup by its id. Raises BackupNotFound, StorageError."""
        parsed = BackupId.parse(backup_id)
        for shelf in self._shelves.values():
            if parsed is not None and parsed.prefix == shelf.store.set.prefix:
                return shelf.find(parsed)
        raise BackupNotFound(f"there is no backup {backup_id!r}")

    def in_order_of_choice(self, set_name: str, now: datetime) -> list[StoredBackup]:
        """The backups of a set that can be restored, as one would want them back: newest first, suspect ones last."""
        return counting.in_order_of_choice(self.backups(set_name), now)

    def examine(self, stored: StoredBackup, check: Callable[[], Verdict], *, is_deep: bool) -> Verdict:
        """Believe from now on what `check` finds of a backup, whatever was believed before. Raises what `check` raises."""
        shelf = self._shelves[stored.set_name]
        before = shelf.identity(stored.id, stored.form)
        verdict = check()
        is_same = before is not None and before == shelf.identity(
            stored.id, stored.form
        )  # else it was replaced or deleted meanwhile
        if before is not None and is_same and stored.metadata is not None:
            shelf.note(new_finding(stored.id, before, stored.metadata.brief.checksum, verdict, is_deep=is_deep))
        return verdict

    def committed(self, manifest: Manifest, identity: Identity) -> None:
        """Believe what the commit of a backup has proven: what was read back from the disk is what was written."""
        backup_id = BackupId.parse(manifest.backup_id)
        if backup_id is not None:
            self._shelves[manifest.backup_type].note(new_finding(backup_id, identity, manifest.checksum, VERIFIED))

    def verified_deep_at(self, stored: StoredBackup) -> datetime | None:
        finding = self._shelves[stored.set_name].findings.get(stored.id)
        return finding.found_at if finding and finding.is_deep else None


def require_open(stored: StoredBackup) -> None:
    """That its content can be read here. Raises IdentityRequired."""
    if stored.is_sealed:
        raise IdentityRequired(f"{stored.id} is encrypted, and no private key that is here opens it")
