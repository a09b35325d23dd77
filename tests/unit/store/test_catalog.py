"""What is read once is kept in memory and on the disk, as long as the files are the same; nothing else is believed."""

import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest

from sidecar.archive.manifest import to_bytes
from sidecar.errors import StorageError
from sidecar.model import BackupId, BackupState, Verdict
from sidecar.store import files
from sidecar.store import shelf as module
from sidecar.store.catalog import Catalog
from sidecar.store.findings import Findings
from sidecar.store.local import LocalStore
from support.patience import PATIENCE_SECONDS
from support.stores import NOW, make, manifest_of, store_in


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return store_in(tmp_path / "backups")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read, in order."""
    names = list[str]()
    opened = LocalStore._open

    def recorded(self: LocalStore, name: str, **options: Any) -> Any:
        names.append(name)
        return opened(self, name, **options)

    monkeypatch.setattr(LocalStore, "_open", recorded)
    return names


def whole(store: LocalStore, number: int = 0, content: bytes = b"data") -> BackupId:
    """A backup with metadata."""
    with store.locked("test") as lock, store.begin(lock, NOW + timedelta(hours=number)) as draft:
        draft.write(content)
        draft.commit_data()
        draft.commit(to_bytes(manifest_of(draft.id, content)))
        return draft.id


def states(catalog: Catalog) -> dict[str, str]:
    return {str(one.id): one.verdict.state.value for one in catalog.backups("main")}


def catalog_of(store: LocalStore) -> Catalog:
    return Catalog({"main": store}, Findings(store.root))


def test_a_backup_is_read_once_while_its_files_are_the_same(store: LocalStore, read: list[str]) -> None:
    ids = [whole(store, number) for number in range(3)]
    catalog = catalog_of(store)
    first = catalog.backups("main")
    assert [one.id for one in first] == ids[::-1]
    assert set(read) == {name for one in ids for name in (one.data_name, one.metadata_name)}
    read.clear()
    assert catalog.backups("main") is catalog.backups("main")
    assert catalog.refresh("main") == first
    assert read == []


def test_the_newest_are_shown_without_a_read_of_the_others(store: LocalStore, read: list[str]) -> None:
    ids = [whole(store, number) for number in range(4)]
    catalog = catalog_of(store)
    newest = catalog.newest("main", 2)
    assert [one.id for one in newest] == [ids[3], ids[2]]
    assert {BackupId.of_file(name) for name in read} == {ids[3], ids[2]}
    assert catalog.backups("main")[:2] == newest


def test_another_process_and_the_next_start_read_nothing_again(store: LocalStore, read: list[str]) -> None:
    backup_id = whole(store)
    found = catalog_of(store).backups("main")
    read.clear()
    assert catalog_of(store).backups("main") == found
    assert read == [backup_id.metadata_name]
    assert found[0].verified_at is not None


CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "another content of the same length": lambda data, _: data.write_bytes(b"DATA"),
    "a shorter content": lambda data, _: os.truncate(data, 2),
    "another file in its place": lambda data, _: (
        data.with_name("x").write_bytes(b"DATA"),
        data.with_name("x").rename(data),
    ),
    "no file": lambda data, _: data.unlink(),
    "other metadata": lambda _, metadata: metadata.write_bytes(b"{}"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("is_restarted", [False, True])
def test_whatever_changes_is_seen_at_the_next_look(change: str, is_restarted: bool, store: LocalStore) -> None:  # noqa: FBT001 - a parameter
    backup_id = whole(store)
    catalog = catalog_of(store)
    assert states(catalog) == {str(backup_id): "valid"}
    CHANGES[change](store.directory / backup_id.data_name, store.directory / backup_id.metadata_name)
    catalog = catalog_of(store) if is_restarted else catalog
    assert states(catalog) == {str(backup_id): "missing" if change == "no file" else "invalid"}


def test_an_old_backup_that_was_changed_in_place_is_seen_when_all_are_looked_at_again(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOKED_AT_AGAIN", 1)
    monkeypatch.setattr(module, "COARSE_NS", -(10**18))  # the directory has been still for long enough
    old, new = whole(store), whole(store, 1)
    catalog = catalog_of(store)
    assert states(catalog) == {str(old): "valid", str(new): "valid"}
    states(catalog)  # the first look made a directory for what it had found
    (store.directory / old.data_name).write_bytes(b"DATA")
    assert states(catalog)[str(old)] == "valid"
    assert catalog.find(str(old)).verdict.state is BackupState.INVALID
    (store.directory / old.data_name).write_bytes(b"data")
    catalog.refresh("main")
    assert states(catalog)[str(old)] == "valid"


def test_who_asks_does_not_wait_for_a_look_at_all_files_that_is_under_way(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COARSE_NS", -(10**18))  # the directory has been still for long enough
    kept, catalog = whole(store), Catalog({"main": store})
    before, scan, begun, may_end = catalog.backups("main"), LocalStore.scan, threading.Event(), threading.Event()

    def slow(self: LocalStore) -> list[files.Files]:
        found = scan(self)
        begun.set()
        assert may_end.wait(PATIENCE_SECONDS)
        return found

    monkeypatch.setattr(LocalStore, "scan", slow)
    with ThreadPoolExecutor(2) as threads:
        looking = threads.submit(catalog.refresh, "main")
        assert begun.wait(PATIENCE_SECONDS)
        try:
            assert threads.submit(catalog.backups, "main").result(PATIENCE_SECONDS) is before
            assert threads.submit(catalog.find, str(kept)).result(PATIENCE_SECONDS) == before[0]
        finally:
            may_end.set()
        assert looking.result(PATIENCE_SECONDS) is before


def test_what_the_commit_has_proven_is_believed(store: LocalStore, read: list[str]) -> None:
    catalog = catalog_of(store)
    with store.locked("test") as lock, store.begin(lock, NOW) as draft:
        draft.write(b"data")
        draft.commit_data()
        manifest = manifest_of(draft.id, b"data")
        draft.commit(to_bytes(manifest))
        assert draft.identity is not None
        catalog.committed(manifest, draft.identity)
    assert states(catalog) == {str(draft.id): "valid"}
    assert read == [draft.id.metadata_name]


def test_what_a_verification_finds_is_believed(store: LocalStore, read: list[str]) -> None:
    whole(store)
    catalog = catalog_of(store)
    damaged = Verdict(BackupState.INVALID, "damaged")
    (stored,) = catalog.backups("main")
    read.clear()
    assert catalog.examine(stored, lambda: damaged, is_deep=True) == damaged
    assert [one.verdict for one in catalog.backups("main")] == [damaged]
    assert [one.verdict for one in catalog_of(store).backups("main")] == [damaged]
    assert stored.id.data_name not in read


def test_what_a_verification_finds_of_a_file_that_was_replaced_meanwhile_is_not_believed(store: LocalStore) -> None:
    whole(store)
    catalog = catalog_of(store)
    (stored,) = catalog.backups("main")

    def check() -> Verdict:
        path = store.directory / stored.id.data_name
        path.unlink()
        path.write_bytes(b"data")
        return Verdict(BackupState.INVALID, "damaged")

    assert catalog.examine(stored, check, is_deep=True).message == "damaged"
    assert states(catalog) == {str(stored.id): "valid"}


def test_a_file_of_another_size_is_invalid_before_it_is_read(store: LocalStore) -> None:
    backup_id = whole(store)
    os.truncate(store.directory / backup_id.data_name, 1 << 42)  # sparse: costs no disk, and days to read
    (found,) = catalog_of(store).backups("main")
    assert found.verdict.message == f"the data has {1 << 42} bytes, the metadata says 4"


@pytest.mark.parametrize("suffix", [".json", ".meta.json"])
def test_what_cannot_be_read_is_one_invalid_backup_for_as_long_as_that_lasts(
    suffix: str, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PASSING_SECONDS", -1.0)
    ids = [whole(store, number) for number in range(3)]
    bad = ids[1]
    readinto = files._Raw.readinto

    def failing(self: Any, buffer: Any) -> Any:
        if self._name == f"{bad}{suffix}":
            raise StorageError.of(OSError(errno.EIO, os.strerror(errno.EIO)), f"reading {self._name}")
        return readinto(self, buffer)

    monkeypatch.setattr(files._Raw, "readinto", failing)
    catalog = catalog_of(store)
    assert states(catalog) == {str(one): "invalid" if one == bad else "valid" for one in ids}
    assert catalog.find(str(bad)).verdict.message == f"reading {bad}{suffix}: Input/output error"
    monkeypatch.setattr(files._Raw, "readinto", readinto)
    assert states(catalog) == {str(one): "valid" for one in ids}
    assert states(catalog_of(store)) == {str(one): "valid" for one in ids}


def test_a_pin_that_has_run_out_is_seen_without_any_change_of_the_files(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup_id, until = whole(store), datetime.now(UTC) + timedelta(hours=1)
    with store.locked("test") as lock:
        store.pin(lock, backup_id, until)
    catalog = catalog_of(store)
    assert [(one.is_pinned, one.pinned_until) for one in catalog.backups("main")] == [(True, until)]

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(hours=2)

    monkeypatch.setattr(module, "datetime", Later)
    assert [(one.is_pinned, one.pinned_until) for one in catalog.backups("main")] == [(False, None)]


def test_sets_are_looked_at_beside_one_another(tmp_path: Path) -> None:
    """Each set has its own memory: what one look adds never disturbs another."""
    stores = {}
    for number in range(4):
        store = store_in(tmp_path / "backups", f"set_{number}")
        for hour in range(20):
            whole(store, hour)
        stores[store.set.name] = store
    catalog, failures = Catalog(stores, Findings(tmp_path / "backups")), list[Exception]()

    def look(name: str) -> None:
        try:
            for _ in range(20):
                catalog.refresh(name)
                catalog.find(str(catalog.backups(name)[0].id))
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=look, args=[name]) for name in stores for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000])
def test_findings_that_cannot_be_read_are_found_again(content: bytes, store: LocalStore, read: list[str]) -> None:
    backup_id = whole(store)
    catalog_of(store).backups("main")
    path = store.root / ".history" / "findings.sqlite3"
    path.write_bytes(content)
    read.clear()
    assert states(catalog_of(store)) == {str(backup_id): "valid"}
    assert backup_id.data_name in read
    assert states(catalog_of(store)) == {str(backup_id): "valid"}


def test_findings_of_backups_that_are_gone_are_forgotten(store: LocalStore) -> None:
    old, new = whole(store), whole(store, 1)
    catalog = catalog_of(store)
    catalog.backups("main")
    with store.locked("test") as lock:
        store.delete(lock, old)
    catalog.backups("main")
    assert list(Findings(store.root).known("seed_backup", [old, new])[0]) == [new]


def test_an_id_of_any_year_is_the_name_of_its_files() -> None:
    for text in ("seed_backup_00050102_030405", "seed_backup_99991231_235959", "a_b_20240229_000000"):
        assert str(BackupId.parse(text)) == text
    for text in ("seed_backup_20230229_000000", "seed_backup_2023", "seed_backup_٢٠٢٣٠١٠١_000000", "_20230101_000000"):
        assert BackupId.parse(text) is None


def test_a_metadata_file_far_too_large_is_not_read_whole(store: LocalStore) -> None:
    backup_id = whole(store)
    os.truncate(store.directory / backup_id.metadata_name, 1 << 40)
    (found,) = catalog_of(store).backups("main")
    assert found.verdict.message == "metadata: more than 16 MiB"


def test_making_bytes_only_is_no_backup(store: LocalStore) -> None:
    backup_id = make(store)
    assert states(catalog_of(store)) == {str(backup_id): "invalid"}
