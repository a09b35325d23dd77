"""Write files that are there whole or not at all, even after a power failure, with fsync(2) and rename(2)."""

import errno
import os
import stat
from collections.abc import Callable
from io import BufferedRandom
from pathlib import Path
from typing import IO

from sidecar.errors import SidecarError, StorageError
from sidecar.logger import Logger

Identity = tuple[int, int, int]  # of a file's content: size, mtime in ns, inode
Exact = tuple[int, int, int, int, int]  # device, inode, size, mtime and ctime in ns; nobody can set the ctime

TEMPORARY = ".tmp"
NOTE_BYTES = 16 << 20  # the most that is read of our own small files; what is larger is none of them
_FILE_MODE, _DIRECTORY_MODE = 0o600, 0o700
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})  # what SMB and FUSE answer to fsync of a directory
_said: set[int] = set()  # devices for which the log has said that directories cannot be synced

log = Logger(__name__)


def make_private(root: Path, directory: Path) -> None:
    """Make `directory` and its missing parents below `root`, with mode 0700. Raises OSError."""
    _make_parents(root)
    for part in reversed([directory, *directory.parents]):
        if part.is_relative_to(root) and not part.is_dir():
            part.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
            part.chmod(_DIRECTORY_MODE)  # the umask may have taken bits away


def _make_parents(root: Path) -> None:
    """Make the missing directories above `root` with the mode of the umask, but always open to us."""
    for part in reversed(root.parents):
        if not part.is_dir():
            part.mkdir(exist_ok=True)
            part.chmod(stat.S_IMODE(part.stat().st_mode) | _DIRECTORY_MODE)


def open_private(path: Path, flags: int) -> int:
    """Open a file and return its descriptor. A new file gets mode 0600, whatever the umask. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE_MODE)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) & _FILE_MODE != _FILE_MODE:
            os.fchmod(descriptor, _FILE_MODE)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def write_whole(descriptor: int, content: bytes, at: int = 0) -> None:
    """Write all of `content` from offset `at` on, with as many pwrite(2) calls as it takes. Raises OSError."""
    done = 0
    while done < len(content):
        done += os.pwrite(descriptor, content[done:], at + done)


def as_identity(status: os.stat_result) -> Identity:
    return status.st_size, status.st_mtime_ns, status.st_ino


def as_exact(status: os.stat_result) -> Exact:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def temporary_of(path: Path) -> Path:
    """Return the hidden name beside `path` under which the file is written."""
    return path.with_name(f".{path.name}{TEMPORARY}")


def create(path: Path) -> BufferedRandom:
    """Create a file with mode 0600 for reading and writing. Raises StorageError, also if the name is taken."""
    try:
        descriptor = open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except OSError as error:
        raise StorageError.of(error, f"creating {path.name}") from error
    return os.fdopen(descriptor, "w+b")


def to_disk(file: IO[bytes]) -> None:
    """Flush everything that was written to the disk. Raises OSError."""
    file.flush()
    os.fsync(file.fileno())


def move(source: Path, target: Path) -> None:
    """Rename a file durably. Raises OSError."""
    source.rename(target)
    sync_directory(target.parent)


def sync_directory(directory: Path) -> None:
    """Make creations, renames and deletions in a directory durable, if the file system can. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
        _say_once(os.fstat(descriptor).st_dev, directory, error)
    finally:
        os.close(descriptor)


def _say_once(device: int, directory: Path, error: OSError) -> None:
    if device not in _said:
        _said.add(device)
        log.warning("storage.directories_not_synced", directory=str(directory), error=error.strerror)


def publish(path: Path, content: bytes, last_look: Callable[[], None] = lambda: None) -> None:
    """Write a small file so that it is there whole or not at all, then read it back. Raises StorageError.

    Only one process may write a file at a time: a temporary file that is found was left by a killed one and is deleted.
    `last_look` is called right before the rename; if it raises, nothing is written.
    """
    temporary = temporary_of(path)
    remove(temporary)
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


def note(path: Path) -> bytes:
    """Return the content of one of our small files; of a huge file only the beginning. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # opening a pipe would wait for ever
    try:
        return os.pread(descriptor, NOTE_BYTES, 0)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Delete a regular file. Does nothing if there is none, or something else of this name. Raises StorageError."""
    try:
        if stat.S_ISREG(path.lstat().st_mode):
            path.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StorageError.of(error, f"removing {path.name}") from error
