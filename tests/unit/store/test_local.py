"""Files of backups: durable before visible, and nothing touched that is not ours."""

from datetime import timedelta
from pathlib import Path

import pytest

from sidecar.errors import Busy, StorageError
from sidecar.model import BackupId
from sidecar.store.local import LocalStore
from sidecar.store.lock import Lock
from support.stores import NOW, make, names, store_in

ID = BackupId(NOW.replace(microsecond=0), "seed_backup")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return store_in(tmp_path / "backups")


def lock_of(store: LocalStore, purpose: str) -> Lock:
    return Lock(store.root, "main", "the set main", purpose)


def test_a_backup_is_there_only_when_its_metadata_is(store: LocalStore) -> None:
    with store.locked("test") as lock, store.begin(lock, NOW) as draft:
        draft.write(b"data")
        assert names(store) == [f".{ID}.json.tmp"]
        draft.commit_data()
        assert names(store) == [f"{ID}.json"]
        draft.commit(b"metadata", is_pinned=True)
    assert names(store) == [f"{ID}.json", f"{ID}.meta.json", f"{ID}.pin.json"]


@pytest.mark.parametrize("stage", ["written", "data committed"])
def test_a_draft_that_is_not_committed_leaves_nothing(stage: str, store: LocalStore) -> None:
    with store.locked("test") as lock:
        with store.begin(lock, NOW) as draft:
            draft.write(b"data")
            if stage == "data committed":
                draft.commit_data()
        assert names(store) == []


def test_a_name_that_is_taken_gets_the_next_second(store: LocalStore) -> None:
    ids = [make(store) for _ in range(3)]
    assert ids == [ID, ID.next_second(), ID.next_second().next_second()]
    (store.directory / BackupId.at("seed_backup", NOW + timedelta(seconds=3)).data_name).symlink_to("/nowhere")
    assert make(store).taken_at == ID.taken_at + timedelta(seconds=4)


def test_what_reads_back_differently_is_not_a_backup(store: LocalStore) -> None:
    with store.locked("test") as lock:
        with store.begin(lock, NOW) as draft:
            draft.write(b"x" * 100_000)
            with (store.directory / f".{ID}.json.tmp").open("r+b") as disk:
                disk.write(b"y")
            with pytest.raises(StorageError, match="reads back with SHA-256"):
                draft.commit_data()
        assert names(store) == []


def test_rewinding_forgets_what_came_after(store: LocalStore) -> None:
    with store.locked("test") as lock, store.begin(lock, NOW) as draft:
        draft.write(b"kept")
        mark = draft.mark()
        draft.write(b"forgotten" * 10_000)
        draft.rewind(mark)
        draft.rewind(mark)
        draft.write(b" too")
        draft.commit_data()
        draft.commit(b"metadata")
    assert (store.directory / ID.data_name).read_bytes() == b"kept too"


def test_only_what_a_killed_owner_left_is_swept(store: LocalStore) -> None:
    good = make(store)
    orphan = store.directory / "seed_backup_20200101_000000.json"
    orphan.write_bytes(b"its metadata was lost")
    with store.locked("killed while it wrote") as lock:
        lock.note_unfinished(str(ID.next_second()))
        half = store.directory / ID.next_second().data_name
        half.write_bytes(b"half")
        (store.directory / f".{good}.meta.json.tmp").write_bytes(b"half")
        (store.directory / ".other_backup_20200101_000000.json.tmp").write_bytes(b"another set's")
    assert half.name in names(store)
    with store.locked("the next"):
        assert names(store) == [
            ".other_backup_20200101_000000.json.tmp",
            orphan.name,
            good.data_name,
            good.metadata_name,
        ]


def test_a_deletion_that_was_killed_is_finished(store: LocalStore) -> None:
    backup_id = make(store)
    with lock_of(store, "killed while it deleted") as lock:
        lock.note_unfinished(str(backup_id))
        (store.directory / backup_id.metadata_name).unlink()
    with store.locked("the next"):
        assert names(store) == []


def test_a_deletion_that_was_killed_before_it_began_leaves_the_backup_whole(store: LocalStore) -> None:
    backup_id = make(store)
    with lock_of(store, "killed") as lock:
        lock.note_unfinished(str(backup_id))
    with store.locked("the next"):
        assert names(store) == [backup_id.data_name, backup_id.metadata_name]


def test_a_backup_that_is_being_read_cannot_be_deleted(store: LocalStore) -> None:
    backup_id = make(store)
    with store.locked("test") as lock:
        with store.open_data(backup_id), pytest.raises(Busy, match="is being read"):
            store.delete(lock, backup_id)
        assert names(store) == [backup_id.data_name, backup_id.metadata_name]
        store.delete(lock, backup_id)
        assert names(store) == []


def test_a_lock_names_its_owner_and_its_purpose(store: LocalStore) -> None:
    with (
        store.locked("backup (manual)"),
        pytest.raises(Busy, match=r"main is in use: backup \(manual\) \(process \d+ on "),
    ):
        lock_of(store, "another").__enter__()


def test_a_lock_file_that_makes_no_sense_locks_all_the_same(store: LocalStore) -> None:
    (store.root / ".locks").mkdir(parents=True)
    (store.root / ".locks" / "main.lock").write_bytes(b"\0not json")
    assert make(store) == ID


def test_a_directory_that_is_a_file_is_a_clear_error(store: LocalStore) -> None:
    store.root.write_bytes(b"")
    with pytest.raises(StorageError, match="backups: Not a directory"), store.locked("test"):
        pass
