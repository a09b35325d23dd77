"""What a set's backups come to is reckoned once for the same backups, and is always what reckoning it again would give."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model import (
    VERIFIED,
    BackupId,
    BackupState,
    Encryption,
    Manifest,
    Metadata,
    StoredBackup,
    Trigger,
    Verdict,
)
from sidecar.rules import counting
from sidecar.rules.stock import Stock, stock_of
from sidecar.status.stocks import Stocks

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_backup(age: timedelta, verdict: Verdict = VERIFIED, **said: object) -> StoredBackup:
    backup_id = BackupId.at("seed_backup", NOW - age)
    manifest = Manifest(
        backup_id=str(backup_id),
        backup_type="main",
        filename=backup_id.data_name,
        timestamp=backup_id.taken_at,
        checksum="0" * 64,
        checksum_algorithm="SHA256",
        file_size_bytes=1,
        file_size_mb=0.0,
        collections={"users": 3},
        mongo_url="localhost:27017",
        db_name="bus_tracker",
        version="3.0",
    ).model_copy(update=said)
    return StoredBackup(id=backup_id, set_name="main", metadata=Metadata.of(manifest), size_bytes=10, verdict=verdict)


LATER, AHEAD = a_backup(-3 * HOUR), a_backup(-2 * HOUR)
INVALID = a_backup(0.5 * HOUR, Verdict(BackupState.INVALID, "broken"))
FRESH = replace(a_backup(HOUR), is_pinned=True)
SUSPECT = a_backup(2 * HOUR, suspicions=("users",))
SAFETY = a_backup(3 * HOUR, trigger=Trigger.PRE_RESTORE)
SEALED = a_backup(4 * HOUR, encryption=Encryption(recipients=("age1x", "age1y")), sealed="x")
ORPHAN = replace(a_backup(5 * HOUR, Verdict(BackupState.ORPHAN, "no metadata")), metadata=None)
ALL = (LATER, AHEAD, INVALID, FRESH, SUSPECT, SAFETY, SEALED, ORPHAN)


def test_a_stock_is_what_the_backups_of_a_set_come_to() -> None:
    assert stock_of(ALL, NOW) == Stock(
        backups=ALL,
        since=NOW,
        until=AHEAD.taken_at - counting.GRACE,
        newest=INVALID,
        restorable=[FRESH, SUSPECT, SEALED],
        oldest_restorable_at=SEALED.taken_at,
        ahead=[LATER, AHEAD],
        pinned=[FRESH],
        states={BackupState.VALID: 6, BackupState.INVALID: 1, BackupState.MISSING: 0, BackupState.ORPHAN: 1},
        recipients={"age1x": 1, "age1y": 1},
        unencrypted=7,
        sealed=1,
        suspect=1,
        size_bytes=80,
    )


def test_without_backups_there_is_nothing() -> None:
    assert stock_of((), NOW).newest is None
    assert stock_of((), NOW).until is None


def test_the_same_backups_are_reckoned_once_until_one_dated_ahead_has_its_time() -> None:
    stocks, due = Stocks(), AHEAD.taken_at - counting.GRACE
    first = stocks.of("main", ALL, NOW)
    assert stocks.of("main", ALL, due - timedelta(microseconds=1)) is first
    second = stocks.of("main", ALL, due)
    assert (second.newest, second.ahead) == (AHEAD, [LATER])
    assert stocks.of("main", ALL, NOW) == first  # a clock that was set back
    assert stocks.of("events", (), NOW).newest is None
    assert stocks.of("main", ALL, NOW) == first


@pytest.mark.parametrize("others", [ALL[1:], ALL[:-1], (*ALL[:-1], replace(ORPHAN, is_pinned=True))])
def test_other_backups_are_reckoned_anew(others: tuple[StoredBackup, ...]) -> None:
    stocks = Stocks()
    stocks.of("main", ALL, NOW)
    assert stocks.of("main", others, NOW) == stock_of(others, NOW)


@given(st.lists(st.tuples(st.integers(-400, 400), st.booleans()), max_size=8))
def test_at_any_moment_it_is_what_reckoning_again_would_give(asked: list[tuple[int, bool]]) -> None:
    stocks, others = Stocks(), ALL[2:]
    for minutes, is_whole in asked:
        now, backups = NOW + timedelta(minutes=minutes), ALL if is_whole else others
        assert replace(stocks.of("main", backups, now), since=now) == stock_of(backups, now)
