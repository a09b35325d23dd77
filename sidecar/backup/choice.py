"""Choose the collections of a database that belong to a set, and check that they are still the same ones. Pure."""

from collections.abc import Mapping

from sidecar.errors import CollectionsChanged, NothingToBackUp
from sidecar.model import BackupSet, Collection
from sidecar.mongodb.listing import Listing
from sidecar.rules.names import is_ours


def chosen(backup_set: BackupSet, found: Listing) -> tuple[dict[str, Collection], tuple[str, ...]]:
    """Return the set's collections that can be read, and the names of the others with the reason. Raises NothingToBackUp."""
    names = _names(backup_set, found.keys() | found.unreadable.keys())
    readable = {name: found[name] for name in names if name in found}
    missing = tuple(
        f"{name} ({found.unreadable[name]})" if name in found.unreadable else name
        for name in names
        if name not in readable
    )
    if not readable:
        raise NothingToBackUp(
            f"none of the collections of the set {backup_set.name} can be read: "
            f"{', '.join(missing) or 'the database is empty'}"
        )
    return readable, missing


def require_unchanged(backup_set: BackupSet, before: Mapping[str, Collection], after: Mapping[str, Collection]) -> None:
    """Raises CollectionsChanged if a collection was created, dropped, or replaced by another one of the same name."""
    names = _names(backup_set, before.keys() | after.keys())
    changed = [name for name in names if _identity(before.get(name)) != _identity(after.get(name))]
    if changed:
        raise CollectionsChanged(f"created, dropped, renamed or re-created during the backup: {', '.join(changed)}")


def _names(backup_set: BackupSet, there: set[str]) -> list[str]:
    if not backup_set.takes_all:
        return list(backup_set.collections)
    return sorted(name for name in there if name not in backup_set.exclude and not is_ours(name))


def _identity(item: Collection | None) -> tuple[object, ...] | None:
    return (item.kind, item.uuid) if item else None
