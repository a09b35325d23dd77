"""One owner at a time, across processes, and what the last owner was doing when it died.

`flock(2)`: the kernel frees it when its owner ends, however it ends. The file's content is for people (who holds it?) and
for the next owner: `unfinished` names the backup whose files are not whole yet, so that only those are ever swept.
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
SERVER, DRILL, RESTORING = (
    ".server",
    ".drill",
    ".restoring_",
)  # what is locked beside the sets; a dot begins no set's name
SOCKET = "server.sock"  # beside the locks: where the running server listens for commands of this host
SHARED_SECONDS = 5.0  # how long somebody who holds a whole file for himself is waited for
_POLL_SECONDS = 0.05
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS})


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lock, since when and for what; `unfinished` is a backup id, or what the lock's user likes to note."""

    pid: int
    host: str
    purpose: str
    since: str
    unfinished: str | None = None

    def __str__(self) -> str:
        return f"{self.purpose} (process {self.pid} on {self.host}, since {self.since})"


class Lock:
    """Held inside `with`. `what` is a word for what it locks. Raises Busy with its owner's identity, StorageError."""

    def __init__(self, root: Path, name: str, what: str, purpose: str) -> None:
        self._root = root
        self._path = root / DIRECTORY / f"{name}.lock"
        self._what = what
        self._owner = Owner(os.getpid(), platform.node(), purpose, datetime.now(UTC).isoformat(timespec="seconds"))
        self._descriptor = -1
        self.left_unfinished: str | None = None  # by an owner that died

    def __enter__(self) -> Self:
        volume(self._root).claim()
        try:
            make_private(self._root, self._path.parent)
            self._descriptor = open_private(self._path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise StorageError(f"cannot lock {self._what}: {self._path}: {error.strerror}") from error
        try:
            self._take()
        except BaseException:  # whatever went wrong, the next one finds it free
            os.close(self._descriptor)
            raise
        return self

    def _take(self) -> None:
        if not _lock(self._descriptor, fcntl.LOCK_EX, self._what):
            raise Busy(f"{self._what} is in use: {self._read() or 'its owner is just starting'}")
        previous = self._read()
        self.left_unfinished = previous.unfinished if previous else None
        with suppress(StorageFull):  # who holds it is only for people; a full disk must not keep anybody from deleting
            self.note_unfinished(self.left_unfinished)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)  # frees the lock

    def note_unfinished(self, backup_id: str | None) -> None:
        """Say, durably, which backup's files are about to be incomplete; None when they are whole or gone."""
        text = json.dumps(asdict(self._owner) | {"unfinished": backup_id}).encode()
        try:
            write_whole(self._descriptor, text)
            os.ftruncate(self._descriptor, len(text))
            os.fsync(self._descriptor)
        except OSError as error:
            raise StorageError.of(error, f"writing {self._path.name}") from error

    def remove(self) -> None:
        """Nobody needs this lock any more. Raises StorageError."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError.of(error, f"removing {self._path.name}") from error

    def _read(self) -> Owner | None:
        """What the file says, or None where its owner has not said anything that can be read."""
        try:
            return Owner(**json.loads(os.pread(self._descriptor, NOTE_BYTES, 0)))
        except (OSError, ValueError, TypeError, RecursionError):
            return None


def unfinished(root: Path, name: str) -> str | None:
    """What the owner of a lock, or the last one, is about to make or to remove."""
    try:
        said = json.loads(note(root / DIRECTORY / f"{name}.lock")).get("unfinished")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return said if isinstance(said, str) else None


def claim(file: IO[bytes], what: str) -> None:
    """Be the only one who has the file open for reading, for as long as it is open. Raises Busy, StorageError."""
    if not _lock(file.fileno(), fcntl.LOCK_EX, what):
        raise Busy(f"{what} is being read")


def share(file: IO[bytes], what: str) -> None:
    """Keep the file from being claimed while it is open. Raises Busy where another process has claimed it, StorageError."""
    deadline = time.monotonic() + SHARED_SECONDS
    while not _lock(file.fileno(), fcntl.LOCK_SH, what):
        if time.monotonic() > deadline:
            raise Busy(f"{what} is locked by another process, for more than {SHARED_SECONDS:g} seconds")
        time.sleep(_POLL_SECONDS)


def _lock(descriptor: int, kind: int, what: str) -> bool:
    """Whether it could be had at once."""
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
