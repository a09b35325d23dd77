"""File systems that are not like a local disk: other locks, no locks, no fsync of directories, a strange umask."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import BackupNotFound, Busy, StorageError
from sidecar.model import BackupState, Verdict
from sidecar.restore import journal
from sidecar.store import durable, files, timekeeping
from sidecar.store import lock as locking
from sidecar.store.durable import publish
from sidecar.store.findings import Finding, Findings
from sidecar.store.local import LocalStore
from sidecar.store.lock import Lock, unfinished
from sidecar.store.volume import Volume
from support.stores import NOW, make, names, store_in

_flock, _fsync, _pwrite = fcntl.flock, os.fsync, os.pwrite


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return store_in(tmp_path / "backups")


@pytest.fixture
def narrow_umask() -> Iterator[None]:
    before = os.umask(0o777)
    yield
    os.umask(before)


def test_locks_of_nfs_want_descriptors_that_can_do_what_they_stand_for(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(file: Any, operation: int) -> None:
        descriptor = file if isinstance(file, int) else file.fileno()
        mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
        refused = (operation & fcntl.LOCK_EX and mode == os.O_RDONLY) or (
            operation & fcntl.LOCK_SH and mode == os.O_WRONLY
        )
        if refused:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        _flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    backup_id = make(store)
    with store.open_data(backup_id):
        assert store.is_being_read(backup_id)
    assert not store.is_being_read(backup_id)
    with store.locked("test") as lock:
        store.delete(lock, backup_id)
    assert names(store) == []


def test_a_file_system_without_locks_is_named_with_its_cure(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StorageError, match=r"the set main: the file system of BACKUP_DIR has no locks .* mount it"):
        make(store)


@pytest.mark.parametrize("refused", [errno.EINVAL, errno.ENOTSUP])
def test_directories_that_cannot_be_synced_are_lived_with(
    refused: int, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "_said", set())

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(refused, os.strerror(refused))
        _fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    ids = [make(store), make(store)]
    assert names(store) == sorted(name for one in ids for name in (one.data_name, one.metadata_name))


def test_a_disk_that_cannot_sync_a_directory_fails_the_backup(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        _fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageError, match="Input/output error"):
        make(store)
    monkeypatch.undo()
    assert names(store) == []


@pytest.mark.parametrize("call", ["fsync", "pwrite", "ftruncate"])
def test_a_lock_that_could_not_be_taken_is_free_for_the_next(
    call: str, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    make(store)
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(StorageError, match=r"main\.lock: Input/output error"), store.locked("test"):
        pass
    monkeypatch.undo()
    with store.locked("the next"):
        pass


def test_somebody_who_keeps_a_file_for_himself_is_waited_for_and_then_named(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "SHARED_SECONDS", 0.1)
    backup_id = make(store)
    with (store.directory / backup_id.data_name).open("rb") as copied:
        fcntl.flock(copied, fcntl.LOCK_EX)
        with pytest.raises(Busy, match=f"{backup_id} is locked by another process"), store.open_data(backup_id):
            pass
    with store.open_data(backup_id) as file:
        assert file.read() == b"data"


@pytest.mark.usefixtures("narrow_umask")
def test_whatever_the_umask_says_files_can_be_read_by_us_and_by_nobody_else(store: LocalStore) -> None:
    make(store)
    publish(store.root / "small", b"content")
    below = [store.root, *store.root.rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in below if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in below if path.is_dir()} == {0o700}


def test_a_lock_says_what_it_locks(store: LocalStore) -> None:
    with (
        Lock(store.root, ".server", "the backup directory /backups", "serve"),
        pytest.raises(Busy, match=r"^the backup directory /backups is in use: serve \(process \d+ on "),
    ):
        Lock(store.root, ".server", "the backup directory /backups", "serve").__enter__()


def test_what_a_call_writes_only_in_part_is_written_on(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def pwrite(descriptor: int, content: bytes, offset: int) -> int:
        return _pwrite(descriptor, content[: len(content) // 2 or 1], offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with Lock(store.root, "main", "the set main", "test") as lock:
        lock.note_unfinished("seed_backup_20261124_021837")
    with Lock(store.root, "main", "the set main", "test") as lock:
        assert lock.left_unfinished == "seed_backup_20261124_021837"
    found = Volume(store.root)
    found.claim()
    assert (store.root / ".volume" / "id").read_text() == f"{found.id}\n"


def test_no_backup_is_begun_where_it_cannot_be_seen_what_is_there(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup_id = make(store)
    before = (store.directory / backup_id.data_name).read_bytes()

    def lstat(path: Path) -> os.stat_result:
        if path.name in backup_id.file_names:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return path.stat()

    with store.locked("test") as lock:
        monkeypatch.setattr(Path, "lstat", lstat)
        with (
            pytest.raises(StorageError, match=r"looking at seed_backup_.*: Input/output error"),
            store.begin(lock, NOW),
        ):
            pass
    assert (store.directory / backup_id.data_name).read_bytes() == before


def test_findings_that_cannot_be_looked_at_are_none(tmp_path: Path) -> None:
    beyond = tmp_path / ("x" * 300)  # longer than names may be: asking whether it exists is an error
    assert Findings(beyond).known("seed_backup", []) == ({}, [])


def test_findings_that_are_a_pipe_are_not_waited_for(store: LocalStore) -> None:
    backup_id = make(store)
    verdict = Verdict(BackupState.VALID, "as it was written")
    finding = Finding(backup_id=backup_id, identity=(4, 0, 0), checksum="0" * 64, verdict=verdict, found_at=NOW)
    (store.root / ".history").mkdir(exist_ok=True)
    os.mkfifo(store.root / ".history" / "findings.sqlite3")
    findings = Findings(store.root)
    findings.save([finding], [])
    assert findings.known("seed_backup", [backup_id]) == ({}, [])


def test_a_directory_that_cannot_be_looked_at_is_not_writable(tmp_path: Path) -> None:
    assert not store_in(tmp_path / ("x" * 300)).is_writable()


def test_a_file_that_goes_stale_once_it_is_open_is_an_error_of_the_storage(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup_id = make(store)

    def stale(_: int) -> os.stat_result:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    open_before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as broken:
        broken.setattr(os, "fstat", stale)
        with pytest.raises(StorageError, match="Stale file handle"):
            store.read_metadata(backup_id)
        with pytest.raises(StorageError, match="Stale file handle"), store.open_data(backup_id):
            pass
        assert not store.is_being_read(backup_id)
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


def test_a_directory_of_notes_that_cannot_be_listed_is_an_error_of_the_storage(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with store.locked("test"), monkeypatch.context() as broken:
        broken.setattr(os, "scandir", fail)
        with pytest.raises(StorageError, match="looking for restores that did not end"):
            list(journal.dead(store.root))


def test_a_backup_whose_data_is_a_link_is_deleted_without_what_it_leads_to(store: LocalStore, tmp_path: Path) -> None:
    backup_id = make(store)
    data = store.directory / backup_id.data_name
    elsewhere = data.rename(tmp_path / "elsewhere")
    data.symlink_to(elsewhere)
    with pytest.raises(BackupNotFound, match="is not a file"), store.open_data(backup_id):
        pass
    with store.locked("test") as lock:
        store.delete(lock, backup_id)
    assert elsewhere.exists()
    assert names(store) == [backup_id.data_name]


def test_looking_at_what_is_no_file_leaves_nothing_open(store: LocalStore) -> None:
    backup_id = make(store)
    data = store.directory / backup_id.data_name
    data.unlink()
    data.mkdir()
    before = sorted(Path("/proc/self/fd").iterdir())
    with pytest.raises(BackupNotFound, match="is not a file"), store.open_data(backup_id):
        pass
    assert sorted(Path("/proc/self/fd").iterdir()) == before


@pytest.mark.parametrize("size", [5, -1])
def test_a_file_that_has_nothing_to_read_yet_is_an_error_of_the_storage(size: int) -> None:
    pipe, other_end = os.pipe2(os.O_NONBLOCK)
    nothing_yet = r"reading ID\.json: Resource temporarily unavailable"
    with (
        BufferedReader(files._Raw(pipe, "ID.json")) as file,
        pytest.raises(StorageError, match=nothing_yet),
    ):
        file.read(size)
    os.close(other_end)


def test_what_was_read_counts_although_the_file_cannot_be_closed(tmp_path: Path) -> None:
    (tmp_path / "ID.json").write_bytes(b"read")
    with files.opened(tmp_path / "ID.json") as file:
        assert file.read() == b"read"
        os.close(file.fileno())


@pytest.mark.parametrize("what", ["a pipe", "far too much", "brackets without end", "a directory", "a link to itself"])
def test_a_note_of_ours_that_is_something_else_says_nothing_and_stops_nobody(what: str, store: LocalStore) -> None:
    def spoil(path: Path) -> None:
        path.unlink(missing_ok=True)
        if what == "a pipe":
            os.mkfifo(path)
        elif what == "far too much":
            path.touch()
            os.truncate(path, 1 << 40)
        elif what == "a directory":
            path.mkdir()
        elif what == "a link to itself":
            path.symlink_to(path.name)
        else:
            path.write_text("[" * 100_000)

    make(store)
    notes = store.root / ".locks"
    for name in (".clock", ".measure", "dead.lock"):
        spoil(notes / name)
    assert unfinished(store.root, "dead") is None
    timekeeping.observe(store.root, [NOW])
    if what in ("far too much", "brackets without end"):
        spoil(notes / "main.lock")
        make(store)
