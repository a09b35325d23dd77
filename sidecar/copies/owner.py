"""Whose a place is. One sidecar writes there; any other one reads only, until somebody says that it takes over.

The owner is the id of the backup directory: a server and the commands beside it are the same one, and a new machine is not.
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
    """The file's content."""

    model_config = ConfigDict(frozen=True)

    owner: str
    host: str
    since: AwareDatetime

    def __str__(self) -> str:
        return f"{self.owner[:_SHOWN]} on {self.host} since {self.since:%Y-%m-%d %H:%M} UTC"


def id_of(volume: Volume) -> str:
    """Of this sidecar. Raises StorageError."""
    volume.claim()
    if volume.id is None:
        raise StorageError(f"{volume.directory} has no id yet, which the disk has no room for")
    return volume.id


def read_owner(place: Remote) -> Tenant | None:
    """Who writes there; None where nobody does yet. Raises CopyForeign where the file makes no sense."""
    content = b""
    try:
        for block in place.read(OWNER):
            content += block
            if len(content) > _LARGEST_BYTES:  # whatever that is, it is not kept in memory
                break
    except BackupNotFound:
        return None
    try:
        return Tenant.model_validate_json(content)
    except ValidationError:
        raise CopyForeign(f"{place.where}: {OWNER} cannot be understood") from None


def require_ours(place: Remote, us: str) -> None:
    """That this sidecar may write there. Raises CopyForeign."""
    found = read_owner(place)
    if found is None or found.owner != us:
        raise CopyForeign(f"{place.where} belongs to {f'the sidecar {found}' if found else 'no sidecar any more'}")


def claim(place: Remote, us: str, *, was_ours: bool, can_read: bool = True) -> None:
    """Be the one who writes there, if nobody else is. Raises CopyForeign.

    Where this sidecar wrote before, or somebody's backups lie, a place without an owner is not what it was: an empty mount
    point, another bucket.
    """
    if not can_read:
        if not place.create(OWNER, _content(us)) and not was_ours:
            raise CopyForeign(
                f"{place.where} belongs to another sidecar: it has a file {OWNER}, which was not made from here"
            )
        return
    if read_owner(place) is None:
        if was_ours:
            raise CopyForeign(
                f"{place.where} has no file {OWNER} any more: it is not the place that it was, or was emptied"
            )
        if any(BackupId.of_file(item.name.rpartition("/")[2]) for item in place.items()):
            raise CopyForeign(f"{place.where} holds backups and has no file {OWNER}: their owner is not known")
        place.create(OWNER, _content(us))
    require_ours(place, us)


def adopt(place: Remote, us: str) -> Tenant | None:
    """Take over from whoever it was, who is returned."""
    before = read_owner_or_none(place)
    content = _content(us)
    place.put(OWNER, len(content), [content])
    require_ours(place, us)
    return before


def read_owner_or_none(place: Remote) -> Tenant | None:
    """The same as `read_owner`, and None where the file makes no sense."""
    try:
        return read_owner(place)
    except CopyForeign:
        return None


def _content(us: str) -> bytes:
    owner = Tenant(owner=us, host=platform.node(), since=datetime.now(UTC))
    return owner.model_dump_json().encode()
