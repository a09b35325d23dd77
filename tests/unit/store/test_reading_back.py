"""What is written is read back from the disk while more is written, and nothing of that weakens what a commit proves."""

import errno
import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from sidecar.archive.stages import text_of
from sidecar.errors import StorageError
from sidecar.model import BackupSet, Form
from sidecar.store import reading_back
from sidecar.store.draft import Draft
from sidecar.store.local import LocalStore
from support.forms import KEYRING, every_form, set_options
from support.patience import PATIENCE_SECONDS
from support.stores import NOW, names

STEP: Final = 1 << 18
TEXT: Final = random.Random(20261129).randbytes(2 * STEP).hex().encode()  # four steps, two where it is compressed


@dataclass
class Disk:
    """What was asked of the disk, in its order; the calls are the real ones."""

    calls: list[tuple[str, int, int]] = field(default_factory=list)
    was_read: threading.Event = field(default_factory=threading.Event)
    sync_error: OSError | None = None
    damage: Callable[[], None] = lambda: None  # is done once something was synced, before it is read

    def until_read(self) -> None:
        assert self.was_read.wait(PATIENCE_SECONDS), self.calls


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    fdatasync, fsync, fadvise, pread = os.fdatasync, os.fsync, os.posix_fadvise, os.pread

    def synced_early(descriptor: int) -> None:
        if disk.sync_error is not None:
            disk.was_read.set()
            raise disk.sync_error
        size = os.fstat(descriptor).st_size
        fdatasync(descriptor)
        disk.damage()
        disk.calls.append(("synced", 0, size))

    def synced(descriptor: int) -> None:
        fsync(descriptor)
        if is_data(descriptor):
            disk.calls.append(("synced", 0, os.fstat(descriptor).st_size))

    def dropped(descriptor: int, at: int, size: int, advice: int) -> None:
        fadvise(descriptor, at, size, advice)
        disk.calls.append(("dropped", at, at + size))

    def read(descriptor: int, size: int, at: int) -> bytes:
        content = pread(descriptor, size, at)
        if is_data(descriptor):
            disk.calls.append(("read", at, at + len(content)))
            disk.was_read.set()
        return content

    monkeypatch.setattr(reading_back, "STEP_BYTES", STEP)
    for name, call in (("fdatasync", synced_early), ("fsync", synced), ("posix_fadvise", dropped), ("pread", read)):
        monkeypatch.setattr(os, name, call)
    return disk


def is_data(descriptor: int) -> bool:
    return Path(f"/proc/self/fd/{descriptor}").readlink().name.startswith((".seed_backup", "seed_backup"))


@contextmanager
def begun(directory: Path, form: Form = Form.PLAIN) -> Iterator[tuple[LocalStore, Draft]]:
    store = LocalStore(
        directory, BackupSet(name="main", collections=("users",), prefix="seed_backup", **set_options(form))
    )
    with store.locked("test") as lock, store.begin(lock, NOW) as draft:
        yield store, draft


def text_in(store: LocalStore, draft: Draft) -> bytes:
    form = draft.storing.form
    with store.open_data(draft.id, form) as file, text_of(file, form, KEYRING.identities) as text:
        return text.read()


def flip_a_byte(store: LocalStore, at: int) -> None:
    (path,) = store.directory.glob(".*.tmp")
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def test_each_byte_is_read_once_after_it_was_synced_and_dropped_from_the_page_cache(disk: Disk, tmp_path: Path) -> None:
    with begun(tmp_path) as (_, draft):
        for at in range(0, len(TEXT), STEP // 4):
            draft.write(TEXT[at : at + STEP // 4])
        disk.until_read()
        draft.commit_data()
    synced = dropped = read = 0
    for call, begin, end in disk.calls:
        match call:
            case "synced":
                synced = end
            case "dropped":
                assert begin == dropped, "a gap"
                assert begin % STEP == 0
                dropped = end
            case "read":
                assert begin == read, "a gap"
                assert end <= min(synced, dropped)
                read = end
    assert read == len(TEXT)


@every_form
def test_a_draft_that_goes_back_after_it_was_read_is_read_again_from_its_beginning(
    form: Form, disk: Disk, tmp_path: Path
) -> None:
    with begun(tmp_path, form) as (store, draft):
        beginning = draft.mark()
        draft.write(b"kept")
        mark = draft.mark()
        draft.write(TEXT)
        disk.until_read()
        kept = b"kept" if draft.can_rewind(mark) else b""
        draft.rewind(mark if kept else beginning)
        draft.write(b"other " + TEXT[::-1])
        draft.commit_data()
        draft.commit(b"metadata")
        assert text_in(store, draft) == kept + b"other " + TEXT[::-1]


@every_form
def test_a_byte_that_the_disk_changed_before_it_was_read_is_found(form: Form, disk: Disk, tmp_path: Path) -> None:
    with begun(tmp_path, form) as (store, draft):
        disk.damage = partial(flip_a_byte, store, 1000)
        with pytest.raises(StorageError, match="reads back"):
            write_and_commit(draft)
    assert names(store) == []


def write_and_commit(draft: Draft) -> None:
    draft.write(TEXT)
    draft.commit_data()


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_an_early_sync_that_fails_fails_the_backup(number: int, disk: Disk, tmp_path: Path) -> None:
    """The kernel says so once only: no later fsync repeats it."""
    with begun(tmp_path) as (store, draft):
        disk.sync_error = OSError(number, os.strerror(number))
        with pytest.raises(StorageError, match=os.strerror(number)):
            write_and_commit(draft)
    assert names(store) == []


def test_an_early_sync_that_failed_is_not_forgotten_by_going_back(disk: Disk, tmp_path: Path) -> None:
    with begun(tmp_path) as (store, draft):
        beginning = draft.mark()
        disk.sync_error = OSError(errno.EIO, os.strerror(errno.EIO))
        draft.write(TEXT)
        disk.until_read()
        with pytest.raises(StorageError, match="Input/output error"):
            draft.rewind(beginning)
    assert names(store) == []


def test_another_file_under_the_name_of_the_one_that_was_written_is_no_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exchanged(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes())
        source.unlink()

    monkeypatch.setattr("sidecar.store.draft.move", exchanged)
    with begun(tmp_path) as (store, draft):
        draft.write(TEXT)
        with pytest.raises(StorageError, match="another file than the one that was written"):
            draft.commit_data()
    assert names(store) == []
