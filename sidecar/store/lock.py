"""One owner at a time for a backup set, across processes, and what the last owner was doing when it died.

`flock(2)`: the kernel frees it when its owner ends, however it ends. The file's content is for people (who holds it?) and
for the next owner: `unfinished` names the backup whose files are not whole yet, so that only those are ever swept.
"""

import fcntl
import json
import os
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sidecar.errors import Busy, StorageError, StorageFull

DIRECTORY = ".locks"


def make_private(root: Path, directory: Path) -> None:
    """Make `directory` and what is missing between it and `root`, for nobody else to look into. Raises OSError."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in reversed([directory, *directory.parents]):
        if part.is_relative_to(root):
            part.mkdir(mode=0o700, exist_ok=True)


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


class SetLock:
    """The lock of one backup set, held inside `with`. Raises Busy with its owner's identity, StorageError."""

    def __init__(self, root: Path, set_name: str, purpose: str) -> None:
        self._path = root / DIRECTORY / f"{set_name}.lock"
        self._set_name = set_name
        self._owner = Owner(os.getpid(), platform.node(), purpose, datetime.now(UTC).isoformat(timespec="seconds"))
        self._descriptor = -1
        self.left_unfinished: str | None = None  # by an owner that died

    def __enter__(self) -> Self:
        try:
            make_private(self._path.parent.parent, self._path.parent)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StorageError(f"cannot lock the set {self._set_name}: {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = self._read()
            os.close(self._descriptor)
            raise Busy(f"the set {self._set_name} is in use: {owner or 'its owner is just starting'}") from None
        previous = self._read()
        self.left_unfinished = previous.unfinished if previous else None
        with suppress(StorageFull):  # who holds it is only for people; a full disk must not keep anybody from deleting
            self.note_unfinished(self.left_unfinished)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)  # frees the lock

    def note_unfinished(self, backup_id: str | None) -> None:
        """Say, durably, which backup's files are about to be incomplete; None when they are whole or gone."""
        text = json.dumps(asdict(self._owner) | {"unfinished": backup_id}).encode()
        try:
            os.pwrite(self._descriptor, text, 0)
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
            return Owner(**json.loads(os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)))
        except (OSError, ValueError, TypeError):
            return None
