"""Backups in the directory that belong to no configured set: nobody verifies, counts or deletes them."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sidecar.logger import Logger
from sidecar.model import METADATA, BackupId, BackupSet

log = Logger(__name__)


def found(root: Path, sets: Iterable[BackupSet]) -> tuple[str, ...]:
    """Their ids, oldest first, from the directory itself, those below it, and those of the configured sets."""
    known = {(root / one.directory, one.prefix) for one in sets}
    directories = {root, *(directory for directory, _ in known), *_below(root)}
    ids = {
        backup_id
        for directory in directories
        for backup_id in _ids(directory)
        if (directory, backup_id.prefix) not in known
    }
    return tuple(map(str, sorted(ids)))


def _below(root: Path) -> Iterator[Path]:
    for name, is_directory in _entries(root):
        if is_directory and not name.startswith("."):
            yield root / name


def _ids(directory: Path) -> Iterator[BackupId]:
    for name, _ in _entries(directory):
        backup_id = BackupId.parse(name.removesuffix(METADATA)) if name.endswith(METADATA) else None
        if backup_id is not None:
            yield backup_id


def _entries(directory: Path) -> list[tuple[str, bool]]:
    """The names in it, and whether each is a directory."""
    try:
        with os.scandir(directory) as entries:
            return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError as error:  # the set whose directory it is says so itself
        log.debug("strangers.unreadable", error=str(error))
        return []
