"""One copy of one set: which backups it holds, and which of them were read back."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sidecar.config import Copy
from sidecar.copies import owner, resuming
from sidecar.copies.memory import Contact, Held, Memory, parsed
from sidecar.copies.remote import Item, Remote
from sidecar.errors import BackupInvalid, BackupNotFound, CopyDamaged, CopyError, CopyUnreachable, SidecarError
from sidecar.events import Listener, Progressed, nobody
from sidecar.logger import Logger
from sidecar.model import NOT_READ, BackupId, BackupState, Form, Manifest, Metadata, StoredBackup, Verdict
from sidecar.store.local import LocalStore
from sidecar.store.lock import Lock
from sidecar.store.volume import volume

METADATA_BYTES = 1 << 24
MOST_UNREAD = 3  # unreadable backups in one look; then the place itself is taken to be broken
READ_BACK = Verdict(BackupState.VALID, "Read back there, as it was written")

log = Logger(__name__)


@dataclass(frozen=True, slots=True)
class Listed:
    """The files of one backup that the copy lists. Data files are keyed by their form (plain, encrypted, …)."""

    id: BackupId
    metadata: Item | None
    data: dict[Form, Item]

    @property
    def identity(self) -> str:
        """Names, sizes and tags of the files as one text, which changes when a file does."""
        found = [self.metadata, *sorted(self.data.values(), key=lambda one: one.name)]
        return " | ".join(f"{one.name} {one.size} {one.tag}" for one in found if one)


class Elsewhere:
    """One copy of one set. Methods block and raise CopyError and its kinds."""

    def __init__(self, copy: Copy, store: LocalStore, memory: Memory, place: Callable[[], Remote]) -> None:
        self.copy = copy
        self.store = store
        self.set = store.set
        self.memory = memory
        self._make_place = place
        self._place: Remote | None = None

    @property
    def place(self) -> Remote:
        """The bucket or directory, opened at the first use."""
        if self._place is None:
            self._place = self._make_place()
        return self._place

    def path_of(self, name: str) -> str:
        """Return the name that a file of the set has in the copy: the same path as below BACKUP_DIR."""
        return str(self.set.directory / name)

    # -- looking -------------------------------------------------------------------------------------------------------

    def look(self) -> list[Held]:
        """List the copy and return its backups, newest first: NOT_READ if new, changed since the last read, or unreadable."""
        known = self.memory.held(self.copy.name, self.set.name)
        found: list[Held] = []
        unread = 0
        for files in self._listed():
            try:
                found.append(self._held(files, known.get(files.id)))
            except CopyUnreachable:
                raise
            except CopyError as error:
                unread += 1
                if unread == MOST_UNREAD:  # the fault is not that of one backup
                    raise
                log.warning("copy.unread", copy=self.copy.name, backup_id=str(files.id), error=str(error))
                found.append(self._unread(files))
        self.memory.forget(self.copy.name, known.keys() - {one.backup.id for one in found})
        self.memory.keep(self.copy.name, [one for one in found if known.get(one.backup.id) != one])
        return found

    def remembered(self) -> list[Held]:
        """Return the backups that `look` found last, newest first, without contacting the copy."""
        return list(self.memory.held(self.copy.name, self.set.name).values())

    def find(self, backup_id: BackupId) -> Held:
        """Return one backup, asking for its files by name, so that a broken listing does no harm. Raises BackupNotFound."""
        files = next((one for one in self._named(backup_id) if one.id == backup_id), None)
        if files is None:
            raise BackupNotFound(f"there is no backup {backup_id} in {self.copy.where}")
        known = self.memory.held(self.copy.name, self.set.name).get(backup_id)
        found = self._held(files, known)
        if found != known:
            self.memory.keep(self.copy.name, [found])
        return found

    def _named(self, backup_id: BackupId) -> list[Listed]:
        if self.copy.write_only:  # such credentials may list, but not look at a single file
            return self._listed()
        metadata = self.place.find(self.path_of(backup_id.metadata_name))
        looked = {form: self.place.find(self.path_of(backup_id.data_name_in(form))) for form in Form}
        data = {form: item for form, item in looked.items() if item}
        return [Listed(backup_id, metadata, data)] if metadata or data else []

    def _listed(self) -> list[Listed]:
        found: dict[BackupId, Listed] = {}
        for item in self.place.items():
            name = item.name.rpartition("/")[2]
            backup_id = BackupId.of_file(name)
            if backup_id is None or backup_id.prefix != self.set.prefix or item.name != self.path_of(name):
                continue
            files = found.setdefault(backup_id, Listed(backup_id, None, {}))
            if name == backup_id.metadata_name:
                found[backup_id] = replace(files, metadata=item)
            else:
                files.data[Form(name.removeprefix(str(backup_id)))] = item
        return [found[one] for one in sorted(found, reverse=True)]

    def _held(self, files: Listed, known: Held | None) -> Held:
        if known is not None and known.identity == files.identity:
            return known
        metadata, manifest = self._metadata(files)
        form = manifest.form if isinstance(manifest, Manifest) else next(iter(files.data), Form.PLAIN)
        verdict, at = self._first_look(files, manifest)
        backup = StoredBackup(
            id=files.id,
            set_name=self.set.name,
            metadata=Metadata.of(manifest) if isinstance(manifest, Manifest) else None,
            size_bytes=files.data[form].size if form in files.data else 0,
            verdict=verdict,
            verified_at=at,
            form=form,
        )
        return Held(backup=backup, identity=files.identity, metadata=metadata)

    def _unread(self, files: Listed) -> Held:
        """Return an entry whose identity matches no listing, so that the next look reads the backup again."""
        backup = StoredBackup(id=files.id, set_name=self.set.name, metadata=None, size_bytes=0, verdict=NOT_READ)
        return Held(backup=backup, identity="unread")

    def _first_look(self, files: Listed, manifest: Manifest | BackupInvalid | None) -> tuple[Verdict, datetime | None]:
        """Judge a backup by its metadata and file sizes only. The time is None where nothing is decided yet."""
        now = datetime.now(UTC)
        if files.metadata is None:
            return Verdict(BackupState.ORPHAN, "Metadata missing there"), None
        if isinstance(manifest, BackupInvalid):
            return Verdict(BackupState.INVALID, str(manifest)), now
        if manifest is None:
            return NOT_READ, None
        data = files.data.get(manifest.form)
        if data is None:
            return Verdict(BackupState.MISSING, "Data missing there"), now
        if data.size != manifest.file_size_bytes:
            said = f"the data has {data.size} bytes there, the metadata says {manifest.file_size_bytes}"
            return Verdict(BackupState.INVALID, said), now
        return NOT_READ, None

    def _metadata(self, files: Listed) -> tuple[bytes | None, Manifest | BackupInvalid | None]:
        """Return the metadata's bytes and the manifest, or what is wrong with it, such as too many bytes."""
        if files.metadata is None or self.copy.write_only:
            return None, None
        try:
            metadata = self.read_small(self.path_of(files.id.metadata_name))
        except BackupNotFound:
            return None, None
        except CopyDamaged as error:
            return None, BackupInvalid(str(error))
        return metadata, parsed(metadata, files.id, self.set.name)

    def read_small(self, name: str) -> bytes:
        """Return the content of a metadata or signature file. Raises BackupNotFound, CopyDamaged if it is too large."""
        content = b""
        for block in self.place.read(name):
            content += block
            if len(content) > METADATA_BYTES:
                raise CopyDamaged(f"{name} in {self.copy.where}: more than {METADATA_BYTES >> 20} MiB of metadata")
        return content

    # -- proving -------------------------------------------------------------------------------------------------------

    def prove(self, held: Held, listener: Listener = nobody) -> Held:
        """Read all bytes of a backup in the copy, remember the verdict and return it with the backup."""
        manifest, form = held.backup.manifest, held.backup.form
        if manifest is None:
            if held.backup.verdict == NOT_READ and not self.copy.write_only:
                self.read_small(self.path_of(held.backup.id.metadata_name))  # raises the reason why it cannot be read
            return held
        try:
            found = self.hashed(manifest, listener)
            metadata = self.read_small(self.path_of(held.backup.id.metadata_name))
            verdict = _judged(manifest, found, is_same=metadata == held.metadata)
        except BackupNotFound as error:
            verdict = Verdict(BackupState.MISSING, str(error))
        backup = replace(held.backup, verdict=verdict, verified_at=datetime.now(UTC))
        locked = self._locked_until(held.backup.id, form) if self.copy.object_lock_days else None
        proven = replace(held, backup=backup, locked_until=locked)
        self.memory.keep(self.copy.name, [proven])
        if not verdict.is_valid:
            log.error("copy.damaged", copy=self.copy.name, backup_id=str(backup.id), reason=verdict.message)
        return proven

    def hashed(self, manifest: Manifest, listener: Listener) -> str:
        """Return the SHA-256 of the data in the copy. It is computed here: a provider's tag or checksum proves nothing."""
        digest, size = hashlib.sha256(), 0
        for block in resuming.whole(self.place, self.path_of(manifest.filename), manifest.file_size_bytes):
            digest.update(block)
            size += len(block)
            listener(Progressed("read back", "", 0, size, 0))
        return digest.hexdigest()

    def remember_sent(self, backup: StoredBackup, metadata: bytes) -> Held:
        """Remember a backup that was just sent and, unless the copy is write-only, read back by the sender."""
        if self.copy.write_only:
            unread = replace(backup, verdict=NOT_READ, verified_at=None)
            held = Held(backup=unread, identity="sent", is_sent=True, metadata=metadata)
        else:
            held = replace(self._held(self._sent(backup), None), is_sent=True)
            if held.backup.verdict == NOT_READ and held.metadata == metadata:
                proven = replace(held.backup, verdict=READ_BACK, verified_at=datetime.now(UTC))
                locked = self._locked_until(backup.id, backup.form) if self.copy.object_lock_days else None
                held = replace(held, backup=proven, locked_until=locked)
        self.memory.keep(self.copy.name, [held])
        return held

    def _sent(self, backup: StoredBackup) -> Listed:
        """Return the files of a backup that was just sent, asked for by name: a listing may be slow or out of date."""
        names = backup.id.metadata_name, backup.filename
        metadata, data = (self.place.find(self.path_of(name)) for name in names)
        if metadata is None or data is None:
            raise CopyDamaged(f"{backup.id} was sent to {self.copy.where} and is not there")
        return Listed(backup.id, metadata, {backup.form: data})

    def _locked_until(self, backup_id: BackupId, form: Form) -> datetime | None:
        """Return until when the data and the metadata are both locked, None if one of them is not."""
        names = (backup_id.metadata_name, backup_id.data_name_in(form))
        ends = [self.place.locked_until(self.path_of(name)) for name in names]
        return min((end for end in ends if end), default=None) if all(ends) else None

    # -- writing -------------------------------------------------------------------------------------------------------

    @contextmanager
    def locked(self, purpose: str) -> Iterator[Lock]:
        """Hold the lock on this set in this copy, for all processes of this directory. Raises Busy, StorageError."""
        what = f"the copy {self.copy.name} of the set {self.set.name}"
        with Lock(self.store.root, f".copy_{self.copy.name}_{self.set.name}", what, purpose) as lock:
            yield lock

    def claim(self) -> None:
        """Become the owner of the copy if nobody owns it. Raises CopyForeign."""
        contact = self.memory.contact(self.copy.name, self.set.name)
        was_ours = contact is not None and contact.is_ours
        owner.claim(self.place, self._us(), was_ours=was_ours, can_read=not self.copy.write_only)

    def require_ours(self) -> None:
        """Raise CopyForeign unless this directory owns the copy. A write-only copy cannot be asked."""
        if not self.copy.write_only:
            owner.require_ours(self.place, self._us())

    def _us(self) -> str:
        return owner.id_of(volume(self.store.root))

    # -- remembering how it went ---------------------------------------------------------------------------------------

    @contextmanager
    def noted(self, *, writes: bool = True) -> Iterator[None]:
        """Remember whether the copy answered, or its error. `writes` without an error shows that the copy is ours."""
        try:
            yield
        except SidecarError as error:
            if isinstance(error, CopyError):
                self._note(error=str(error), code=error.code)
            raise
        now = datetime.now(UTC)
        ours = {"is_ours": True} if writes else {}
        versioned = {"is_versioned": True} if self.place.is_versioned else {}  # a listing does not show it
        self._note(answered_at=now, **versioned, **ours)

    def note_scrubbed(self) -> None:
        self._note(scrubbed_at=datetime.now(UTC))

    def _note(self, **found: object) -> None:
        before = self.memory.contact(self.copy.name, self.set.name) or Contact(at=datetime.now(UTC))
        cleared: dict[str, object] = {} if found.keys() == {"scrubbed_at"} else {"error": None, "code": None}
        changed = replace(before, at=datetime.now(UTC), **(cleared | found))  # type: ignore[arg-type] # its own fields
        self.memory.note(self.copy.name, self.set.name, changed)


def _judged(manifest: Manifest, found: str, *, is_same: bool) -> Verdict:
    if found != manifest.checksum:
        said = f"SHA-256 of the data is {found} there, the metadata says {manifest.checksum}"
        return Verdict(BackupState.INVALID, said)
    if not is_same:
        return Verdict(BackupState.INVALID, "the metadata changed there while the data was read")
    return READ_BACK
