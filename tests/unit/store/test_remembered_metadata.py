"""What metadata says is remembered for other processes under the very file that said it; nothing else is believed."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.archive.manifest import to_bytes
from sidecar.model import BackupId, BackupState, Encryption, Manifest, Metadata, StoredBackup, Verdict
from sidecar.rules.policy import Policy
from sidecar.rules.stock import stock_of
from sidecar.status.reports import set_status
from sidecar.store import shelf as module
from sidecar.store.catalog import Catalog
from sidecar.store.durable import Exact, as_exact
from sidecar.store.findings import Findings
from sidecar.store.local import LocalStore
from support import keys
from support.stores import NOW, make_whole, manifest_of, store_in


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return store_in(tmp_path / "backups")


@pytest.fixture(autouse=True)
def _files_are_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COARSE_NS", -(10**18))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[BackupId]:
    """Whose metadata was read from its file, in order."""
    found, read_metadata = list[BackupId](), LocalStore.read_metadata

    def recorded(self: LocalStore, backup_id: BackupId) -> bytes:
        found.append(backup_id)
        return read_metadata(self, backup_id)

    monkeypatch.setattr(LocalStore, "read_metadata", recorded)
    return found


def of_another_process(store: LocalStore) -> Catalog:
    return Catalog({"main": store}, Findings(store.root))


def seen(store: LocalStore) -> StoredBackup:
    (found,) = of_another_process(store).backups("main")
    return found


def other_metadata(backup_id: BackupId) -> bytes:
    """As long as that of `make_whole`, and as valid."""
    return to_bytes(manifest_of(backup_id, b"data").model_copy(update={"collections": {"users": 2}}))


@contextmanager
def opened(store: LocalStore) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(store.root / ".history" / "findings.sqlite3")) as connection, connection:
        yield connection


def test_metadata_is_read_once_by_all_processes(store: LocalStore, read: list[BackupId]) -> None:
    backup_id = make_whole(store)
    first = seen(store)
    assert read == [backup_id, backup_id]  # to verify the data, too
    read.clear()
    assert seen(store) == first
    assert of_another_process(store).newest("main", 1) == (first,)
    assert of_another_process(store).find(str(backup_id)) == first
    assert read == []


def test_what_nobody_asks_for_is_not_parsed(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for hour in range(3):
        make_whole(store, moment=NOW + timedelta(hours=hour))
    first = of_another_process(store).backups("main")
    parsed, parse = list[str](), Manifest.model_validate_json

    def recorded(text: str) -> Manifest:
        parsed.append(text)
        return parse(text)

    monkeypatch.setattr(Manifest, "model_validate_json", recorded)
    again = of_another_process(store).backups("main")
    now = NOW + timedelta(days=1)
    set_status(store.set, Policy.of(store.set), stock_of(again, now), now)
    assert len(parsed) == 1  # of the newest one
    assert [one.manifest for one in again] == [one.manifest for one in first]
    assert len(parsed) == len(again)


def in_place(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def in_place_with_the_time_put_back(path: Path, content: bytes) -> None:
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def by_another_file_with_the_same_time(path: Path, content: bytes) -> None:
    before, other = path.stat(), path.with_name("other")
    other.write_bytes(content)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)


@pytest.mark.parametrize(
    "change",
    [in_place, in_place_with_the_time_put_back, by_another_file_with_the_same_time],
    ids=lambda one: one.__name__,
)
def test_metadata_of_the_same_length_that_was_changed_is_read_again(
    change: Callable[[Path, bytes], None], store: LocalStore
) -> None:
    backup_id = make_whole(store)
    path = store.directory / backup_id.metadata_name
    size = path.stat().st_size
    assert seen(store).documents == 1
    change(path, other_metadata(backup_id))
    assert path.stat().st_size == size
    assert [seen(store).documents for _ in range(2)] == [2, 2]


def test_a_file_is_known_by_what_its_owner_can_set_and_what_nobody_can(store: LocalStore) -> None:
    status = (store.directory / make_whole(store).metadata_name).stat()
    exact = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    assert as_exact(status) == exact
    assert [one.metadata_identity for one in store.scan()] == [exact]


@pytest.mark.parametrize("part", range(5), ids=["device", "inode", "size", "mtime", "ctime"])
def test_each_part_of_what_a_file_is_known_by_counts(part: int, store: LocalStore) -> None:
    backup_id = make_whole(store)
    seen(store)
    exact = as_exact((store.directory / backup_id.metadata_name).stat())
    other: Exact = tuple(number + (place == part) for place, number in enumerate(exact))  # type: ignore[assignment] # five
    assert Findings(store.root).metadata({backup_id: exact}).keys() == {backup_id}
    assert Findings(store.root).metadata({backup_id: other}) == {}


def test_a_flipped_bit_in_a_metadata_file_is_seen(store: LocalStore) -> None:
    backup_id = make_whole(store)
    seen(store)
    path = store.directory / backup_id.metadata_name
    content = bytearray(path.read_bytes())
    content[content.index(b'"users": 1') + 9] ^= 1
    path.write_bytes(content)
    assert seen(store).verdict == Verdict(BackupState.INVALID, "metadata: its own checksum does not match")


def test_a_file_that_has_just_been_written_is_not_remembered(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second change within the grain of the clock would leave the same times behind."""
    monkeypatch.undo()
    backup_id = make_whole(store)
    seen(store)
    exact = as_exact((store.directory / backup_id.metadata_name).stat())
    assert Findings(store.root).metadata({backup_id: exact}) == {}


