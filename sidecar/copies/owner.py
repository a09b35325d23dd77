"""The owner of a place: only one sidecar writes there. Others may read, until an operator lets one take over (`adopt`).

The owner is the id of the backup directory, so the server and the commands of one directory are the same owner, and a new
machine is another one.
"""

import platform
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from sidecar.copies.remote import OWNER, Remote
from sidecar.errors import BackupNotFound, CopyForeign, StorageError
from sidecar.model import BackupId
from sidecar.store.volume import Volume

_SHOWN = 8
_LARGEST_BYTES = 1 << 16


class Tenant(BaseModel):
    """What the owner file says: the id of the backup directory, the host that wrote the file, and when."""

    model_config = ConfigDict(frozen=True)

    owner: str
    host: str
    since: AwareDatetime

    def __str__(self) -> str:
        return f"{self.owner[:_SHOWN]} on {self.host} since {self.since:%Y-%m-%d %H:%M} UTC"


def id_of(volume: Volume) -> str:
    """Return the id of a backup directory, and give it one if it has none. Raises StorageError."""
    volume.claim()
    if volume.id is None:
        raise StorageError(f"{volume.directory} has no id yet: the disk has no room to write one")
    return volume.id


def read_owner(place: Remote) -> Tenant | None:
    """Return the owner, None if there is none yet. Raises CopyForeign if the owner file is not valid."""
    content = b""
    try:
        for block in place.read(OWNER):
            content += block
            if len(content) > _LARGEST_BYTES:  # this is no owner file: do not load all of it
                break
    except BackupNotFound:
        return None
    try:
        return Tenant.model_validate_json(content)
    except ValidationError:
        raise CopyForeign(
            f"{place.where}: {OWNER} is not valid: expected a JSON object with owner, host and since"
        ) from None


def require_ours(place: Remote, us: str) -> None:
    """Raise CopyForeign unless `us` is the owner."""
    found = read_owner(place)
    if found is None or found.owner != us:
        raise CopyForeign(f"{place.where} belongs to {f'the sidecar {found}' if found else 'no sidecar any more'}")


def claim(place: Remote, us: str, *, was_ours: bool, can_read: bool = True) -> None:
    """Become the owner of a place that has none. Raises CopyForeign if it has another one.

    Also raises it if the owner file is missing where we wrote before or where backups lie: this is then another place,
    such as an empty mount point or another bucket.
    """
    if not can_read:
        if not place.create(OWNER, _content(us)) and not was_ours:
            raise CopyForeign(f"{place.where} belongs to another sidecar: its file {OWNER} was not written from here")
        return
    if read_owner(place) is None:
        if was_ours:
            raise CopyForeign(
                f"{place.where} has no file {OWNER} any more: it is not the place that it was, or it was emptied"
            )
        if any(BackupId.of_file(item.name.rpartition("/")[2]) for item in place.items()):
            raise CopyForeign(f"{place.where} holds backups and has no file {OWNER}: their owner is not known")
        place.create(OWNER, _content(us))
    require_ours(place, us)


def adopt(place: Remote, us: str) -> Tenant | None:
    """Become the owner in any case. Return the owner before, None if there was none or its file is not valid."""
    before = read_owner_or_none(place)
    content = _content(us)
    place.put(OWNER, len(content), [content])
    require_ours(place, us)
    return before


def read_owner_or_none(place: Remote) -> Tenant | None:
    """Return the owner, None if there is none or the owner file is not valid."""
    try:
        return read_owner(place)
    except CopyForeign:
        return None


def _content(us: str) -> bytes:
    owner = Tenant(owner=us, host=platform.node(), since=datetime.now(UTC))
    return owner.model_dump_json().encode()
