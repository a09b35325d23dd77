"""A directory that was unmounted, removed or replaced is neither written to nor made again."""

import shutil
from pathlib import Path, PurePosixPath

import pytest

from sidecar.errors import StorageError
from sidecar.model import BackupSet
from sidecar.store import volume as volumes
from sidecar.store.local import LocalStore
from sidecar.store.volume import Volume, token, volume
from support.stores import make, names, store_in


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """With a backup in it."""
    store = store_in(tmp_path / "backups")
    make(store)
    return store


def below(store: LocalStore) -> LocalStore:
    rules = BackupSet(name="events", collections=("events",), prefix="event_backup", directory=PurePosixPath("events"))
    return LocalStore(store.root, rules)


def as_after_a_restart(store: LocalStore) -> LocalStore:
    volume.cache_clear()
    return LocalStore(store.root, store.set)


def replaced(directory: Path) -> Path:
    """What was there is elsewhere, as where a volume is unmounted; an empty directory is in its place."""
    away = directory.rename(directory.with_name("away"))
    directory.mkdir()
    return away


@pytest.mark.parametrize("work", ["back up", "look", "ask for space"])
def test_a_directory_that_was_replaced_by_an_empty_one_is_an_error_until_it_is_back(
    work: str, store: LocalStore
) -> None:
    away = replaced(store.root)
    with pytest.raises(StorageError, match=r"is not the directory that it was: it has no file \.volume/id\. Mount"):
        {"back up": lambda: make(store), "look": store.scan, "ask for space": store.space}[work]()
    assert list(store.root.iterdir()) == []
    store.root.rmdir()
    away.rename(store.root)
    make(store)
    assert len(store.scan()) == 2


def test_a_directory_that_is_gone_is_not_made_again(store: LocalStore) -> None:
    shutil.rmtree(store.root)
    with pytest.raises(StorageError, match="is not there any more"):
        make(store)
    with pytest.raises(StorageError, match="is not there any more"):
        store.scan()
    assert not store.root.exists()


def test_another_volume_is_not_taken_for_it(store: LocalStore, tmp_path: Path) -> None:
    other = store_in(tmp_path / "other")
    make(other)
    shutil.rmtree(store.root)
    other.root.rename(store.root)
    with pytest.raises(StorageError, match=r"its file \.volume/id says [0-9a-f]{32}"):
        make(store)


def test_the_same_content_in_another_place_is_the_same_volume(store: LocalStore) -> None:
    away = replaced(store.root)
    shutil.copytree(away, store.root, dirs_exist_ok=True)
    make(store)
    assert len(store.scan()) == 2


def test_whoever_says_that_it_is_the_right_directory_is_believed(store: LocalStore) -> None:
    right = (store.root / ".volume" / "id").read_text()
    replaced(store.root)
    (store.root / ".volume").mkdir()
    (store.root / ".volume" / "id").write_text(right)
    make(store)
    assert len(store.scan()) == 1


def test_a_set_whose_own_volume_is_away_is_an_error_after_a_restart_too(store: LocalStore) -> None:
    events = below(store)
    make(events)
    replaced(events.directory)
    events = as_after_a_restart(events)
    with pytest.raises(StorageError, match="is not the directory that it was"):
        make(events)
    with pytest.raises(StorageError, match="is not the directory that it was"):
        events.scan()
    assert list(events.directory.iterdir()) == []
    assert len(store.scan()) == 1


def test_looking_makes_nothing(tmp_path: Path) -> None:
    store = store_in(tmp_path / "backups")
    assert (store.scan(), store.state()) == ([], None)
    assert store.space().capacity > 0
    assert not store.root.exists()


def test_what_was_there_before_ids_is_taken_as_it_is(store: LocalStore) -> None:
    shutil.rmtree(store.root / ".volume")
    store = as_after_a_restart(store)
    assert len(store.scan()) == 1
    make(store)
    assert len(names(store)) == 4


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits only for a moment for another process that may just be writing the file."""
    monkeypatch.setattr(volumes, "_WAIT_SECONDS", 0.05)


@pytest.mark.usefixtures("impatient")
def test_a_marker_that_was_half_written_is_written_again(tmp_path: Path) -> None:
    (tmp_path / ".volume").mkdir()
    (tmp_path / ".volume" / "id").write_bytes(b"0123")
    found = Volume(tmp_path)
    found.claim()
    assert (tmp_path / ".volume" / "id").read_text() == f"{found.id}\n"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"not hexadecimal", b"0123456789abcdef0123"])
def test_a_token_that_makes_no_sense_is_made_anew(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    new = token(path)
    assert (len(new), token(path)) == (8, new)


def test_a_directory_says_whether_it_can_be_written(store: LocalStore) -> None:
    assert store.is_writable()
    assert not store_in(store.root / "nowhere").is_writable()
