from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.rules.health import Health, Newest, Protection, Status, age_in_words, judge, lateness, worst

NOW = datetime(2025, 11, 17, 15, 0, tzinfo=UTC)
ONE_SECOND = timedelta(seconds=1)


def a_backup(age: timedelta, *, reason: str = "") -> Newest:
    return Newest(NOW - age, is_valid=not reason, reason=reason)


def test_no_backup_is_critical() -> None:
    assert judge(None, NOW) == Protection(Status.MISSING, Health.CRITICAL, "No backup exists")


@pytest.mark.parametrize("age", [timedelta(), timedelta(hours=100)])
def test_a_corrupt_newest_backup_is_critical_at_any_age_and_says_why(age: timedelta) -> None:
    assert judge(a_backup(age, reason="checksum mismatch"), NOW) == Protection(
        Status.CORRUPTED, Health.CRITICAL, "Latest backup is corrupted: checksum mismatch"
    )


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(), Protection(Status.CURRENT, Health.HEALTHY, "Latest backup is 0 minutes old")),
        (
            timedelta(hours=24) - ONE_SECOND,
            Protection(Status.CURRENT, Health.HEALTHY, "Latest backup is 23 hours old"),
        ),
        (timedelta(hours=24), Protection(Status.AGING, Health.CAUTION, "Latest backup is 24 hours old")),
        (timedelta(hours=48), Protection(Status.AGING, Health.CAUTION, "Latest backup is 48 hours old")),
        (timedelta(hours=48) + ONE_SECOND, Protection(Status.STALE, Health.WARNING, "Latest backup is 48 hours old")),
        (timedelta(days=9), Protection(Status.STALE, Health.WARNING, "Latest backup is 9 days old")),
    ],
)
def test_health_falls_at_24_hours_and_after_48(age: timedelta, expected: Protection) -> None:
    assert judge(a_backup(age), NOW) == expected


def test_the_clock_of_another_machine_may_be_a_little_ahead() -> None:
    assert judge(a_backup(-timedelta(minutes=5)), NOW) == Protection(
        Status.CURRENT, Health.HEALTHY, "Latest backup is 0 minutes old"
    )


def test_what_is_dated_ahead_of_now_is_told_and_makes_nothing_healthy() -> None:
    assert judge(None, NOW, ["seed_backup_20990101_000000"]) == Protection(
        Status.MISSING,
        Health.CRITICAL,
        "No backup exists; seed_backup_20990101_000000 is dated ahead of now and not counted: a clock was wrong",
    )
    assert judge(a_backup(timedelta(hours=25)), NOW, ["a", "b"]) == Protection(
        Status.AGING,
        Health.CAUTION,
        "Latest backup is 25 hours old; 2 backups are dated ahead of now and not counted: a clock was wrong",
    )


def test_a_backup_without_a_document_says_so() -> None:
    empty = Newest(NOW, is_valid=True, reason="", is_empty=True)
    assert judge(empty, NOW) == Protection(
        Status.CURRENT, Health.HEALTHY, "Latest backup is 0 minutes old and holds no document"
    )


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=59), "0 minutes"),
        (timedelta(seconds=60), "1 minute"),
        (timedelta(minutes=59, seconds=59), "59 minutes"),
        (timedelta(minutes=60), "1 hour"),
        (timedelta(hours=2), "2 hours"),
        (timedelta(hours=48), "48 hours"),
        (timedelta(hours=48, minutes=1), "2 days"),
        (timedelta(hours=71, minutes=59), "2 days"),
        (timedelta(days=3), "3 days"),
    ],
)
def test_an_age_is_told_in_its_largest_whole_unit_and_in_hours_up_to_48(age: timedelta, words: str) -> None:
    assert age_in_words(age) == words


def test_the_worst_of_several_wins_and_nothing_to_judge_is_healthy() -> None:
    assert worst([Health.CAUTION, Health.CRITICAL, Health.WARNING]) is Health.CRITICAL
    assert worst([Health.CAUTION, Health.WARNING, Health.HEALTHY]) is Health.WARNING
    assert worst([Health.HEALTHY, Health.CAUTION]) is Health.CAUTION
    assert worst([]) is Health.HEALTHY


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_backup_never_gets_healthier_by_getting_older(minutes: int, more_minutes: int) -> None:
    younger = judge(a_backup(timedelta(minutes=minutes)), NOW).health
    older = judge(a_backup(timedelta(minutes=minutes + more_minutes)), NOW).health

    assert worst([younger, older]) is older


@pytest.mark.parametrize(
    ("there_hours", "here_hours", "expected"),
    [
        (26, 30, None),
        (27, 30, "the copy offsite is 27 hours old"),
        (None, 1, None),
        (None, 1.1, "the copy offsite holds no backup that was read back"),
        (None, None, None),
    ],
)
def test_a_copy_is_late_when_it_is_too_old_or_a_set_waits_for_its_first_one_for_an_hour(
    there_hours: float | None, here_hours: float | None, expected: str | None
) -> None:
    there, here = (None if one is None else NOW - timedelta(hours=one) for one in (there_hours, here_hours))
    assert lateness("offsite", there, here, timedelta(hours=26), NOW) == expected
