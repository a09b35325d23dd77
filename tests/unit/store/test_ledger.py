"""The ledger of a set: whatever is taken out, moved or changed is found, and no death of a process looks like it.

`LINES=1000` is the campaign of docs/security.md.
"""

import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from sidecar.archive.signing import Signing
from sidecar.errors import BackupInvalid, LedgerBroken, StorageFull
from sidecar.model import BackupId
from sidecar.store import ledger as module
from sidecar.store import shelf
from sidecar.store.catalog import Catalog
from sidecar.store.files import Files
from sidecar.store.ledger import DIRECTORY, START, Event, Head, Ledger
from sidecar.store.local import LocalStore
from sidecar.store.tampering import found
from sidecar.store.verify import read_manifest
from support.keys import KEY, OTHER_KEY
from support.stores import NOW, make_whole, store_in

LINES = int(os.environ.get("LINES", "12"))
IDS = [BackupId.at("seed_backup", NOW + timedelta(hours=hour)) for hour in range(LINES)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of as many lines: backups that are made, and in the end three that are pruned."""
    ledger = Ledger(tmp_path, "main", KEY.signing)
    for number, backup_id in enumerate(IDS[:-3]):
        ledger.note(Event.CREATED, backup_id, checksum=f"{number}")
    for backup_id in IDS[:3]:
        ledger.note(Event.PRUNED, backup_id, "number 6 of the valid backups, 5 are kept")
    return tmp_path / DIRECTORY / "main.jsonl"


def problems(path: Path, there: list[BackupId] = IDS[3:-3]) -> tuple[str, ...]:
    """As a process that has just begun sees it."""
    return Ledger(path.parent.parent, "main", KEY.signing).problems(there, None, is_any_signed=True)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_a_ledger_that_nobody_touched_fits_its_backups(path: Path) -> None:
    assert problems(path) == ()
    assert len(lines_of(path)) == LINES


def test_every_line_that_is_taken_out_is_found(path: Path) -> None:
    lines = lines_of(path)
    for number in range(LINES):
        path.write_bytes(b"".join(lines[:number] + lines[number + 1 :]))
        assert problems(path), number


def test_every_end_that_is_cut_off_is_found(path: Path) -> None:
    lines = lines_of(path)
    for number in range(LINES):
        path.write_bytes(b"".join(lines[:number]))
        assert problems(path), number
    path.unlink()
    assert problems(path)
    (path.parent / "main.head.json").unlink()
    assert problems(path) == ("the ledger is gone, but there are signed backups",)


def test_an_end_that_is_cut_off_is_found_also_where_no_backup_came_or_went(path: Path) -> None:
    ledger = Ledger(path.parent.parent, "main", KEY.signing)
    for event in (Event.PINNED, Event.CONFIRMED, Event.UNPINNED):
        ledger.note(event, IDS[5])
    lines = lines_of(path)
    for cut in range(1, 4):
        path.write_bytes(b"".join(lines[:-cut]))
        assert problems(path) == (f"it ends at line {len(lines) - cut}, and had come to line {len(lines)}",)


def test_every_two_lines_that_change_places_are_found(path: Path) -> None:
    lines = lines_of(path)
    for number in range(LINES - 1):
        swapped = [*lines[:number], lines[number + 1], lines[number], *lines[number + 2 :]]
        path.write_bytes(b"".join(swapped))
        assert problems(path), number


def test_every_changed_byte_is_found(path: Path) -> None:
    content, chosen = path.read_bytes(), random.Random(20261128)
    starts = [0]
    for line in lines_of(path):
        starts.append(starts[-1] + len(line))
    for number in range(LINES):
        at = chosen.randrange(starts[number], starts[number + 1])
        changed = bytearray(content)
        changed[at] ^= 1 << chosen.randrange(8)
        path.write_bytes(changed)
        assert problems(path), (number, at)


def test_a_ledger_that_somebody_wrote_anew_with_another_key_is_found(path: Path) -> None:
    root = path.parent.parent
    for name in ("main.jsonl", "main.head.json"):
        (path.parent / name).unlink()
    forged = Ledger(root, "main", OTHER_KEY.signing)
    for backup_id in IDS[3:-3]:
        forged.note(Event.CREATED, backup_id)
    assert problems(path) == ("the note of how far it had come was changed",)
    (path.parent / "main.head.json").unlink()
    assert problems(path) == (f"line {LINES - 6} is not signed with a key that counts here",)


def test_a_backup_that_came_or_went_without_an_entry_is_named(path: Path) -> None:
    assert problems(path, IDS[4:-3]) == (f"gone without an entry: {IDS[3]}",)
    assert problems(path, IDS[2:-3]) == (f"there without an entry: {IDS[2]}",)


def test_the_line_that_a_process_died_over_is_no_tampering(path: Path) -> None:
    root, head = path.parent.parent, (path.parent / "main.head.json").read_bytes()
    before = path.read_bytes()
    ledger = Ledger(root, "main", KEY.signing)
    ledger.note(Event.PINNED, IDS[5])
    whole = path.read_bytes()
    for cut in range(len(before), len(whole) + 1, 7):
        path.write_bytes(whole[:cut])
        (path.parent / "main.head.json").write_bytes(head)
        assert problems(path) == ()
    path.write_bytes(whole[:-10])
    Ledger(root, "main", KEY.signing).note(Event.CONFIRMED, IDS[5])
    assert (problems(path), len(lines_of(path))) == ((), LINES + 1)


def test_the_very_first_line_that_a_process_died_over_is_no_tampering(tmp_path: Path) -> None:
    Ledger(tmp_path, "main", KEY.signing).note(Event.CREATED, IDS[0])
    (tmp_path / DIRECTORY / "main.head.json").unlink()
    assert problems(tmp_path / DIRECTORY / "main.jsonl", [IDS[0]]) == ()


def test_who_has_the_public_key_alone_checks_and_writes_nothing(path: Path) -> None:
    assert KEY.signing.key is not None
    reader = Ledger(path.parent.parent, "main", Signing(trusted=[KEY.signing.key.public_key()]))
    reader.note(Event.DELETED, IDS[5])
    assert reader.problems(IDS[3:-3], None, is_any_signed=True) == ()
    assert len(lines_of(path)) == LINES


def test_what_is_found_can_be_accepted_with_a_reason(path: Path) -> None:
    lines = lines_of(path)
    path.write_bytes(b"".join(lines[1:]))
    ledger = Ledger(path.parent.parent, "main", KEY.signing)
    with pytest.raises(LedgerBroken):
        ledger.note(Event.DELETED, IDS[5])
    ledger.accept(IDS[4:-3], "ticket 123")
    assert problems(path, IDS[4:-3]) == ()
    assert len(list(path.parent.glob("main.jsonl.aside-*"))) == 1
    ledger.accept(IDS[5:-3], "ticket 124")
    assert (problems(path, IDS[5:-3]), b'"reason":"ticket 124"' in lines_of(path)[-1]) == ((), True)


# -- of a store ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return store_in(tmp_path, signing=KEY.signing)


def again(store: LocalStore, signing: Signing = KEY.signing) -> LocalStore:
    """As the next process opens it."""
    return store_in(store.root, signing=signing)


def test_everything_that_becomes_of_a_backup_is_entered(store: LocalStore) -> None:
    first, second = make_whole(store), make_whole(store)
    with store.locked("test") as lock:
        store.pin(lock, second)
        store.unpin(lock, second)
        store.delete(lock, first, Event.PRUNED, "older than 30 days")
    assert (found(store), found(again(store))) == ((), ())
    assert not (store.directory / first.signature_name).exists()
    head = store.seal.ledger.account().head
    assert (head.lines, head.hash != START) == (5, True)


def test_nothing_of_all_this_is_there_without_a_key(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    made = make_whole(store)
    assert (found(store), (tmp_path / DIRECTORY).exists()) == ((), False)
    assert not (tmp_path / made.signature_name).exists()
    assert store.seal.ledger.account().head == Head()


def test_backups_from_before_the_key_are_entered_once(tmp_path: Path) -> None:
    old = make_whole(store_in(tmp_path))
    store = store_in(tmp_path, signing=KEY.signing)
    assert found(store) == ()
    make_whole(store)
    assert b'"event":"adopted"' in (tmp_path / DIRECTORY / "main.jsonl").read_bytes().splitlines()[0]
    (tmp_path / old.metadata_name).unlink()
    assert found(again(store)) == (f"gone without an entry: {old}",)


def test_a_ledger_that_is_removed_is_not_begun_anew(store: LocalStore) -> None:
    make_whole(store)
    for path in (store.root / DIRECTORY).iterdir():
        path.unlink()
    with again(store).locked("test"):
        pass
    assert found(again(store)) == ("the ledger is gone, but there are signed backups",)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("name", ["metadata_name", "signature_name"])
def test_every_file_that_is_changed_is_found(name: str, store: LocalStore) -> None:
    chosen, made = random.Random(20261128), [make_whole(store, moment=one.taken_at) for one in IDS]
    for backup_id in made:
        path = store.directory / getattr(backup_id, name)
        flip(path, chosen.randrange(path.stat().st_size))
        with pytest.raises(BackupInvalid):
            read_manifest(store, backup_id)


def test_every_file_that_is_taken_away_is_found(store: LocalStore) -> None:
    made = [make_whole(store, moment=one.taken_at) for one in IDS]
    strict = again(store, Signing(KEY.signing.key, is_required=True))
    for backup_id in made:
        (store.directory / backup_id.signature_name).unlink()
        with pytest.raises(BackupInvalid, match="not signed, and a signature is required"):
            read_manifest(strict, backup_id)
        (store.directory / backup_id.metadata_name).unlink()
        assert str(backup_id) in str(
            store.seal.ledger.problems([one for one in made if one != backup_id], None, is_any_signed=True)
        )


def killed(store: LocalStore, begun: Callable[[LocalStore], None]) -> LocalStore:
    """The store as the next process finds it, after one that died in the middle."""
    try:
        begun(store)
    except KeyboardInterrupt:
        return again(store)
    raise AssertionError("it did not die")


def die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_deletion_that_a_process_died_over_is_settled_by_the_next(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_whole(store)

    def delete(store: LocalStore) -> None:
        with store.locked("test") as lock, monkeypatch.context() as patched:
            patched.setattr(LocalStore, "_remove", die)
            store.delete(lock, made, Event.PRUNED, "too old")

    after = killed(store, delete)
    assert found(after) == ()  # it is known to be under way
    with after.locked("test"):
        pass
    assert found(after) == ()
    assert b'"event":"kept"' in (store.root / DIRECTORY / "main.jsonl").read_bytes()


def test_a_run_that_is_forbidden_at_the_last_moment_leaves_no_contradiction(store: LocalStore) -> None:
    def make(store: LocalStore) -> None:
        with store.locked("test") as lock, store.begin(lock, NOW) as draft:
            draft.commit_data()
            draft.commit(b"metadata", last_look=die)

    killed(store, make)
    assert (found(store), [path.name for path in store.directory.glob("seed_*")]) == ((), [])


def test_a_disk_that_is_too_full_for_an_entry_gets_it_after_the_deletion(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_whole(store)
    full = [True]
    append = module.Ledger._append

    def appended(self: Ledger, line: bytes, at: int) -> None:
        if full:
            full.clear()
            raise StorageFull("no space", free_bytes=0, needed_bytes=1)
        append(self, line, at)

    monkeypatch.setattr(module.Ledger, "_append", appended)
    with store.locked("test") as lock:
        store.delete(lock, made, Event.PRUNED, "too old")
    assert (found(store), list(store.directory.glob("seed_*"))) == ((), [])


def test_a_ledger_that_was_tampered_with_keeps_no_backup_from_being_made_and_lets_none_go(store: LocalStore) -> None:
    first = make_whole(store)
    flip(store.root / DIRECTORY / "main.jsonl", 20)
    store = again(store)
    second = make_whole(store, moment=NOW + timedelta(hours=1))
    with store.locked("test") as lock, pytest.raises(LedgerBroken):
        store.delete(lock, first)
    assert {files.id for files in store.scan() if files.has_metadata} == {first, second}


def test_the_directory_is_listed_only_where_a_file_has_come_or_gone(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "COARSE_NS", -(10**18))  # the directory has been still for long enough
    made, catalog, scan, listed = make_whole(store), Catalog({"main": store}), LocalStore.scan, list[str]()
    catalog.backups("main")

    def recorded(self: LocalStore) -> list[Files]:
        listed.append(self.set.name)
        return scan(self)

    monkeypatch.setattr(LocalStore, "scan", recorded)
    assert (found(store, lambda: catalog.files("main")), listed) == ((), [])
    (store.directory / made.metadata_name).unlink()
    assert found(store, lambda: catalog.files("main")) == (f"gone without an entry: {made}",) == found(store)


def test_a_run_that_makes_and_deletes_meanwhile_is_no_tampering(store: LocalStore) -> None:
    def make_and_delete() -> None:
        for number in range(15):
            made = make_whole(store, moment=NOW + timedelta(hours=number))
            with store.locked("test") as lock:
                store.delete(lock, made, Event.PRUNED, "too old")

    other = again(store)
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(make_and_delete)
        while not work.done():
            assert found(other) == ()
        work.result()
