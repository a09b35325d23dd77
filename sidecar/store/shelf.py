"""The backups of one set as they were last seen. A look costs what has changed since the last one.

Each asks whether files have come or gone and whether the newest are still the same; all are looked at again if asked.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from threading import Lock
from typing import Final

from sidecar.errors import BackupInvalid, BackupNotFound, Busy, StorageError
from sidecar.events import Listener, nobody
from sidecar.model import NOT_READ, BackupId, BackupState, Brief, Form, Manifest, Metadata, Pin, StoredBackup, Verdict
from sidecar.store.durable import Exact, Identity
from sidecar.store.files import Files
from sidecar.store.findings import Finding, Findings, new_finding
from sidecar.store.local import LocalStore, State
from sidecar.store.verify import read_manifest, verify

ORPHAN: Final = Verdict(BackupState.ORPHAN, "Data without metadata: never finished, or its metadata was lost")
MISSING: Final = Verdict(BackupState.MISSING, "Metadata without its data file")
LOOKED_AT_AGAIN: Final = 50  # of the newest, at each look
PASSING_SECONDS: Final = 60.0  # after which what could not be read is tried again
_NEVER: Final = object()
COARSE_NS: Final = 2_000_000_000  # two changes of a directory or a file within so long may leave the same time behind


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found of one backup, and from what."""

    files: Files
    backup: StoredBackup
    pin: Pin | None = None
    try_again_at: float | None = None  # monotonic; where it could not be read just now

    @property
    def is_passing(self) -> bool:
        return self.try_again_at is not None or (self.pin is not None and self.pin.until is not None)


