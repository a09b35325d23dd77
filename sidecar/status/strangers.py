"""Backups in the directory that belong to no configured set: nobody verifies, counts or deletes them."""

import os
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from sidecar.logger import Logger
from sidecar.model import METADATA, BackupId, BackupSet

log = Logger(__name__)


def found(root: Path, sets: Iterable[BackupSet]) -> tuple[str, ...]:
    """Their ids, oldest first, from the directory itself, those below it, and those of the configured sets."""
    known = {(root / one.directory, one.prefix) for one in sets}
    directories = {root, *(directory for directory, _ in known), *_below(root)}
    ids = {backup_id for directory in directories for backup_id in _ids(directory, known)}
    return tuple(map(str, sorted(ids)))


def _below(root: Path) -> Iterator[Path]:
    for name, is_directory in _entries(root):
        if is_directory and not name.startswith("."):
            yield root / name


def _ids(directory: Path, known: Container[tuple[Path, str]]) -> Iterator[BackupId]:
    """Nearly all belong to a set, which their prefix tells without parsing them."""
    for name, _ in _entries(directory):
        if not name.endswith(METADATA):
            continue
        stem = name.removesuffix(METADATA)
        if (directory, stem.rsplit("_", 2)[0]) not in known and (backup_id := BackupId.parse(stem)) is not None:
            yield backup_id


def _entries(directory: Path) -> list[tuple[str, bool]]:
    """The names in it, and whether each is a directory."""
    try:
        with os.scandir(directory) as entries:
            return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError as error:  # the set whose directory it is says so itself
        log.debug("strangers.unreadable", error=str(error))
        return []
