"""What the shell offers on Tab: sets and copies from the configuration, and ids of backups from the directory."""

import os

from sidecar import config, errors
from sidecar.store.local import LocalStore


def sets(incomplete: str) -> list[str]:
    """Return the names of sets that begin with what was typed."""
    try:
        names = [*config.load(os.environ).sets, "both", "all"]
    except errors.SidecarError:  # no errors while somebody types
        return []
    return [name for name in names if name.startswith(incomplete)]


def copies(incomplete: str) -> list[str]:
    """Return the names of copies that begin with what was typed."""
    try:
        names = config.load(os.environ).copies
    except errors.SidecarError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def ids(incomplete: str) -> list[str]:
    """Return the backup ids that begin with what was typed, newest first."""
    try:
        settings = config.load(os.environ)
        found = [files.id for one in settings.sets.values() for files in LocalStore(settings.backup_dir, one).scan()]
    except errors.SidecarError:
        return []
    newest = sorted(found, key=lambda one: one.taken_at, reverse=True)
    return [str(one) for one in newest if str(one).startswith(incomplete)]