class Shelf:
    """The backups of one set. No file is read twice at once. A caller waits for a look at all files only if it needs one."""

    def __init__(self, store: LocalStore, remembered: Findings | None, *, reads: bool) -> None:
        self.store = store
        self._reads = reads
        self.findings: dict[BackupId, Finding] = {}
        self._remembered = remembered
        self._on_disk: Mapping[BackupId, Finding] = {}
        self._recalled: object = _NEVER  # the version of what was last recalled
        self._unsaved: set[BackupId] = set()
        self._left_over: list[BackupId] = []  # remembered, and deleted by another process
        self._said: dict[BackupId, Metadata] = {}  # by metadata whose file is the same, for the look under way
        self._read: dict[BackupId, tuple[Exact, Manifest]] = {}  # from the file, and to be remembered
        self._scanning = Lock()  # one look at all files at a time; who takes both locks takes this one first
        self._mutex = Lock()
        self._files: dict[BackupId, Files] = {}  # newest first
        self._state: State | None = None
        self._is_whole = False
        self._known: dict[BackupId, _Known] = {}
        self._backups: tuple[StoredBackup, ...] | None = None
        self._passing: list[_Known] = []  # what is true for a time only

    # -- asking --------------------------------------------------------------------------------------------------------

    def backups(self, listener: Listener, *, again: bool) -> tuple[StoredBackup, ...]:
        self._look(again=again)
        with self._mutex:
            if self._backups is None or any(map(self._is_outdated, self._passing)):
                self._backups = self._all_judged(tuple(self._files.values()), listener)
                self._passing = [one for one in self._known.values() if one.is_passing]
            return self._backups

    def files(self) -> tuple[Files, ...]:
        self._look(again=False)
        return tuple(self._files.values())

    def newest(self, most: int) -> tuple[StoredBackup, ...]:
        """Return the newest `most` backups, and look at their files only."""
        self._look(again=False)
        with self._mutex:
            return self._all_judged(tuple(islice(self._files.values(), most)), nobody)

    def find(self, backup_id: BackupId) -> StoredBackup:
        self._look(again=False)
        with self._mutex:
            if backup_id not in self._files:
                raise BackupNotFound(f"there is no backup {str(backup_id)!r}")
            self._see(self.store.look_again(self._files[backup_id]))
            (found,) = self._all_judged([self._files[backup_id]], nobody)
            return found

    def identity(self, backup_id: BackupId, form: Form) -> Identity | None:
        """Return the identity of a backup's data file, as it is now."""
        with self._mutex:
            files = self._files.get(backup_id)
        return self.store.look_again(files).data.get(form) if files else None

    def note(self, finding: Finding) -> None:
        with self._mutex:
            before = self.findings.get(finding.backup_id)
            if before and before.is_deep and before.verdict == finding.verdict and not finding.is_deep:
                return  # a deep look that found the same tells more
            self._find(finding)
            self._known.pop(finding.backup_id, None)
            self._backups = None
            self._save()

    # -- looking at the files ------------------------------------------------------------------------------------------

    def _look(self, *, again: bool) -> None:
        """Raises StorageError."""
        if not again and self._is_current(self.store.state()):
            with self._mutex:
                for files in tuple(islice(self._files.values(), LOOKED_AT_AGAIN)):
                    self._see(self.store.look_again(files))
            return
        with self._scanning:
            before = self.store.state()
            if again or not self._is_current(before):  # else another has just looked
                self._scan(before)

    def _is_current(self, state: State | None) -> bool:
        return self._is_whole and state == self._state

    def _scan(self, before: State | None) -> None:
        is_settled = before is None or time.time_ns() - before[2] > COARSE_NS
        files = {found.id: found for found in self.store.scan()}
        with self._mutex:
            if files != self._files:
                self._backups = None
            self._files = files
            self._state, self._is_whole = before, is_settled
            for gone in self._known.keys() - files.keys():
                del self._known[gone]
            self._recall()
            self._forget()

    def _see(self, now: Files) -> None:
        if self._files[now.id] != now:
            self._files[now.id] = now
            self._backups = None

    # -- judging -------------------------------------------------------------------------------------------------------

    @staticmethod
    def _is_outdated(one: _Known) -> bool:
        if one.try_again_at is not None and one.try_again_at < time.monotonic():
            return True
        return one.pin is not None and one.pin.holds_at(datetime.now(UTC)) != one.backup.is_pinned

    def _all_judged(self, chosen: Sequence[Files], listener: Listener) -> tuple[StoredBackup, ...]:
        self._said = self._remembered_metadata(chosen)
        found = tuple(self._judged(files, listener) for files in chosen)
        self._said = {}
        self._save()
        return found

    def _judged(self, files: Files, listener: Listener) -> StoredBackup:
        known = self._known.get(files.id)
        if known is None or known.files != files or self._is_outdated(known):
            known = self._known[files.id] = self._found(files, listener)
        return known.backup

    def _found(self, files: Files, listener: Listener) -> _Known:
        metadata, verdict, try_again_at = None, ORPHAN, None
        if files.has_metadata:
            try:
                metadata = self._metadata(files)
                verdict = self._verdict(files, metadata.brief, listener)
            except BackupNotFound:  # deleted since the directory was listed
                verdict = MISSING
            except BackupInvalid as error:
                verdict = Verdict(BackupState.INVALID, str(error))
            except (StorageError, Busy) as error:  # it may pass: nothing to remember
                verdict, try_again_at = Verdict(BackupState.INVALID, str(error)), time.monotonic() + PASSING_SECONDS
        pin = self.store.read_pin(files.id) if files.has_pin else None
        is_pinned = pin is not None and pin.holds_at(datetime.now(UTC))
        finding = self.findings.get(files.id)
        backup = StoredBackup(
            id=files.id,
            set_name=self.store.set.name,
            metadata=metadata,
            size_bytes=_size(files, metadata),
            verdict=verdict,
            verified_at=finding.found_at if finding and finding.verdict == verdict else None,
            is_pinned=is_pinned,
            pinned_until=pin.until if pin and is_pinned else None,
            is_confirmed=files.is_confirmed,
            form=metadata.brief.form if metadata else next(iter(files.data), Form.PLAIN),
        )
        return _Known(files, backup, pin, try_again_at)

    def _metadata(self, files: Files) -> Metadata:
        known = self._known.get(files.id)
        if known and known.backup.metadata and _metadata_files(known.files) == _metadata_files(files):
            return known.backup.metadata
        if files.id in self._said:
            return self._said[files.id]
        manifest = read_manifest(self.store, files.id)
        is_signed = self.store.seal.signing.is_on
        if files.metadata_identity is not None and _is_settled(files.metadata_identity) and not is_signed:
            self._read[files.id] = files.metadata_identity, manifest
        return Metadata.of(manifest)

    def _verdict(self, files: Files, said: Brief, listener: Listener) -> Verdict:
        identity = files.data.get(said.form)
        if identity is None:
            return MISSING
        finding = self.findings.get(files.id)
        if finding is None or not finding.is_about(files, said.form, said.checksum):
            if not self._reads:
                return NOT_READ
            verdict = verify(self.store, files.id, listener)
            finding = new_finding(files.id, identity, said.checksum, verdict)
            self._find(finding)
        return finding.verdict

    # -- remembering ---------------------------------------------------------------------------------------------------

    def _find(self, finding: Finding) -> None:
        self.findings[finding.backup_id] = finding
        self._unsaved.add(finding.backup_id)

    def _remembered_metadata(self, chosen: Iterable[Files]) -> dict[BackupId, Metadata]:
        """Take from memory what is known of each valid backup, once. Signatures are checked on the files themselves."""
        if self._remembered is None or self.store.seal.signing.is_on:
            return {}
        wanted = {
            files.id: files.metadata_identity
            for files in chosen
            if files.metadata_identity is not None and files.id not in self._known and self._is_valid(files.id)
        }
        return self._remembered.metadata(wanted)

    def _is_valid(self, backup_id: BackupId) -> bool:
        finding = self.findings.get(backup_id)
        return finding is not None and finding.verdict.is_valid

    def _recall(self) -> None:
        """Take over what other processes found since. What this process has just found itself comes first."""
        if self._remembered is None or (version := self._remembered.version()) == self._recalled:
            return
        self._recalled = version
        there, others = self._remembered.known(self.store.set.prefix, self._files)
        for backup_id, finding in there.items():
            if finding != self._on_disk.get(backup_id) and backup_id not in self._unsaved:
                self.findings[backup_id] = finding
                self._known.pop(backup_id, None)
                self._backups = None
        self._on_disk = there
        self._left_over = [one for one in others if self.store.is_gone(one)]

    def _forget(self) -> None:
        gone = [one for one in self.findings if one not in self._files]
        for backup_id in gone:
            del self.findings[backup_id]
        if self._remembered is not None:
            self._remembered.save((), gone + self._left_over)
        self._left_over = []

    def _save(self) -> None:
        found = {one: self.findings[one] for one in self._unsaved if one in self.findings}
        if self._remembered is not None:
            read = {one: said for one, said in self._read.items() if self._is_valid(one)}
            self._remembered.save(found.values(), read=read)
        self._on_disk = {**self._on_disk, **found}
        self._unsaved.clear()
        self._read.clear()


def _is_settled(identity: Exact) -> bool:
    """Whether a later change of the file would show in its times."""
    _, _, _, modified, changed = identity
    return time.time_ns() - max(modified, changed) > COARSE_NS


def _metadata_files(files: Files) -> tuple[Exact | None, Identity | None]:
    return files.metadata_identity, files.signature_identity


def _size(files: Files, metadata: Metadata | None) -> int:
    """The size of the data file; of all data files together if nothing says which of them is the backup's."""
    if metadata is None:
        return files.size_bytes
    identity = files.data.get(metadata.brief.form)
    return identity[0] if identity else 0