def test_what_another_process_wrote_later_counts(store: LocalStore) -> None:
    backup_id = make_whole(store)
    slow, findings = of_another_process(store), Findings(store.root)
    (before,) = slow.backups("main")
    exact = as_exact((store.directory / backup_id.metadata_name).stat())
    assert before.manifest is not None
    in_place(store.directory / backup_id.metadata_name, other_metadata(backup_id))
    assert seen(store).documents == 2
    findings.save((), read={backup_id: (exact, before.manifest)})  # a process that is behind saves what it read before
    assert seen(store).documents == 2
    assert slow.refresh("main")[0].documents == 2


FLIPS = {
    "identity": "UPDATE manifests SET identity = replace(identity, ')', '9)')",
    "content": """UPDATE manifests SET content = replace(content, '"users":1', '"users":3')""",
    "checksum": "UPDATE manifests SET checksum = substr(checksum, 2) || '0'",
    "date": "UPDATE manifests SET taken_at = taken_at + 1",
    "checksum of the data": "UPDATE manifests SET data_checksum = '0' || substr(data_checksum, 2)",
    "form": "UPDATE manifests SET form = '.json.zst'",
    "documents": "UPDATE manifests SET documents = 2",
    "trigger": "UPDATE manifests SET trigger = 'pre_restore'",
    "suspicions": "UPDATE manifests SET has_suspicions = 1",
    "what it is of": "UPDATE manifests SET backup_id = 'seed_backup_20200101_000000'",
}


@pytest.mark.parametrize("flip", FLIPS)
def test_a_flipped_bit_in_memory_is_seen_and_mended(flip: str, store: LocalStore, read: list[BackupId]) -> None:
    make_whole(store)
    first = seen(store)
    with opened(store) as connection:
        before = connection.execute("SELECT * FROM manifests").fetchall()
        connection.execute(FLIPS[flip])
        assert connection.execute("SELECT * FROM manifests").fetchall() != before
    read.clear()
    assert [seen(store), seen(store)] == [first, first]
    assert len(read) == 1


def test_a_memory_of_before_there_was_metadata_in_it_is_added_to(store: LocalStore, read: list[BackupId]) -> None:
    backup_id = make_whole(store)
    first = seen(store)
    with opened(store) as connection:
        connection.execute("DROP TABLE manifests")
    read.clear()
    assert [seen(store), seen(store)] == [first, first]  # the verdict of before too
    assert read == [backup_id]


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000])
def test_a_memory_that_is_not_one_is_made_anew(content: bytes, store: LocalStore) -> None:
    make_whole(store)
    seen(store)
    (store.root / ".history" / "findings.sqlite3").write_bytes(content)
    assert [seen(store).verdict.is_valid for _ in range(2)] == [True, True]


