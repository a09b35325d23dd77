"""What a comparison remembers lies beside the backups, without a name, and is gone however its process ends."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.errors import StorageFull
from sidecar.store.spill import DIRECTORY, Spill, sweep
from support.command import small_disk

TABLE = "seen (id BLOB PRIMARY KEY) WITHOUT ROWID"
INSERT = "INSERT INTO seen VALUES (?)"
SMALL_CACHE_KB = 64


def rows(count: int) -> list[tuple[bytes]]:
    return [(number.to_bytes(4, "big") * 20,) for number in range(count)]


def open_files(below: Path) -> dict[str, int]:
    """What this process holds open below a directory, with its size."""
    found = {}
    for one in Path("/proc/self/fd").iterdir():
        try:
            found[str(one.readlink())] = one.stat().st_size
        except FileNotFoundError:  # the listing's own
            continue
    return {name: size for name, size in found.items() if name.startswith(str(below))}


def test_what_shall_not_touch_a_disk_stays_in_memory_however_much_it_is() -> None:
    before = open_files(Path("/")).keys()
    with Spill(None, TABLE, cache_kb=SMALL_CACHE_KB) as spill:
        spill.add(INSERT, rows(20_000))
        assert next(spill.rows("SELECT count(*) FROM seen")) == (20_000,)
        assert open_files(Path("/")).keys() == before


def test_what_does_not_fit_into_memory_is_written_below_the_directory_and_nowhere_else(tmp_path: Path) -> None:
    before = open_files(Path("/"))
    with Spill(tmp_path, TABLE, cache_kb=SMALL_CACHE_KB) as spill:
        spill.add(INSERT, rows(20_000))
        assert next(spill.rows("SELECT count(*) FROM seen")) == (20_000,)
        (size,) = open_files(tmp_path).values()
        assert size > 20_000 * 80
        assert open_files(Path("/")).keys() - before.keys() == open_files(tmp_path).keys()
        assert list((tmp_path / DIRECTORY).iterdir()) == []
    assert open_files(tmp_path) == {}


def test_a_killed_process_leaves_nothing(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time; from sidecar.store.spill import Spill; "
        f"spill = Spill(pathlib.Path(sys.argv[1]), {TABLE!r}, cache_kb=64); "
        f"spill.add({INSERT!r}, ((number.to_bytes(80, 'big'),) for number in range(5000))); "
        "print('ready', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
    assert list((tmp_path / DIRECTORY).iterdir()) == []


def test_what_was_not_nameless_yet_is_swept(tmp_path: Path) -> None:
    (tmp_path / DIRECTORY).mkdir()
    (tmp_path / DIRECTORY / "0a1b.sqlite3").write_bytes(b"x")
    sweep(tmp_path)
    sweep(tmp_path / "nothing")
    assert list((tmp_path / DIRECTORY).iterdir()) == []


def test_a_full_disk_is_said_to_be_full(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", "512k") as disk,
        Spill(disk, TABLE, cache_kb=SMALL_CACHE_KB) as spill,
        pytest.raises(StorageFull, match="on the disk of the backups"),
    ):
        spill.add(INSERT, rows(20_000))


def test_where_the_directory_cannot_be_written_the_systems_own_place_serves(tmp_path: Path) -> None:
    (tmp_path / DIRECTORY).write_bytes(b"a file is in the way")
    with Spill(tmp_path, TABLE, cache_kb=SMALL_CACHE_KB) as spill:
        spill.add(INSERT, rows(2_000))
        assert spill.row("SELECT count(*) FROM seen", ()) == (2_000,)
