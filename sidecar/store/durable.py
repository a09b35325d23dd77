"""Files that are there whole or not at all, also after the power fails: what fsync(2) and rename(2) are for."""

import os
import stat
from collections.abc import Callable
from io import BufferedRandom
from pathlib import Path
from typing import IO

from sidecar.errors import SidecarError, StorageError

TEMPORARY = ".tmp"


def temporary_of(path: Path) -> Path:
    """The hidden name beside `path` under which it is written."""
    return path.with_name(f".{path.name}{TEMPORARY}")


def create(path: Path) -> BufferedRandom:
    """A new file for reading and writing that nobody else can read. Raises StorageError, also where something is there."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StorageError.of(error, f"creating {path.name}") from error
    return os.fdopen(descriptor, "w+b")


def to_disk(file: IO[bytes]) -> None:
    """Everything that was written, onto the disk. Raises OSError."""
    file.flush()
    os.fsync(file.fileno())


def move(source: Path, target: Path) -> None:
    """Rename, and make that durable. Raises OSError."""
    source.rename(target)
    sync_directory(target.parent)


def sync_directory(directory: Path) -> None:
    """Make what was created, renamed or removed in a directory durable. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(path: Path, content: bytes, last_look: Callable[[], None] = lambda: None) -> None:
    """Write a small file so that it is there whole or not at all, then read it back. Raises StorageError.

    `last_look` is called right before the file appears, and forbids it by raising.
    """
    temporary = temporary_of(path)
    try:
        with create(temporary) as file:
            file.write(content)
            to_disk(file)
        last_look()
        move(temporary, path)
        stored = path.read_bytes()
    except OSError as error:
        remove(temporary)
        raise StorageError.of(error, f"writing {path.name}") from error
    except SidecarError:
        remove(temporary)
        raise
    if stored != content:
        raise StorageError(f"{path.name} reads back differently from what was written")


def remove(path: Path) -> None:
    """Remove a regular file; anything else under that name stays, and nothing there is fine. Raises StorageError."""
    try:
        if stat.S_ISREG(path.lstat().st_mode):
            path.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StorageError.of(error, f"removing {path.name}") from error