def test_metadata_of_a_backup_that_is_not_valid_is_read_from_its_file(store: LocalStore, read: list[BackupId]) -> None:
    backup_id = make_whole(store)
    catalog = of_another_process(store)
    (stored,) = catalog.backups("main")
    catalog.examine(stored, lambda: Verdict(BackupState.INVALID, "damaged"), is_deep=False)
    read.clear()
    assert seen(store).verdict.message == "damaged"
    assert read == [backup_id]


def test_where_signatures_count_they_are_checked_on_the_files(tmp_path: Path, read: list[BackupId]) -> None:
    store = store_in(tmp_path / "backups", signing=keys.KEY.signing)
    backup_id = make_whole(store)
    seen(store)
    read.clear()
    assert seen(store).verdict.is_valid
    assert read == [backup_id]
    with opened(store) as connection:
        assert connection.execute("SELECT count(*) FROM manifests").fetchone() == (0,)
    unsigned = store_in(tmp_path / "backups")
    seen(unsigned)
    read.clear()
    assert seen(store).verdict.is_valid
    assert read == [backup_id]


def test_what_is_sealed_in_metadata_is_never_written_down(store: LocalStore) -> None:
    backup_id = make_whole(store)
    exact = as_exact((store.directory / backup_id.metadata_name).stat())
    secret = manifest_of(backup_id, b"data").model_copy(update={"encryption": Encryption(recipients=("age1x",))})
    findings = Findings(store.root)
    findings.save((), read={backup_id: (exact, secret)})
    assert findings.metadata({backup_id: exact}) == {}


def test_metadata_comes_back_from_memory_as_it_was(store: LocalStore) -> None:
    backup_id = make_whole(store)
    exact: Exact = (1, 2, 3, 4, 5)
    details: dict[str, Any] = {
        "documents": 2**62,
        "bson_bytes": 1,
        "fingerprint": "0" * 64,
        "escaped_documents": 0,
    }
    said = Manifest.model_validate(
        manifest_of(backup_id, b"data").model_dump()
        | {
            "file_size_mb": 0.1 + 0.2,
            "duration_seconds": 1e-7,
            "cluster_time": (2**32 - 1, 1),
            "notes": ("\x00\u2028 é \"'",),
            "collections": {"a.b": 2**63 - 1, "": 0},
            "collection_details": {"a.b": details},
        }
    )
    findings = Findings(store.root)
    findings.save((), read={backup_id: (exact, said)})
    assert findings.metadata({backup_id: exact}) == {backup_id: Metadata.of(said)}


def test_of_backups_that_are_gone_nothing_is_remembered(store: LocalStore) -> None:
    backup_id = make_whole(store)
    catalog = of_another_process(store)
    catalog.backups("main")
    with store.locked("test") as lock:
        store.delete(lock, backup_id)
    assert catalog.backups("main") == ()
    with opened(store) as connection:
        assert connection.execute(
            "SELECT (SELECT count(*) FROM manifests), (SELECT count(*) FROM findings)"
        ).fetchall() == [(0, 0)]


def test_what_another_process_deleted_is_forgotten_by_the_next_and_nothing_else(
    tmp_path: Path, store: LocalStore
) -> None:
    kept, deleted = make_whole(store), make_whole(store)
    other = store_in(tmp_path / "backups", "events")
    make_whole(other)
    Catalog({"events": other}, Findings(store.root)).backups("events")
    of_another_process(store).backups("main")
    with store.locked("test") as lock:
        store.delete(lock, deleted)
    assert [one.id for one in of_another_process(store).backups("main")] == [kept]
    with opened(store) as connection:
        left = [one for (one,) in connection.execute("SELECT backup_id FROM manifests ORDER BY backup_id")]
    assert left == ["events_backup_20261124_021837", str(kept)]


def test_what_is_known_of_one_set_says_nothing_of_others(store: LocalStore) -> None:
    backup_id = make_whole(store)
    seen(store)
    for prefix, of_it in (("seed_backup", [backup_id]), ("seed", []), ("seed_backup_2", []), ("events_backup", [])):
        assert Findings(store.root).known(prefix, [])[1] == of_it
    assert list(Findings(store.root).known("seed_backup", [backup_id])[0]) == [backup_id]
