"""Recognise a backup directory, so that one that was unmounted, removed or replaced is neither written to nor recreated.

Each directory that holds backups has a random id in a file. BACKUP_DIR also keeps the ids of the directories below it, which
may be mounts of their own. A process that has read an id expects it from then on.
"""

import os
import secrets
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sidecar.errors import StorageError, StorageFull
from sidecar.logger import Logger
from sidecar.store.durable import as_identity, make_private, note, open_private, remove, sync_directory, write_whole

DIRECTORY: Final = ".volume"
NAME: Final = "id"
_ID_DIGITS: Final = 32
_TOKEN_DIGITS: Final = 8
_WAIT_SECONDS: Final = 2.0  # for another process that is just writing the file
_POLL_SECONDS: Final = 0.01

log = Logger(__name__)


@cache
def volume(root: Path, directory: Path | None = None) -> "Volume":
    """Return the volume of BACKUP_DIR (`root`), or of a directory below it; one object for each in this process."""
    is_below = directory is not None and directory != root
    return Volume(directory or root, volume(root) if is_below else None)


class Volume:
    """A directory that holds backups. Methods block and raise StorageError."""

    def __init__(self, directory: Path, above: "Volume | None" = None) -> None:
        self.directory = directory
        self.id: str | None = None  # None until the id was read or written
        self._marker = directory / DIRECTORY / NAME
        self._above = above
        self._noted = above._note_on(directory) if above else None  # noqa: SLF001 - of the same kind
        self._seen: object = None  # identity of the directory and its id file when the id was last read

    def _note_on(self, below: Path) -> Path:
        return self.directory / DIRECTORY / f"{NAME}.{quote(str(below.relative_to(self.directory)), safe='')}"

    def require(self) -> None:
        """Raise StorageError unless the directory has the id that is expected. Any is right if none was seen before."""
        if self._above is not None:
            self._above.require()
        seen = self._look()
        if self.id is not None and seen is not None and seen == self._seen:
            return
        found = _read(self._marker, _ID_DIGITS)
        expected = _read(self._noted, _ID_DIGITS) if self._noted and self.id is None else self.id
        if expected is not None and found != expected:
            raise self._other(found, expected)
        if found is not None:
            self.id, self._seen = found, seen

    def claim(self) -> None:
        """Do what `require` does, and create a directory that was never seen, with an id. Called before writing."""
        self.require()
        if self.id is not None:
            return
        if self._above is not None:
            self._above.claim()
        try:
            make_private(self._above.directory if self._above else self.directory, self._marker.parent)
        except OSError as error:
            raise StorageError.of(error, f"making {self.directory}") from error
        with suppress(StorageFull):  # backups can be read without an id, and deleting them makes room
            self.id = _settled(self._marker, _ID_DIGITS)
            if self._noted is not None:
                _settled(self._noted, _ID_DIGITS, self.id)
            self.require()

    def _look(self) -> object:
        try:
            directory, marker = self.directory.stat(), self._marker.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError.of(error, f"looking at {self.directory}") from error
        return directory.st_dev, directory.st_ino, as_identity(marker)

    def _other(self, found: str | None, expected: str) -> StorageError:
        try:
            is_there = self.directory.is_dir()
        except OSError as error:
            return StorageError.of(error, f"looking at {self.directory}")
        if not is_there:
            return StorageError(f"{self.directory} is not there any more: mount it again")
        marker = f"{DIRECTORY}/{NAME}"
        what = f"it has no file {marker}" if found is None else f"its file {marker} says {found}"
        return StorageError(
            f"{self.directory} is not the directory that it was: {what}. Mount the right volume; if this is the right one, "
            f"write {expected} into that file"
        )


def token(path: Path) -> str:
    """Return the eight hexadecimal digits in a file, which is written first if it holds none. Raises StorageError."""
    return _settled(path, _TOKEN_DIGITS)


def _settled(path: Path, digits: int, wanted: str | None = None) -> str:
    """Return the content of a file that is written only once: of two processes that write it, the first one wins."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while (found := _read(path, digits)) is None:
        try:
            return _written(path, wanted or secrets.token_hex(digits // 2))
        except FileExistsError:
            if time.monotonic() > deadline:  # its writer was killed, or somebody overwrote it
                log.warning("storage.marker_replaced", file=path.name)
                remove(path)
            time.sleep(_POLL_SECONDS)
        except OSError as error:
            raise StorageError.of(error, f"writing {path.name}") from error
    return found


def _written(path: Path, content: str) -> str:
    descriptor = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        write_whole(descriptor, f"{content}\n".encode())
        os.fsync(descriptor)
    except OSError:
        os.unlink(path)  # noqa: PTH108 - nobody may take a half-written file for an id
        raise
    finally:
        os.close(descriptor)
    sync_directory(path.parent)
    return content


def _read(path: Path, digits: int) -> str | None:
    """Return the id in a file, None if it does not hold exactly so many hexadecimal digits. Raises StorageError."""
    try:
        content = note(path)[: digits + 2].strip().decode("ascii", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError.of(error, f"reading {path.name}") from error
    return content if len(content) == digits and set(content) <= set("0123456789abcdef") else None
