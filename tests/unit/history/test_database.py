"""The record's file in trouble: whatever becomes of it, somebody can go on, and what can be kept is kept."""

import errno
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidecar.history import database as module
from sidecar.history.record import History
from sidecar.history.rows import Accounted
from sidecar.model import Kind, Outcome, Run, Trigger
from sidecar.store.volume import volume
from support.command import small_disk

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAME = "history.sqlite3"


def opened(directory: Path) -> History:
    return History(directory, lambda: (), NOW)


def fill(history: History, schedules: int = 50) -> None:
    for number in range(schedules):
        history.account(Accounted(f"schedule {number}", NOW))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """With a record in it that was closed."""
    directory = tmp_path / "history"
    with opened(directory) as history:
        fill(history)
    return directory


@pytest.fixture(autouse=True)
def retries_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)


def test_the_files_are_for_nobody_else(directory: Path) -> None:
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


def damage(content: bytes, how: str) -> bytes:
    match how:
        case "emptied":
            return b""
        case "foreign":
            return b"something else entirely\n" * 500
        case "cut":
            return content[: len(content) // 2 + 100]
    broken = bytearray(content)
    for at in random.Random(how).sample(range(100, len(content)), 2000):
        broken[at] ^= 0xFF
    return bytes(broken)


@pytest.mark.parametrize("how", ["emptied", "foreign", "cut", *(f"random {seed}" for seed in range(20))])
def test_an_unreadable_file_is_set_aside_and_work_goes_on(how: str, directory: Path) -> None:
    path = directory / NAME
    content = damage(path.read_bytes(), how)
    path.write_bytes(content)
    with opened(directory) as history:
        history.account(Accounted("new", NOW))
        assert history.accounted_until("new") == NOW
        assert history.is_durable
        aside = [one.read_bytes() for one in directory.glob(f"{NAME}.unreadable-*")]
        assert (history.recovered, aside) == (None, []) if how == "emptied" else (history.recovered, [content])
    with opened(directory) as again:
        assert (again.recovered, again.accounted_until("new")) == (None, NOW)


def test_rows_that_make_no_sense_are_set_aside_too(directory: Path) -> None:
    with closing(sqlite3.connect(directory / NAME)) as connection, connection:
        connection.execute("INSERT INTO totals VALUES ('b\u00e4ckup', 'main', 'manual', 'succeeded', '', 1)")
    with opened(directory) as history:
        assert history.totals() == []
        assert history.recovered is not None


def newer_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").touch()


def a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("change", [newer_version, a_directory, a_link])
def test_what_is_not_ours_to_use_is_set_aside_and_kept(change: Callable[[Path], None], directory: Path) -> None:
    change(directory / NAME)
    with opened(directory) as history:
        assert history.recovered is not None
        assert history.is_durable
        assert history.accounted_until("schedule 1") is None
    assert len(list(directory.glob(f"{NAME}.unreadable-*"))) == 1


def test_only_the_newest_three_are_kept_aside(directory: Path) -> None:
    for number in range(5):
        (directory / NAME).write_bytes(f"broken {number}".encode() * 100)
        opened(directory).__exit__()
    aside = sorted(directory.glob(f"{NAME}.unreadable-*"))
    assert [path.read_bytes()[:8] for path in aside] == [b"broken 2", b"broken 3", b"broken 4"]


def test_a_directory_that_cannot_be_listed_keeps_nobody_from_starting(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def glob(*_: object) -> Iterator[Path]:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (directory / NAME).write_bytes(b"broken" * 100)
    monkeypatch.setattr(Path, "glob", glob)
    with opened(directory) as history:
        assert history.recovered is not None


def test_a_file_that_breaks_under_us_is_rebuilt(directory: Path) -> None:
    with opened(directory) as history:
        with closing(sqlite3.connect(directory / NAME)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with (directory / NAME).open("r+b") as file:
            file.seek(0)
            file.write(b"\xff" * 8192)
        history.account(Accounted("new", NOW))
        assert history.accounted_until("new") == NOW


def test_a_record_is_not_made_where_its_volume_is_away(tmp_path: Path) -> None:
    root = tmp_path / "backups"
    volume(root).claim()
    with opened(root / "history") as history:
        fill(history)
        root.rename(tmp_path / "away")
        root.mkdir()
        history.account(Accounted("new", NOW))
        assert (history.is_durable, list(root.iterdir())) == (False, [])
        assert history.accounted_until("new") == NOW
        root.rmdir()
        (tmp_path / "away").rename(root)
        history.account(Accounted("newer", NOW))
        assert history.is_durable
    with opened(root / "history") as again:
        assert [again.accounted_until(name) for name in ("schedule 7", "new", "newer")] == [NOW, NOW, NOW]


def test_a_file_that_is_deleted_under_us_is_written_again(directory: Path) -> None:
    with opened(directory) as history:
        for path in directory.iterdir():
            path.unlink()
        history.account(Accounted("new", NOW))
        assert history.is_durable
    with opened(directory) as again:
        assert (again.accounted_until("schedule 7"), again.accounted_until("new")) == (NOW, NOW)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "3m") as disk:
        yield disk


def fill_up(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(512))
        except OSError:
            return filler


def test_a_full_disk_is_gone_on_without_and_caught_up_with_when_there_is_room(disk: Path) -> None:
    with opened(disk / "history") as history:
        fill(history)
        filler = fill_up(disk)
        fill(history, 3000)
        assert not history.is_durable
        assert history.accounted_until("schedule 2999") == NOW
        filler.unlink()
        history.account(Accounted("last", NOW))
        assert history.is_durable
    with opened(disk / "history") as again:
        assert [again.accounted_until(name) for name in ("schedule 2999", "last")] == [NOW, NOW]


@pytest.mark.parametrize("was_killed", [False, True])
def test_a_disk_that_is_full_at_the_start_loses_nothing_of_what_it_holds(disk: Path, *, was_killed: bool) -> None:
    directory = disk / "history"
    with opened(directory) as history:
        fill(history)
        written = {path: path.read_bytes() for path in directory.iterdir()}
    if was_killed:  # what is in the log is not in the file yet
        for path, content in written.items():
            path.write_bytes(content)
        (directory / f"{NAME}-shm").unlink()
    filler = fill_up(disk)
    with opened(directory) as again:
        assert again.accounted_until("schedule 49") == NOW
        filler.unlink()
        again.account(Accounted("last", NOW))
        assert again.is_durable
    with opened(directory) as later:
        assert [later.accounted_until(name) for name in ("schedule 49", "last")] == [NOW, NOW]


def test_a_disk_that_is_full_at_the_first_start_is_gone_on_without(disk: Path) -> None:
    filler = fill_up(disk)
    with opened(disk / "history") as history:
        history.account(Accounted("first", NOW))
        assert (history.is_durable, history.accounted_until("first")) == (False, NOW)
        filler.unlink()
        history.account(Accounted("second", NOW))
        assert history.is_durable
    with opened(disk / "history") as again:
        assert [again.accounted_until(name) for name in ("first", "second")] == [NOW, NOW]


def test_a_record_that_somebody_else_has_locked_keeps_nobody_from_starting_and_is_whole_once_it_is_free(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
    later = NOW + timedelta(hours=1)
    run = Run(job_id="job 1", kind=Kind.BACKUP, set_name="main", trigger=Trigger.MANUAL, started_at=NOW)
    with opened(directory) as history:
        history.add("deleted", "main", 2)
    with closing(sqlite3.connect(directory / NAME, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE somebody_elses (a)")
        other.execute("ROLLBACK")
        history = opened(directory)
        history.account(Accounted("schedule 2", later))
        history.add("deleted", "main", 3)
        history.begin(run)
        history.end(replace(run, outcome=Outcome.SUCCEEDED, ended_at=later))
        history.begin(replace(run, job_id="job 2"))
        assert not history.is_durable
        assert history.accounted_until("schedule 1") is None
    with history:
        history.account(Accounted("another", NOW))
        assert history.is_durable
    with opened(directory) as history:
        known = [history.accounted_until(name) for name in ("schedule 1", "schedule 2", "another")]
        assert (known, history.counted()) == ([NOW, later, NOW], {("deleted", "main"): 5})
        assert {one.outcome: one.count for one in history.totals()} == {Outcome.SUCCEEDED: 1, Outcome.ABORTED: 1}
    assert [path.name for path in directory.glob("*unreadable*")] == []
