"""How a copy stands is reckoned again when anything of it has changed, whoever changed it, and not at each question."""

import os
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import pytest

from sidecar.copies import copies as module
from sidecar.copies.memory import Memory
from support.copying import Site


@pytest.fixture
def synced(site: Site) -> Site:
    site.make(b"old", 3)
    site.make(b"new", 1)
    site.sync()
    return site


def test_nothing_is_read_again_while_nobody_writes(synced: Site) -> None:
    copies, name = synced.copies, synced.copy.name
    memory = copies.of(name, "main").memory
    assert memory.held(name, "main") is memory.held(name, "main")
    assert copies.standing(name, "main") is copies.standing(name, "main")
    assert len(copies.standing(name, "main").restorable) == 2


def test_what_another_process_writes_is_seen_at_once_even_where_no_time_tells_it(synced: Site) -> None:
    copies, name = synced.copies, synced.copy.name
    before = copies.standing(name, "main")
    path = synced.directory / ".history" / "copies.sqlite3"
    as_it_was = path.stat()
    gone = before.held[0].backup.id
    Memory(synced.directory).forget(name, [gone])
    os.utime(path, ns=(as_it_was.st_atime_ns, as_it_was.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (as_it_was.st_size, as_it_was.st_mtime_ns)
    assert gone not in copies.standing(name, "main").held_by_id
    assert copies.standing(name, "main").lag == 1


def test_a_new_backup_here_is_one_that_the_copy_lacks(synced: Site) -> None:
    copies, name = synced.copies, synced.copy.name
    assert copies.standing(name, "main").lag == 0
    synced.make(b"newest")
    assert copies.standing(name, "main").lag == 1


def test_a_memory_that_is_gone_or_broken_is_no_memory(synced: Site) -> None:
    copies, name = synced.copies, synced.copy.name
    assert copies.standing(name, "main").lag == 0
    path = synced.directory / ".history" / "copies.sqlite3"
    path.write_bytes(b"not a database" * 100)
    assert copies.standing(name, "main").lag == 2
    path.unlink()
    assert [copies.standing(name, "main").lag, len(copies.standing(name, "main").held)] == [2, 0]


def test_a_minute_later_the_rules_are_asked_anew(synced: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    copies, name, later = synced.copies, synced.copy.name, timedelta()

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + later

    monkeypatch.setattr(module, "datetime", Later)
    first = copies.standing(name, "main")
    later = timedelta(minutes=1)
    assert copies.standing(name, "main") is not first


def test_the_file_of_a_memory_may_be_gone(tmp_path: Path) -> None:
    assert Memory(tmp_path).version() is None
    assert Memory(tmp_path).held("nas", "main") == {}


def test_a_memory_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / ".history").mkdir()
    os.mkfifo(tmp_path / ".history" / "copies.sqlite3")
    assert Memory(tmp_path).version() is None
    assert Memory(tmp_path).held("nas", "main") == {}
