"""Find data that is in no backup: collections of no set and, if a set takes everything, other databases. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sidecar.model import BackupSet
from sidecar.rules.names import SYSTEM_DATABASES, is_ours

SHOWN = 5  # how many names a sentence lists


@dataclass(frozen=True, slots=True)
class Uncovered:
    """The names of collections and databases that are in no backup."""

    collections: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The names in a sentence; empty if there are none."""
        said = [_said(self.collections, "collection"), _said(self.databases, "database")]
        return "; ".join(filter(None, said))

    def new(self, before: "Uncovered") -> "Uncovered":
        """The names that are not in `before`."""
        return Uncovered(
            tuple(name for name in self.collections if name not in before.collections),
            tuple(name for name in self.databases if name not in before.databases),
        )


def uncovered(
    sets: Collection[BackupSet],
    collections: Iterable[str],
    databases: Iterable[str] = (),
    ignore: Sequence[str] = (),
) -> Uncovered:
    """Return the collections of the database and the other databases of the server that are in no backup.

    Collections that a set with `*` excludes are left out on purpose and not returned. `ignore` holds patterns of names not to
    return, such as `tmp_*`, or `name.*` for a database.
    """
    excluded = {name for one in sets if one.takes_all for name in one.exclude}
    loose = [
        name
        for name in collections
        if not (any(one.wants(name) for one in sets) or name in excluded or is_ours(name) or _ignored(name, ignore))
    ]
    others = [name for name in databases if name not in SYSTEM_DATABASES and not _ignored(f"{name}.*", ignore)]
    takes_all = any(one.takes_all for one in sets)
    return Uncovered(tuple(sorted(loose)), tuple(sorted(others)) if takes_all else ())


def _ignored(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _said(names: Sequence[str], kind: str) -> str:
    if not names:
        return ""
    listed = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    return (
        f"{len(names)} {kind} is in no backup: {listed}"
        if len(names) == 1
        else f"{len(names)} {kind}s are in no backup: {listed}"
    )
