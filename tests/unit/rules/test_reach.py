from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sidecar.model import MB, VERIFIED, BackupId, StoredBackup
from sidecar.rules.policy import Policy
from sidecar.rules.reach import Left, cure, expected, in_words, left, reach
from sidecar.rules.retention import Candidate, judge

NOW = datetime(2026, 11, 28, 17, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RECOMMENDED = Policy(5, 30, 24, 7, 4, 6, zone=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("policy", "every", "words"),
    [
        (Policy(5, 30), HOUR, "about 5 hours"),
        (Policy(1, 30), HOUR, "about 60 minutes"),
        (Policy(5, 30), DAY, "about 5 days"),
        (Policy(500, 30), DAY, "about 4 weeks"),
        (Policy(5, 30, keep_daily=7), HOUR, "about 7 days"),
        (Policy(5, 30, keep_hourly=24), DAY, "about 3 weeks"),  # where a day has one backup, so has an hour
        (RECOMMENDED, HOUR, "about 6 months"),
        (Policy(5, 30, keep_yearly=3), HOUR, "about 3 years"),
        (Policy(5, 30, keep_within_days=10), HOUR, "about 10 days"),
    ],
)
def test_how_far_back_retention_reaches_is_said_in_words(policy: Policy, every: timedelta, words: str) -> None:
    assert in_words(reach(policy, every)) == words


def test_there_is_a_cure_where_a_weekend_is_too_long() -> None:
    assert "keep_monthly = 6" in cure(reach(Policy(5, 30), HOUR))
    assert cure(reach(RECOMMENDED, HOUR)) == ""


@pytest.mark.parametrize(
    ("policy", "every", "days"),
    [(RECOMMENDED, 6 * HOUR, 230), (Policy(3, 30, 2, 3, 2, 2), DAY, 100), (Policy(3, 2, keep_within_days=4), HOUR, 7)],
)
def test_what_is_left_is_what_retention_leaves(policy: Policy, every: timedelta, days: int) -> None:
    there: list[BackupId] = []
    for number in range(int(days * DAY / every), -1, -1):
        made = NOW - every * number
        there.append(BackupId.at("seed_backup", made))
        judged = judge([Candidate(one, True, False, False) for one in there], policy, made)  # noqa: FBT003 - a tuple with names
        there = [one.id for one in judged if one.keep]
    told = left(policy, every, NOW)
    ages = [*range(told.newest), *told.older]
    assert there == [BackupId.at("seed_backup", NOW - every * age) for age in ages]
    assert len(told) == len(there)


def test_a_set_that_is_new_has_what_it_has_made() -> None:
    assert left(RECOMMENDED, HOUR, NOW, 30) == Left(5, (*range(5, 24),))
    there = backups(0, 30)
    assert [expected(RECOMMENDED, 3600, seconds, NOW, there) for seconds in (0, 7200, 86400 * 3)] == [0, 2, 24]


def test_what_went_before_a_tier_was_set_is_not_expected() -> None:
    year = 86400 * 365
    assert expected(RECOMMENDED, 3600, year, NOW) == 5
    assert expected(RECOMMENDED, 3600, year, NOW, backups(0, 1, 2, 3, 4)) == 5
    assert expected(RECOMMENDED, 3600, year, NOW, backups(0, 1, 2, 3, 4, 20)) == 21
    assert expected(RECOMMENDED, 3600, year, NOW, backups(0, 24 * 200)) == 36


def backups(*ages: int, size_bytes: int = MB) -> list[StoredBackup]:
    ids = [BackupId.at("seed_backup", NOW - HOUR * age) for age in ages]
    return [
        StoredBackup(id=one, set_name="main", metadata=None, size_bytes=size_bytes, verdict=VERIFIED) for one in ids
    ]


def test_what_a_set_may_take_bounds_what_is_expected() -> None:
    bounded = Policy(100, 30, max_total_mb=10)
    assert expected(bounded, 3600, 86400 * 30, NOW, backups(0)) == 10
    assert expected(bounded, 3600, 86400 * 30, NOW, backups(0, size_bytes=50 * MB)) == 1
    assert expected(bounded, 3600, 86400 * 30, NOW) == 100


def test_a_million_backups_a_second_apart_are_reckoned_at_once() -> None:
    many = Policy(1_000_000, 1_000_000, keep_within_days=1_000_000)
    assert len(left(many, timedelta(seconds=1), NOW)) == 31_622_400_000
