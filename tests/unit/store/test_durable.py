"""Small files that are there whole or not at all, also after a writer was killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.errors import StorageError
from sidecar.store.durable import publish

KILLED = """
import os, signal, sys
from pathlib import Path
from sidecar.store.durable import publish
publish(Path(sys.argv[1]), b"half", lambda: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.parametrize("name", [".measure", "seed_backup_20261124_021837.pin.json"])
def test_what_a_killed_writer_left_does_not_keep_the_next_one_from_writing(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    left = tmp_path / f".{name}.tmp"
    assert [one.name for one in tmp_path.iterdir()] == [left.name]
    publish(path, b"whole")
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {name: b"whole"}


def test_a_directory_under_the_temporary_name_is_nobodys_leftover_and_stays(tmp_path: Path) -> None:
    (tmp_path / ".file.tmp").mkdir()
    with pytest.raises(StorageError, match=r"creating \.file\.tmp"):
        publish(tmp_path / "file", b"content")
    assert [one.name for one in tmp_path.iterdir()] == [".file.tmp"]


def test_a_small_file_is_on_the_disk_before_it_has_its_name_and_then_its_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced, fsync = tmp_path / "file", list[tuple[str, dict[str, bytes]]](), os.fsync

    def recorded(descriptor: int) -> None:
        fsync(descriptor)
        found = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, found))

    monkeypatch.setattr(os, "fsync", recorded)
    publish(path, b"content")
    assert synced == [(".file.tmp", {".file.tmp": b"content"}), (tmp_path.name, {"file": b"content"})]
