from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidecar.rules.retention import Steadiness
from sidecar.rules.steadiness import Reading
from sidecar.store import timekeeping
from sidecar.store.durable import temporary_of
from sidecar.store.lock import DIRECTORY

DAY = timedelta(days=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / DIRECTORY).mkdir()
    return tmp_path


def shifted(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> datetime:
    """A wall clock that is wrong by so much, on a machine that runs on."""
    real = timekeeping.read_clocks()
    monkeypatch.setattr(timekeeping, "read_clocks", lambda: Reading(real.wall + by, real.running_seconds, real.boot_id))
    return real.wall + by


def test_a_clock_that_was_set_is_seen_by_whoever_looks_next(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert timekeeping.observe(root, []) == Steadiness()
    wrong = shifted(monkeypatch, 40 * DAY)
    assert timekeeping.steadiness(root, []) == Steadiness(wrong)
    assert timekeeping.observe(root, []) == Steadiness(wrong)
    assert timekeeping.steadiness(root, []) == Steadiness(wrong)


def test_looking_keeps_nothing(root: Path) -> None:
    timekeeping.steadiness(root, [])
    assert list((root / DIRECTORY).iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"wall": 1}'])
def test_a_reading_that_cannot_be_read_is_none(root: Path, content: bytes) -> None:
    (root / DIRECTORY / timekeeping.FILE).write_bytes(content)
    now = datetime.now(UTC)
    assert timekeeping.steadiness(root, [now - DAY / 2]) == Steadiness()
    assert timekeeping.steadiness(root, [now - 2 * DAY]).since is not None


def test_what_a_killed_process_left_does_not_stand_in_the_way(root: Path) -> None:
    temporary_of(root / DIRECTORY / timekeeping.FILE).write_bytes(b"half")
    timekeeping.observe(root, [])
    assert [path.name for path in (root / DIRECTORY).iterdir()] == [timekeeping.FILE]


def test_a_directory_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    assert timekeeping.observe(tmp_path / "gone", []) == Steadiness()


def test_a_machine_without_a_boot_id_is_another_one_at_each_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timekeeping, "BOOT_ID", Path("/nonexistent"))
    assert timekeeping.read_clocks().boot_id != timekeeping.read_clocks().boot_id
