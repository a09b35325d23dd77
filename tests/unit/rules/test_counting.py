from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model import VERIFIED, BackupId, BackupState, Manifest, Metadata, StoredBackup, Trigger, Verdict
from sidecar.rules import counting

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BROKEN = Verdict(BackupState.INVALID, "broken")
ORPHAN = Verdict(BackupState.ORPHAN, "no metadata")


def a_manifest(backup_id: BackupId, taken_at: datetime, trigger: Trigger, suspicions: tuple[str, ...]) -> Manifest:
    return Manifest(
        backup_id=str(backup_id),
        backup_type="main",
        filename=backup_id.data_name,
        timestamp=taken_at,
        checksum="0" * 64,
        checksum_algorithm="SHA256",
        file_size_bytes=1,
        file_size_mb=0.0,
        collections={"users": 3, "stops": 4},
        mongo_url="localhost:27017",
        db_name="bus_tracker",
        version="3.0",
        trigger=trigger,
        suspicions=suspicions,
    )


def a_backup(
    age: timedelta,
    verdict: Verdict = VERIFIED,
    *,
    written: timedelta | None = None,
    trigger: Trigger = Trigger.SCHEDULED,
    lost: tuple[str, ...] = (),
) -> StoredBackup:
    """`age` is by its name, `written` by its metadata where that says something else."""
    backup_id = BackupId.at("seed_backup", NOW - age)
    taken_at = NOW - (age if written is None else written)
    manifest = a_manifest(backup_id, taken_at, trigger, lost) if verdict.is_valid else None
    return StoredBackup(
        id=backup_id,
        set_name="main",
        metadata=Metadata.of(manifest) if manifest else None,
        size_bytes=1,
        verdict=verdict,
    )


FRESH, OLD, OLDER = a_backup(HOUR), a_backup(DAY), a_backup(2 * DAY)
SAFETY = a_backup(timedelta(), trigger=Trigger.PRE_RESTORE)
SUSPECT = a_backup(2 * HOUR, lost=("users",))
INVALID = a_backup(MINUTE, BROKEN)
LOST = a_backup(timedelta(), ORPHAN)
AHEAD = a_backup(-40 * DAY)
ALL = [AHEAD, LOST, SAFETY, INVALID, FRESH, SUSPECT, OLD, OLDER]


def test_what_counts_is_of_the_set_and_has_metadata_and_a_date_that_has_come() -> None:
    assert counting.of_the_set(ALL) == [AHEAD, INVALID, FRESH, SUSPECT, OLD, OLDER]
    assert counting.counted(ALL, NOW) == [INVALID, FRESH, SUSPECT, OLD, OLDER]
    assert counting.restorable(ALL, NOW) == [FRESH, SUSPECT, OLD, OLDER]
    assert counting.in_order_of_choice([SUSPECT, OLD, OLDER], NOW) == [OLD, OLDER, SUSPECT]
    assert counting.trusted(ALL, NOW) == [FRESH, OLD, OLDER]
    assert counting.newest(ALL, NOW) == INVALID
    assert counting.newest([AHEAD, LOST, SAFETY], NOW) is None


@pytest.mark.parametrize(("ahead", "counts"), [(5 * MINUTE, True), (5 * MINUTE + timedelta(seconds=1), False)])
def test_a_date_may_lie_five_minutes_ahead_by_name_and_by_metadata(ahead: timedelta, *, counts: bool) -> None:
    by_name, by_metadata = a_backup(-ahead, written=HOUR), a_backup(HOUR, written=-ahead)
    assert [counting.newest([one], NOW) is not None for one in (by_name, by_metadata)] == [counts, counts]


def test_an_age_is_never_negative_and_there_is_none_without_a_backup() -> None:
    assert counting.age(OLD, NOW) == DAY
    assert counting.age(a_backup(-MINUTE), NOW) == timedelta()
    assert counting.age(None, NOW) is None


@pytest.mark.parametrize(
    ("found", "others", "is_last"),
    [
        (FRESH, [], True),
        (FRESH, [OLD], False),
        (FRESH, [SUSPECT, INVALID, SAFETY, LOST, AHEAD], True),
        (SUSPECT, [OLD], False),
        (SUSPECT, [INVALID, SAFETY], True),
        (AHEAD, [OLD], False),
        (AHEAD, [INVALID], True),
        (SAFETY, [], False),
        (INVALID, [], False),
    ],
)
def test_the_last_valid_one_is_that_without_which_nothing_as_good_is_left(
    found: StoredBackup, others: list[StoredBackup], *, is_last: bool
) -> None:
    assert counting.is_last_valid(found, [found, *others], NOW) is is_last


def test_it_holds_the_documents_that_its_metadata_speaks_of() -> None:
    assert (FRESH.documents, replace(FRESH, metadata=None).documents) == (7, 0)


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_input_makes_no_difference(random: Random) -> None:
    shuffled = ALL.copy()
    random.shuffle(shuffled)
    for rule in (counting.counted, counting.restorable, counting.in_order_of_choice, counting.trusted):
        assert rule(shuffled, NOW) == rule(ALL, NOW)
