"""The note that asks for a harmless alert."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sidecar.model import Severity
from sidecar.status.alert_test import FILE, AlertTest, ask_for, asked_for, take_back

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ASKED = AlertTest(severity=Severity.WARNING, until=NOW)


def test_what_is_asked_for_is_found_until_it_is_taken_back(tmp_path: Path) -> None:
    assert asked_for(tmp_path) is None
    ask_for(tmp_path, ASKED)
    later = AlertTest(severity=Severity.CRITICAL, until=NOW)
    ask_for(tmp_path, later)
    assert asked_for(tmp_path) == later
    take_back(tmp_path)
    take_back(tmp_path)
    assert asked_for(tmp_path) is None


def test_it_is_of_one_severity_and_ends_by_itself() -> None:
    moment = timedelta(seconds=1)
    assert [ASKED.is_on(one, NOW - moment) for one in Severity] == [False, True, False]
    assert not ASKED.is_on(Severity.WARNING, NOW)


def test_a_note_that_cannot_be_read_asks_for_nothing(tmp_path: Path) -> None:
    for content in (b"", b"\xff{", b'{"severity": "loud", "until": "2026-11-24T12:00:00Z"}', b'{"severity": "info"}'):
        (tmp_path / FILE).write_bytes(content)
        assert asked_for(tmp_path) is None


def test_who_was_killed_while_asking_stands_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / f".{FILE}.tmp").write_bytes(b"{")
    ask_for(tmp_path, ASKED)
    assert asked_for(tmp_path) == ASKED
