"""What backups there are and whether each can be trusted; always rebuilt from the files, never a truth of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.engine.store import Files, LocalStore
from sidecar.engine.verify import read_manifest, verify
from sidecar.errors import BackupInvalid, BackupNotFound, StorageError
from sidecar.model import BackupId, BackupState, Manifest, StoredBackup, Verdict

ORPHAN = Verdict(BackupState.ORPHAN, "Data without metadata: never finished, or its metadata was lost")
MISSING = Verdict(BackupState.MISSING, "Metadata without its data file")


@dataclass(slots=True)
class Catalog:
    """The backups of every set. Methods block: they read files."""

    stores: Mapping[str, LocalStore]
    _verdicts: dict[BackupId, tuple[object, Verdict]] = field(default_factory=dict)  # bound to what was looked at

    def backups(self, set_name: str) -> list[StoredBackup]:
        """All of a set's backups, newest first, each verified now or since its files last changed. Raises StorageError."""
        store = self.stores[set_name]
        return [self._stored(store, files) for files in store.scan()]

    def find(self, backup_id: str) -> StoredBackup:
        """One backup by its id. Raises BackupNotFound."""
        parsed = BackupId.parse(backup_id)
        for store in self.stores.values():
            if parsed is not None and parsed.prefix == store.set.prefix:
                for files in store.scan():
                    if files.id == parsed:
                        return self._stored(store, files)
        raise BackupNotFound(f"there is no backup {backup_id!r}")

    def newest_valid(self, set_name: str) -> StoredBackup | None:
        return next((backup for backup in self.backups(set_name) if backup.verdict.is_valid), None)

    def _stored(self, store: LocalStore, files: Files) -> StoredBackup:
        manifest, verdict = self._judged(store, files)
        return StoredBackup(
            id=files.id,
            set_name=store.set.name,
            manifest=manifest,
            size_bytes=files.size_bytes,
            verdict=verdict,
            is_pinned=files.has_pin,
        )

    def _judged(self, store: LocalStore, files: Files) -> tuple[Manifest | None, Verdict]:
        if not files.has_metadata:
            return None, ORPHAN
        try:
            manifest = read_manifest(store, files.id)
        except BackupNotFound:  # deleted since the directory was listed
            return None, MISSING
        except (BackupInvalid, StorageError) as error:
            return None, Verdict(BackupState.INVALID, str(error))
        if not files.has_data:
            return manifest, MISSING
        looked_at = (files.identity, manifest)
        if self._verdicts.get(files.id, (None,))[0] != looked_at:
            self._verdicts[files.id] = (looked_at, verify(store, files.id))
        return manifest, self._verdicts[files.id][1]
