"""All copies of one backup directory, by name."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import unquote, urlsplit

from sidecar.config import Copy
from sidecar.copies import fetching, owner
from sidecar.copies.directory import Directory
from sidecar.copies.elsewhere import Elsewhere
from sidecar.copies.memory import Contact, Held, Memory
from sidecar.copies.mirror import Mirror
from sidecar.copies.remote import Remote
from sidecar.copies.sending import Sender
from sidecar.errors import BackupInvalid, BackupNotFound, CopyForeign, CopyNotFound
from sidecar.events import Listener
from sidecar.model import BackupId, StoredBackup
from sidecar.rules.policy import Policy
from sidecar.runtime.pace import Pace, paced
from sidecar.store.catalog import Catalog
from sidecar.store.volume import volume

PIN_DAYS: Final = 7  # a fetched backup is pinned for so long: the retention rules here might delete it at once


@dataclass(frozen=True, slots=True)
class CopyView:
    """What is remembered about one copy of one set; the copy itself is not contacted."""

    copy: Copy
    set_name: str
    contact: Contact | None
    held_by_id: Mapping[BackupId, Held]  # newest first
    restorable: tuple[StoredBackup, ...]  # newest first
    lag: int

    @property
    def held(self) -> tuple[Held, ...]:
        return tuple(self.held_by_id.values())


@dataclass(frozen=True, slots=True)
class _Reckoned:
    """A cached view and what it was computed from; the minute counts because some rules depend on age."""

    view: CopyView
    backups: tuple[StoredBackup, ...]
    version: object
    minute: datetime

    def is_of(self, backups: tuple[StoredBackup, ...], version: object, minute: datetime) -> bool:
        return self.backups is backups and version is not None and (self.version, self.minute) == (version, minute)


class Copies:
    """The configured copies. Methods block.

    Errors are CopyNotFound, CopyError and its kinds, BackupNotFound, Busy, StorageError.
    """

    def __init__(
        self, copies: Mapping[str, Copy], catalog: Catalog, policies: Mapping[str, Policy], minimum_bytes: int
    ) -> None:
        """`policies` holds the retention rules of each set; rules that a copy configures itself override them."""
        self.configured = copies
        self._stores = catalog.stores
        self._policies = policies
        self._catalog = catalog
        self._minimum_bytes = minimum_bytes
        self._elsewhere: dict[tuple[str, str], Elsewhere] = {}
        self._reckoned: dict[tuple[str, str], _Reckoned] = {}

    def copy(self, name: str) -> Copy:
        """Return the settings of a copy. Raises CopyNotFound."""
        if name not in self.configured:
            known = ", ".join(self.configured) or "none is configured"
            raise CopyNotFound(f"there is no copy {name!r}: expected {known}")
        return self.configured[name]

    def of(self, name: str, set_name: str) -> Elsewhere:
        """Return the part of a copy that holds one set. Raises CopyNotFound, also if the set is not copied there."""
        copy = self.copy(name)
        if set_name not in copy.sets:
            raise CopyNotFound(f"the copy {name} holds {', '.join(copy.sets)}, not the set {set_name}")
        if (name, set_name) not in self._elsewhere:
            store = self._stores[set_name]
            self._elsewhere[name, set_name] = Elsewhere(
                copy, store, Memory(store.root), lambda: _place_of(copy, store.set.directory)
            )
        return self._elsewhere[name, set_name]

    def mirror(self, name: str, set_name: str) -> Mirror:
        """Return the mirror that brings one set of a copy up to date. Raises CopyNotFound."""
        there, policy = self.of(name, set_name), replace(self._policies[set_name], **dict(self.copy(name).kept))  # type: ignore[arg-type] # its own fields
        return Mirror(there, self._catalog, policy, self._minimum_bytes)

    def set_of(self, name: str, backup_id: str) -> tuple[Elsewhere, BackupId]:
        """Return the part of the copy that would hold this backup, and the parsed id; the backup need not exist.

        Raises BackupNotFound if the id belongs to no set of this copy.
        """
        parsed = BackupId.parse(backup_id)
        for set_name in self.copy(name).sets:
            if parsed is not None and self._stores[set_name].set.prefix == parsed.prefix:
                return self.of(name, set_name), parsed
        raise BackupNotFound(f"there is no backup {backup_id!r} in the copy {name}")

    def standing(self, name: str, set_name: str) -> CopyView:
        """Return what is remembered about a copy, without contacting it. Computed again after a change and each minute."""
        there, backups = self.of(name, set_name), self._catalog.backups(set_name)
        version, minute = there.memory.version(), datetime.now(UTC).replace(second=0, microsecond=0)
        last = self._reckoned.get((name, set_name))
        if last is None or not last.is_of(backups, version, minute):
            last = self._reckoned[name, set_name] = _Reckoned(self._view(there, set_name), backups, version, minute)
        return last.view

    def _view(self, there: Elsewhere, set_name: str) -> CopyView:
        name, mirror = there.copy.name, self.mirror(there.copy.name, set_name)
        return CopyView(
            copy=there.copy,
            set_name=set_name,
            contact=there.memory.contact(name, set_name),
            held_by_id=there.memory.held(name, set_name),
            restorable=tuple(mirror.restorable()),
            lag=mirror.lag(),
        )

    # -- single backups ------------------------------------------------------------------------------------------------

    def push(self, name: str, backup: StoredBackup, listener: Listener) -> Held:
        """Send one backup and read it back, even if the copy's retention rules would not keep it.

        Raises BackupInvalid if the backup is not valid.
        """
        there = self.of(name, backup.set_name)
        if not backup.verdict.is_valid:
            raise BackupInvalid(f"{backup.id} is not sent: {backup.verdict.message}")
        with there.locked(f"push of {backup.id}") as lock, there.noted():
            there.claim()
            return Sender(there, lock).send(backup, paced(listener, Pace(there.copy.max_mb_s)))

    def pull(self, name: str, backup_id: str, listener: Listener) -> bool:
        """Fetch a backup into this directory and pin it for a week. Return False if a valid one was here already."""
        there, parsed = self.set_of(name, backup_id)
        with there.noted(writes=False):
            held = there.find(parsed)
            with there.store.locked(f"pull of {parsed}") as lock:
                listener = paced(listener, Pace(there.copy.max_mb_s))
                is_new = fetching.bring_home(there, lock, held, listener, self._minimum_bytes)
                if is_new:
                    there.store.pin(lock, parsed, datetime.now(UTC) + timedelta(days=PIN_DAYS))
        return is_new

    @contextmanager
    def borrowed(self, name: str, backup_id: str, listener: Listener) -> Iterator[Path]:
        """Fetch a backup into a temporary directory, and yield the path of its data file; the metadata lies beside it.

        The directory is deleted at the end of the `with` block.
        """
        there, parsed = self.set_of(name, backup_id)
        held = there.find(parsed)
        listener = paced(listener, Pace(there.copy.max_mb_s))
        with fetching.borrowed(there, held, listener, self._minimum_bytes) as path:
            yield path

    # -- the whole -----------------------------------------------------------------------------------------------------

    def adopt(self, name: str) -> owner.Tenant | None:
        """Make this directory the owner of the copy. Return the owner before, None if there was none."""
        copy = self.copy(name)
        before = None
        for number, set_name in enumerate(copy.sets):
            there = self.of(name, set_name)
            us = owner.id_of(volume(there.store.root))
            if number == 0:
                before = owner.adopt(there.place, us)
            with there.noted():
                owner.require_ours(there.place, us)
        return before

    def owner_of(self, name: str) -> tuple[owner.Tenant | None, bool]:
        """Return the owner of the copy and whether it is this directory; None if there is no valid owner file."""
        there = self.of(name, self.copy(name).sets[0])
        try:
            found = owner.read_owner(there.place)
        except CopyForeign:
            return None, False
        return found, found is not None and found.owner == volume(there.store.root).id


def _place_of(copy: Copy, within: PurePath) -> Remote:
    if copy.url.startswith("file://"):
        return Directory(Path(unquote(urlsplit(copy.url).path)), copy.where, within)
    from sidecar.copies.objects import Objects  # noqa: PLC0415 - its library is large, and only buckets need it

    return Objects(copy)
