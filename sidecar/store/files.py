"""The files of a backup, and opening one: a regular one only, without waiting for anybody, and every failure is the storage's."""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader, FileIO
from pathlib import Path
from typing import IO, Any, TypeVar

from sidecar.errors import BackupNotFound, StorageError
from sidecar.model import BackupId, Form
from sidecar.store.durable import Exact, Identity

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Files:
    """Which of a backup's files exist, and the identity of its data file as of when it was looked at.

    There is one data file; who unpacked it beside itself has two, and the metadata says which of them is the backup's.
    """

    id: BackupId
    has_metadata: bool
    has_pin: bool
    is_confirmed: bool = False
    data: Mapping[Form, Identity] = field(default_factory=dict)  # a verdict on the data is bound to it
    metadata_identity: Exact | None = None  # what it says is remembered under it
    pin_identity: Identity | None = None
    signature_identity: Identity | None = None

    @property
    def size_bytes(self) -> int:
        return sum(size for size, _, _ in self.data.values())


@dataclass(frozen=True, slots=True)
class Space:
    """The file system below the backups, in bytes."""

    free: int
    capacity: int


@contextmanager
def opened(path: Path, *, to_claim: bool = False) -> Iterator["BufferedReader[Any]"]:
    """For reading; `to_claim` also for an exclusive lock. Raises BackupNotFound, StorageError; so do its reads."""
    try:
        descriptor = _regular(path, to_claim=to_claim)
    except FileNotFoundError:
        raise BackupNotFound(f"there is no file {path.name} in {path.parent}") from None
    except _NoFile:
        raise BackupNotFound(f"{path.name} in {path.parent} is not a file") from None
    except OSError as error:
        raise StorageError.of(error, f"opening {path.name}") from error
    with BufferedReader(_Raw(descriptor, path.name)) as file:
        yield file


def identity_of(file: IO[bytes]) -> Identity:
    """What a file is as long as nobody changes or replaces it. Raises StorageError."""
    try:
        found = os.fstat(file.fileno())
    except OSError as error:
        raise StorageError.of(error, "looking at an open file") from error
    return found.st_size, found.st_mtime_ns, found.st_ino


class _NoFile(Exception):
    """A directory, a pipe, a link or the like."""


def _regular(path: Path, *, to_claim: bool) -> int:
    """A descriptor for reading. Raises OSError, and _NoFile where it is no regular file."""
    try:
        descriptor = _descriptor(path, to_claim=to_claim)
    except OSError as error:
        if error.errno == errno.ELOOP:  # what O_NOFOLLOW says of a symbolic link
            raise _NoFile from None
        raise
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    if not is_file:
        os.close(descriptor)
        raise _NoFile
    return descriptor


def _descriptor(path: Path, *, to_claim: bool) -> int:
    """One to be claimed is open for writing where that is possible, as NFS wants it for that."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # non-blocking, because a named pipe would else be waited for
    if to_claim:
        with suppress(OSError):
            return os.open(path, os.O_RDWR | flags)
    return os.open(path, os.O_RDONLY | flags)


class _Raw(FileIO):
    """A file of which a read that fails is an error of the storage, wherever it is read."""

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__(descriptor)
        self._name = name

    def readinto(self, buffer: Any) -> int:
        given: int = self._given(super().readinto, buffer)
        return given

    def readall(self) -> bytes:
        return self._given(super().readall)

    def close(self) -> None:
        with suppress(OSError):  # what was read is read
            super().close()

    def _given(self, read: Callable[..., T | None], *arguments: Any) -> T:
        try:
            given = read(*arguments)
        except OSError as error:
            raise StorageError.of(error, f"reading {self._name}") from error
        if given is None:  # EAGAIN, of a file system that takes O_NONBLOCK at its word
            raise StorageError.of(BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), f"reading {self._name}")
        return given
