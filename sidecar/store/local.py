"""The backups of one set in a local directory. Files that are not ours are never touched.

A file is written durably before it is visible: temporary name → fsync → rename → fsync of the directory → read back and
compare. A backup exists while its metadata exists, so the metadata is written last and deleted first.
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from io import BufferedReader
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sidecar.archive.keys import NO_KEYS, Keyring
from sidecar.archive.signing import SIGNATURE_BYTES, UNSIGNED, Signing
from sidecar.archive.stages import Storing
from sidecar.errors import BackupInvalid, BackupNotFound, Busy, StorageError, StorageFull
from sidecar.model import BackupId, BackupSet, Confirmation, Form, Pin
from sidecar.model.backup_id import MADE_OF, METADATA, SIGNATURE
from sidecar.store.draft import Draft
from sidecar.store.durable import TEMPORARY, publish, remove, sync_directory, temporary_of
from sidecar.store.files import Files, Space, opened
from sidecar.store.ledger import Event
from sidecar.store.lock import Lock, claim, share
from sidecar.store.seal import Seal
from sidecar.store.volume import volume

BURST = timedelta(minutes=1)  # how far names may run ahead when backups are made faster than one a second
_PIN_BYTES = 4096
_METADATA_BYTES = 1 << 24  # a metadata file larger than this is not one: some 50,000 collections

State = tuple[int, int, int]  # device, inode and mtime in ns of a directory


class LocalStore:
    """The directory of one backup set. All methods block; errors are StorageError and its kinds."""

    def __init__(
        self, root: Path, backup_set: BackupSet, keyring: Keyring = NO_KEYS, signing: Signing = UNSIGNED
    ) -> None:
        """`keyring` decrypts encrypted backups, `signing` signs metadata and checks signatures."""
        self.root = root
        self.set = backup_set
        self.keyring = keyring
        self.directory = root / backup_set.directory
        self.volume = volume(root, self.directory)
        self.seal = Seal(root, self.directory, backup_set.name, signing)

    # -- looking -------------------------------------------------------------------------------------------------------

    def scan(self) -> list[Files]:
        """Return the files of each backup, newest first. Symbolic links, directories and foreign names are left out."""
        self.volume.require()
        by_stem: dict[str, dict[str, os.stat_result]] = {}
        for name, status in self._regular_files().items():
            stem, dot, end = name.partition(".")
            by_stem.setdefault(stem, {})[dot + end] = status
        ids = {stem: BackupId.parse(stem) for stem, ends in by_stem.items() if not MADE_OF.isdisjoint(ends)}
        ours = {stem: found for stem, found in ids.items() if found is not None and found.prefix == self.set.prefix}
        newest_first = sorted(ours, reverse=True)  # of one prefix and with four digits for every year, as the dates are
        return [Files.of(ours[stem], by_stem[stem]) for stem in newest_first]

    def state(self) -> State | None:
        """A token that changes whenever a file is added or removed, None without a directory. Raises StorageError."""
        self.volume.require()
        try:
            found = self.directory.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError.of(error, f"looking at {self.directory}") from error
        return found.st_dev, found.st_ino, found.st_mtime_ns

    def look_again(self, known: Files) -> Files:
        """Return the same files with their identities of now; pin and confirmation stay as known. Raises StorageError."""
        ends = [METADATA, SIGNATURE, *known.data]
        now = Files.of(known.id, {end: status for end in ends if (status := self._status(f"{known.id}{end}"))})
        return replace(now, has_pin=known.has_pin, is_confirmed=known.is_confirmed, pin_identity=known.pin_identity)

    def is_gone(self, backup_id: BackupId) -> bool:
        """Return whether a backup of this set has no metadata any more. Raises StorageError."""
        return backup_id.prefix == self.set.prefix and self._lstat(backup_id.metadata_name) is None

    def _status(self, name: str) -> os.stat_result | None:
        status = self._lstat(name)
        return status if status and stat.S_ISREG(status.st_mode) else None

    def _lstat(self, name: str) -> os.stat_result | None:
        try:
            return (self.directory / name).lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError.of(error, f"looking at {name}") from error

    def _regular_files(self, wanted: Callable[[str], bool] = lambda _: True) -> Mapping[str, os.stat_result]:
        try:
            with os.scandir(self.directory) as entries:
                files = (one for one in entries if wanted(one.name) and one.is_file(follow_symlinks=False))
                return {one.name: one.stat(follow_symlinks=False) for one in files}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageError.of(error, f"listing {self.directory}") from error

    def _id_of(self, name: str) -> BackupId | None:
        found = BackupId.of_file(name)
        return found if found is not None and found.prefix == self.set.prefix else None

    def free_bytes(self) -> int:
        """Return how many bytes a user without privileges may still write. Raises StorageError."""
        return self.space().free

    def space(self) -> Space:
        """Return free space and capacity, of the nearest parent if the directory does not exist. Raises StorageError."""
        self.volume.require()
        directory = self.directory
        try:
            while not directory.exists() and directory != directory.parent:
                directory = directory.parent
            usage = shutil.disk_usage(directory)
            return Space(usage.free, usage.total)
        except OSError as error:
            raise StorageError.of(error, f"asking for the free space of {directory}") from error

    def is_writable(self) -> bool:
        """Return whether mode, owner and mount let us write; nothing is written to find out."""
        try:
            directory = self.directory if self.directory.exists() else self.root
        except OSError:
            return False
        return os.access(directory, os.W_OK | os.X_OK)

    def draft_bytes(self) -> int:
        """Return the size of the temporary files of a running backup, in bytes. Raises StorageError."""
        return sum(status.st_size for status in self._regular_files(_is_unfinished).values())

    def read_metadata(self, backup_id: BackupId) -> bytes:
        """Return the bytes of the metadata file. Raises BackupNotFound, BackupInvalid if it is too large, StorageError."""
        with self._open(backup_id.metadata_name) as file:
            content = file.read(_METADATA_BYTES + 1)
        if len(content) > _METADATA_BYTES:
            raise BackupInvalid(f"metadata: more than {_METADATA_BYTES >> 20} MiB")
        return content

    def read_signature(self, backup_id: BackupId) -> bytes | None:
        """Return the signature of the metadata, None if there is none. Raises StorageError."""
        try:
            with self._open(backup_id.signature_name) as file:
                return file.read(SIGNATURE_BYTES + 1)
        except BackupNotFound:
            return None

    @contextmanager
    def open_data(self, backup_id: BackupId, form: Form = Form.PLAIN) -> Iterator[BufferedReader]:
        """Open the data file, which cannot be deleted while it is open. Raises BackupNotFound, Busy, StorageError."""
        with self._open(backup_id.data_name_in(form)) as file:
            share(file, str(backup_id))
            yield file

    def _open(self, name: str, *, to_claim: bool = False) -> AbstractContextManager["BufferedReader[Any]"]:
        return opened(self.directory / name, to_claim=to_claim)

    def is_being_read(self, backup_id: BackupId) -> bool:
        """Return whether a process has the data of a backup open."""
        try:
            with self._claimed(backup_id):
                return False
        except Busy:
            return True
        except StorageError:  # a file that cannot be opened is not being read
            return False

    @contextmanager
    def _claimed(self, backup_id: BackupId) -> Iterator[None]:
        """Lock the data files of a backup exclusively. Raises Busy if somebody reads one, StorageError."""
        with ExitStack() as stack:
            for form in Form:
                with suppress(BackupNotFound):
                    name = backup_id.data_name_in(form)
                    claim(stack.enter_context(self._open(name, to_claim=True)), str(backup_id))
            yield

    # -- writing, under the set's lock ---------------------------------------------------------------------------------

    @contextmanager
    def locked(self, purpose: str) -> Iterator[Lock]:
        """Hold the lock for writing to the set, and first delete what a killed owner left. Raises Busy, StorageError."""
        self.volume.claim()
        with Lock(self.root, self.set.name, f"the set {self.set.name}", purpose) as lock:
            self._sweep(lock)
            yield lock

    def _sweep(self, lock: Lock) -> None:
        names = self._regular_files()
        for name in names:
            if _is_unfinished(name) and self._id_of(name[1 : -len(TEMPORARY)]):
                self._remove(name)
        left = BackupId.parse(lock.left_unfinished or "")
        if left is not None and left.prefix == self.set.prefix:
            is_there = left.metadata_name in names
            for name in () if is_there else left.file_names:
                self._remove(name)
                remove(temporary_of(self.directory / name))
            self.seal.settle(left, is_there=is_there)
        if lock.left_unfinished:
            lock.note_unfinished(None)
        if self.seal.ledger.is_missing and not any(one.signature_identity for one in self.scan()):
            self.seal.ledger.accept([one.id for one in self.scan() if one.has_metadata], "there before the ledger")

    @contextmanager
    def begin(self, lock: Lock, moment: datetime) -> Iterator[Draft]:
        """Yield a draft for a new backup, named by the first second from `moment` on that no file has."""
        self.volume.claim()
        backup_id = BackupId.at(self.set.prefix, moment)
        newest = max((files.id for files in self.scan()), default=backup_id)
        if timedelta() <= newest.taken_at - backup_id.taken_at < BURST:
            backup_id = newest  # never a second before it, freed by a deletion: the new backup would not be the newest
        while any(self._lstat(name) for name in backup_id.file_names):
            backup_id = backup_id.next_second()
        lock.note_unfinished(str(backup_id))
        with Draft(self.directory, lock, backup_id, self.storing, self.seal) as draft:
            yield draft

    @property
    def storing(self) -> Storing:
        """How new backups of the set are stored."""
        return Storing(self.set.compression_level if self.set.is_compressed else None, self.set.recipients)

    def delete(self, lock: Lock, backup_id: BackupId, event: Event = Event.DELETED, reason: str = "") -> None:
        """Delete a backup, metadata first. The caller has checked that it may be deleted.

        Raises Busy while somebody reads it, LedgerBroken if the ledger cannot record the deletion, StorageError.
        """
        with self._claimed(backup_id):
            with suppress(StorageFull):  # deleting makes room; without the note a kill leaves an orphan
                lock.note_unfinished(str(backup_id))
            is_entered = self.seal.note_removal(event, backup_id, reason)
            for name in backup_id.file_names:
                self._remove(name)
            sync_directory(self.directory)
            if not is_entered:
                self.seal.note(event, backup_id, reason)
            lock.note_unfinished(None)

    def _remove(self, name: str) -> None:
        remove(self.directory / name)

    def pin(self, lock: Lock, backup_id: BackupId, until: datetime | None = None) -> None:
        """Protect a backup from the retention rules, for ever or until a time. Raises StorageError."""
        del lock
        self.seal.note(Event.PINNED, backup_id, f"until {until.isoformat()}" if until else "")
        publish(self.directory / backup_id.pin_name, Pin(until=until).model_dump_json(exclude_none=True).encode())

    def unpin(self, lock: Lock, backup_id: BackupId) -> None:
        """Delete the pin of a backup. Raises StorageError."""
        del lock
        self.seal.note(Event.UNPINNED, backup_id)
        self._remove(backup_id.pin_name)
        sync_directory(self.directory)

    def confirm(self, lock: Lock, backup_id: BackupId, confirmation: Confirmation) -> None:
        """Record that the losses of a suspect backup were intended. Raises StorageError."""
        del lock
        self.seal.note(Event.CONFIRMED, backup_id, f"by {confirmation.by}")
        publish(self.directory / backup_id.confirmation_name, confirmation.model_dump_json().encode())

    def read_pin(self, backup_id: BackupId) -> Pin | None:
        """Return the pin of a backup, None if there is none. A pin that cannot be read counts as one without an end."""
        try:
            with self._open(backup_id.pin_name) as file:
                return Pin.model_validate_json(file.read(_PIN_BYTES))
        except BackupNotFound:
            return None
        except (StorageError, OSError, ValidationError):
            return Pin()


def _is_unfinished(name: str) -> bool:
    return name.startswith(".") and name.endswith(TEMPORARY)
