"""Locks that one process holds at a time, with a note of what a killed owner was doing.

They use flock(2), so the kernel frees a lock when its owner ends, even by a kill. The file says who holds the lock, and
`unfinished` names the backup whose files are not whole yet: only the files of that backup may the next owner sweep.
"""

import errno
import fcntl
import json
import os
import platform
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from sidecar.errors import Busy, StorageError, StorageFull
from sidecar.store.durable import NOTE_BYTES, make_private, note, open_private, write_whole
from sidecar.store.volume import volume

DIRECTORY = ".locks"
# locks that are not those of sets; no set's name begins with a dot
SERVER, DRILL, RESTORING = ".server", ".drill", ".restoring_"
SOCKET = "server.sock"  # in the same directory: where the running server listens for commands of this host
SHARED_SECONDS = 5.0  # how long to wait for a process that holds the file exclusively
_POLL_SECONDS = 0.05
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS})


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lock, since when and for what. `unfinished` is a backup id or another note of the lock's user."""

    pid: int
    host: str
    purpose: str
    since: str
    unfinished: str | None = None

    def __str__(self) -> str:
        return f"{self.purpose} (process {self.pid} on {self.host}, since {self.since})"


class Lock:
    """A lock that is held inside a `with` block. `what` names the locked thing in messages.

    Entering raises Busy, which names the owner, and StorageError.
    """

    def __init__(self, root: Path, name: str, what: str, purpose: str) -> None:
        self._root = root
        self._path = root / DIRECTORY / f"{name}.lock"
        self._what = what
        self._owner = Owner(os.getpid(), platform.node(), purpose, datetime.now(UTC).isoformat(timespec="seconds"))
        self._descriptor = -1
        self.left_unfinished: str | None = None  # the note of an owner that was killed

    def __enter__(self) -> Self:
        volume(self._root).claim()
        try:
            make_private(self._root, self._path.parent)
            self._descriptor = open_private(self._path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise StorageError(f"cannot lock {self._what}: {self._path}: {error.strerror}") from error
        try:
            self._take()
        except BaseException:  # whatever went wrong, the lock is freed
            os.close(self._descriptor)
            raise
        return self

    def _take(self) -> None:
        if not _lock(self._descriptor, fcntl.LOCK_EX, self._what):
            raise Busy(f"{self._what} is in use: {self._read() or 'its owner is just starting'}")
        previous = self._read()
        self.left_unfinished = previous.unfinished if previous else None
        with suppress(StorageFull):  # the owner's name is only for people, and deleting must work on a full disk
            self.note_unfinished(self.left_unfinished)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)  # frees the lock

    def note_unfinished(self, backup_id: str | None) -> None:
        """Note durably which backup is about to be incomplete; None once its files are whole or gone."""
        text = json.dumps(asdict(self._owner) | {"unfinished": backup_id}).encode()
        try:
            write_whole(self._descriptor, text)
            os.ftruncate(self._descriptor, len(text))
            os.fsync(self._descriptor)
        except OSError as error:
            raise StorageError.of(error, f"writing {self._path.name}") from error

    def remove(self) -> None:
        """Delete the lock file, because nobody needs this lock any more. Raises StorageError."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError.of(error, f"removing {self._path.name}") from error

    def _read(self) -> Owner | None:
        """Return what the lock file says, None if it holds nothing valid."""
        try:
            return Owner(**json.loads(os.pread(self._descriptor, NOTE_BYTES, 0)))
        except (OSError, ValueError, TypeError, RecursionError):
            return None


def unfinished(root: Path, name: str) -> str | None:
    """Return the note `unfinished` of a lock's owner or last owner, None if there is none."""
    try:
        said = json.loads(note(root / DIRECTORY / f"{name}.lock")).get("unfinished")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return said if isinstance(said, str) else None


def claim(file: IO[bytes], what: str) -> None:
    """Lock an open file exclusively until it is closed. Raises Busy if another process reads it, StorageError."""
    if not _lock(file.fileno(), fcntl.LOCK_EX, what):
        raise Busy(f"{what} is being read")


def share(file: IO[bytes], what: str) -> None:
    """Lock an open file for shared reading until it is closed, so that nobody can `claim` it.

    Raises Busy if another process has claimed it, StorageError.
    """
    deadline = time.monotonic() + SHARED_SECONDS
    while not _lock(file.fileno(), fcntl.LOCK_SH, what):
        if time.monotonic() > deadline:
            raise Busy(f"{what} is locked by another process, for more than {SHARED_SECONDS:g} seconds")
        time.sleep(_POLL_SECONDS)


def _lock(descriptor: int, kind: int, what: str) -> bool:
    """Try to lock without waiting. Return whether it worked. Raises StorageError."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise StorageError(
                f"cannot lock {what}: the file system of BACKUP_DIR has no locks ({error.strerror}): mount it with them "
                "(NFS: version 4, or 3 without nolock), or choose another one"
            ) from error
        raise StorageError.of(error, f"locking {what}") from error
    return True
