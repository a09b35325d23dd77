"""What backups there are and whether each can be trusted; always rebuilt from the files, never a truth of its own."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

from sidecar.errors import BackupInvalid, BackupNotFound, StorageError
from sidecar.events import Listener, nobody
from sidecar.model import BackupId, BackupState, Manifest, StoredBackup, Verdict
from sidecar.rules import counting
from sidecar.store.local import Files, Identity, LocalStore
from sidecar.store.verify import read_manifest, verify

ORPHAN = Verdict(BackupState.ORPHAN, "Data without metadata: never finished, or its metadata was lost")
MISSING = Verdict(BackupState.MISSING, "Metadata without its data file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A verdict on a data file, bound to the very file and checksum that it was found for."""

    backup_id: BackupId
    identity: Identity
    checksum: str
    verdict: Verdict
    found_at: datetime
    is_deep: bool = False

    def is_about(self, files: Files, manifest: Manifest) -> bool:
        return (self.identity, self.checksum) == (files.identity, manifest.checksum)


@dataclass(slots=True)
class Catalog:
    """The backups of every set. Methods block: they read files."""

    stores: Mapping[str, LocalStore]
    findings: dict[BackupId, Finding] = field(default_factory=dict)
    _manifests: dict[BackupId, tuple[Identity | None, Manifest]] = field(default_factory=dict)
    _locks: defaultdict[str, Lock] = field(
        default_factory=lambda: defaultdict(Lock)
    )  # no file is hashed by two at once

    def backups(self, set_name: str, listener: Listener = nobody) -> list[StoredBackup]:
        """All of a set's backups, newest first, each verified now or since its files last changed. Raises StorageError."""
        store = self.stores[set_name]
        with self._locks[set_name]:
            found = store.scan()
            self._forget_all_but(found, store.set.prefix)
            return [self._stored(store, files, listener) for files in found]

    def find(self, backup_id: str) -> StoredBackup:
        """One backup by its id. Raises BackupNotFound."""
        store, files = self._located(backup_id)
        with self._locks[store.set.name]:
            return self._stored(store, files, nobody)

    def in_order_of_choice(self, set_name: str, now: datetime) -> list[StoredBackup]:
        """The backups of a set that can be restored, as one would want them back: newest first, suspect ones last."""
        return counting.in_order_of_choice(self.backups(set_name), now)

    def note(self, backup_id: BackupId, verdict: Verdict, *, is_deep: bool) -> None:
        """Believe what a verification has found from now on, whatever was believed before."""
        _, files = self._located(str(backup_id))
        known = self._manifests.get(backup_id)
        before = self.findings.get(backup_id)
        if before and before.is_deep and before.verdict == verdict and not is_deep:
            return  # a deep look that found the same tells more
        if files.identity is not None and known is not None:
            self.findings[backup_id] = _finding(files.identity, backup_id, known[1], verdict, is_deep=is_deep)

    def _located(self, backup_id: str) -> tuple[LocalStore, Files]:
        parsed = BackupId.parse(backup_id)
        for store in self.stores.values():
            if parsed is not None and parsed.prefix == store.set.prefix:
                for files in store.scan():
                    if files.id == parsed:
                        return store, files
        raise BackupNotFound(f"there is no backup {backup_id!r}")

    def _forget_all_but(self, found: Iterable[Files], prefix: str) -> None:
        ids = {files.id for files in found}
        for known in (self.findings, self._manifests):
            for backup_id in [one for one in known if one.prefix == prefix and one not in ids]:
                known.pop(backup_id, None)

    def _stored(self, store: LocalStore, files: Files, listener: Listener) -> StoredBackup:
        manifest, verdict = self._judged(store, files, listener)
        pin = store.read_pin(files.id) if files.has_pin else None
        is_pinned = pin is not None and pin.holds_at(datetime.now(UTC))
        return StoredBackup(
            id=files.id,
            set_name=store.set.name,
            manifest=manifest,
            size_bytes=files.size_bytes,
            verdict=verdict,
            is_pinned=is_pinned,
            pinned_until=pin.until if pin and is_pinned else None,
            is_confirmed=files.is_confirmed,
        )

    def _judged(self, store: LocalStore, files: Files, listener: Listener) -> tuple[Manifest | None, Verdict]:
        if not files.has_metadata:
            return None, ORPHAN
        try:
            manifest = self._manifest(store, files)
        except BackupNotFound:  # deleted since the directory was listed
            return None, MISSING
        except (BackupInvalid, StorageError) as error:
            return None, Verdict(BackupState.INVALID, str(error))
        if files.identity is None:
            return manifest, MISSING
        finding = self.findings.get(files.id)
        if finding is None or not finding.is_about(files, manifest):
            verdict = verify(store, files.id, listener)
            finding = self.findings[files.id] = _finding(files.identity, files.id, manifest, verdict)
        return manifest, finding.verdict

    def _manifest(self, store: LocalStore, files: Files) -> Manifest:
        known = self._manifests.get(files.id)
        if known is None or known[0] != files.metadata_identity:
            known = self._manifests[files.id] = (files.metadata_identity, read_manifest(store, files.id))
        return known[1]


def _finding(
    identity: Identity, backup_id: BackupId, manifest: Manifest, verdict: Verdict, *, is_deep: bool = False
) -> Finding:
    return Finding(
        backup_id=backup_id,
        identity=identity,
        checksum=manifest.checksum,
        verdict=verdict,
        found_at=datetime.now(UTC),
        is_deep=is_deep,
    )
