"""The files of a backup, and how to open one: only regular files, without waiting; every failure is a StorageError."""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader, FileIO
from pathlib import Path
from typing import IO, Any, Self, TypeVar

from sidecar.errors import BackupNotFound, StorageError
from sidecar.model import BackupId, Form
from sidecar.model.backup_id import CONFIRMATION, METADATA, PIN, SIGNATURE
from sidecar.store.durable import Exact, Identity, as_exact, as_identity

T = TypeVar("T")
_FORMS = tuple(Form)  # a tuple is faster to go through than the enumeration, and each look does it for each backup


@dataclass(frozen=True, slots=True)
class Files:
    """Which files of a backup exist, and their identities at the time of the look.

    There is one data file, unless somebody unpacked it in place; then the metadata says which one is the backup's.
    """

    id: BackupId
    has_metadata: bool
    has_pin: bool
    is_confirmed: bool = False
    data: Mapping[Form, Identity] = field(default_factory=dict)  # a verdict counts as long as this stays the same
    metadata_identity: Exact | None = None  # the parsed metadata is cached under it
    pin_identity: Identity | None = None
    signature_identity: Identity | None = None

    @classmethod
    def of(cls, backup_id: BackupId, ends: Mapping[str, os.stat_result]) -> Self:
        """From what those of its files that exist are, by what their names end with."""
        return cls(
            backup_id,
            has_metadata=METADATA in ends,
            has_pin=PIN in ends,
            is_confirmed=CONFIRMATION in ends,
            data={form: as_identity(ends[form]) for form in _FORMS if form in ends},
            metadata_identity=as_exact(ends[METADATA]) if METADATA in ends else None,
            pin_identity=as_identity(ends[PIN]) if PIN in ends else None,
            signature_identity=as_identity(ends[SIGNATURE]) if SIGNATURE in ends else None,
        )

    @property
    def size_bytes(self) -> int:
        """The size of the data files together."""
        return sum(size for size, _, _ in self.data.values())


@dataclass(frozen=True, slots=True)
class Space:
    """Size of the file system that holds the backups, in bytes."""

    free: int
    capacity: int


@contextmanager
def opened(path: Path, *, to_claim: bool = False) -> Iterator["BufferedReader[Any]"]:
    """Open a regular file for reading; with `to_claim` also for an exclusive lock.

    Raises BackupNotFound if there is no such file, StorageError. Reads raise StorageError.
    """
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
    """Return the identity of an open file, which changes when the file does. Raises StorageError."""
    try:
        found = os.fstat(file.fileno())
    except OSError as error:
        raise StorageError.of(error, "looking at an open file") from error
    return as_identity(found)


class _NoFile(Exception):
    """The path leads to a directory, a pipe, a link or the like."""


def _regular(path: Path, *, to_claim: bool) -> int:
    """Open a regular file and return its descriptor. Raises OSError, _NoFile if it is no regular file."""
    try:
        descriptor = _descriptor(path, to_claim=to_claim)
    except OSError as error:
        if error.errno == errno.ELOOP:  # O_NOFOLLOW met a symbolic link
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
    """Open the file; for an exclusive lock also for writing if the mode allows it, because NFS needs that."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # opening a pipe would wait for ever
    if to_claim:
        with suppress(OSError):
            return os.open(path, os.O_RDWR | flags)
    return os.open(path, os.O_RDONLY | flags)


class _Raw(FileIO):
    """A file whose reads raise StorageError when they fail."""

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__(descriptor)
        self._name = name

    def readinto(self, buffer: Any) -> int:
        given: int = self._given(super().readinto, buffer)
        return given

    def readall(self) -> bytes:
        return self._given(super().readall)

    def close(self) -> None:
        with suppress(OSError):  # everything that is needed was read
            super().close()

    def _given(self, read: Callable[..., T | None], *arguments: Any) -> T:
        try:
            given = read(*arguments)
        except OSError as error:
            raise StorageError.of(error, f"reading {self._name}") from error
        if given is None:  # EAGAIN: this file system obeys O_NONBLOCK for files too
            raise StorageError.of(BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), f"reading {self._name}")
        return given
