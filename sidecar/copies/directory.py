"""A copy in a second directory: a disk, a NAS, another mount. A file becomes visible only once it is durable."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath

from sidecar.copies.remote import Item
from sidecar.errors import CopyError, CopyRefused, CopyUnreachable, StorageError
from sidecar.logger import Logger
from sidecar.model import BackupId
from sidecar.store.durable import (
    TEMPORARY,
    as_identity,
    create,
    make_private,
    move,
    publish,
    remove,
    sync_directory,
    temporary_of,
    to_disk,
)
from sidecar.store.files import opened

_BLOCK_BYTES = 1 << 20
_NEW = ".new"

log = Logger(__name__)


def is_left_over(name: str, prefix: str) -> bool:
    """Return whether a name is that of a temporary file of a backup with this prefix. Other hidden files are not ours."""
    found = BackupId.of_file(name.lstrip(".").removesuffix(TEMPORARY).removesuffix(_NEW))
    return name.endswith((TEMPORARY, _NEW)) and found is not None and found.prefix == prefix


def _item(name: str, status: os.stat_result) -> Item:
    return Item(name, status.st_size, str(as_identity(status)))


def _require_size(written: int, size: int, name: str) -> None:
    if written != size:
        raise CopyError(f"{name}: {written} bytes were written, {size} expected")


class Directory:
    """A directory that the operator has mounted. It is never created, only directories below it.

    The backups lie in its subdirectory `within`; everything outside of that belongs to others.
    """

    is_versioned = False

    def __init__(self, root: Path, where: str, within: PurePath) -> None:
        self.root = root
        self.where = where
        ours = root / within
        self._ours = {root, ours, *(one for one in ours.parents if one.is_relative_to(root))}

    def items(self) -> list[Item]:
        with self._translated("listing"):
            self._require_root()
            return list(self._files())

    def _files(self) -> Iterator[Item]:
        to_look_into = [(self.root, "")]
        while to_look_into:
            directory, above = to_look_into.pop()
            for entry in self._entries(directory):
                if entry.is_dir(follow_symlinks=False):
                    to_look_into.append((directory / entry.name, f"{above}{entry.name}/"))
                elif entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):  # deleted since
                        yield _item(above + entry.name, entry.stat(follow_symlinks=False))

    def _entries(self, directory: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(directory) as entries:
                return [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            if directory in self._ours:
                raise
            log.debug("copy.unreadable_directory", error=str(error))  # lost+found, or a directory of another user
            return []

    def find(self, name: str) -> Item | None:
        with self._translated(f"looking at {name}"):
            self._require_root()
            try:
                status = (self.root / name).lstat()
            except FileNotFoundError:
                return None
        return _item(name, status) if stat.S_ISREG(status.st_mode) else None

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        self._require_root()
        with self._translated(f"reading {name}"), opened(self.root / name) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # read the disk, not the page cache
            file.seek(offset)
            while block := file.read(_BLOCK_BYTES):
                yield block

    def put(self, name: str, size: int, blocks: Iterable[bytes]) -> None:
        path = self._path_for(name)
        temporary = temporary_of(path)
        try:
            with self._translated(f"writing {name}"):
                remove(temporary)
                with create(temporary) as file:
                    for block in blocks:
                        file.write(block)
                    _require_size(file.tell(), size, name)
                    to_disk(file)
                move(temporary, path)
        except BaseException:  # nothing half-written stays, whatever went wrong
            with suppress(StorageError):
                remove(temporary)
            raise

    def create(self, name: str, content: bytes) -> bool:
        path = self._path_for(name)
        beside = path.with_name(f".{path.name}{_NEW}")
        with self._translated(f"writing {name}"):
            publish(beside, content)
            try:
                os.link(beside, path)
            except FileExistsError:
                return False
            except OSError:  # no hard links here: to look first is enough, for the owner file allows only one writer
                if path.exists():
                    return False
                move(beside, path)
            finally:
                remove(beside)
            sync_directory(path.parent)
        return True

    def delete(self, name: str) -> None:
        with self._translated(f"deleting {name}"):
            self._require_root()
            path = self.root / name
            remove(path)
            if path.parent.is_dir():
                sync_directory(path.parent)

    def locked_until(self, name: str) -> None:
        del name

    def sweep(self, prefix: str) -> None:
        with self._translated("sweeping"):
            self._require_root()
            for path in [*self.root.glob(".*"), *self.root.glob("*/.*")]:
                if is_left_over(path.name, prefix):
                    remove(path)

    # -- the directory -------------------------------------------------------------------------------------------------

    def _path_for(self, name: str) -> Path:
        path = self.root / name
        with self._translated(f"writing {name}"):
            self._require_root()
            make_private(self.root, path.parent)
        return path

    def _require_root(self) -> None:
        if not self.root.is_dir():
            raise CopyUnreachable(f"the directory of {self.where} is not there: mount it, or make it")

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise CopyRefused(f"{action} in {self.where}: {error.strerror}") from error
        except OSError as error:
            raise CopyError(f"{action} in {self.where}: {error.strerror or error}") from error
        except StorageError as error:
            raise CopyError(f"{self.where}: {error}") from error
