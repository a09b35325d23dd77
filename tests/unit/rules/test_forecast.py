"""When the disk will be full, against worlds that grow in ways that are known."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from sidecar.model import MB, BackupId
from sidecar.rules.forecast import Size, Stored, growth_a_day, outlook
from sidecar.rules.policy import Policy
from sidecar.rules.retention import Candidate, judge

BEGAN = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)
EVERY = timedelta(hours=12)
TIERS = Policy(5, 30, 24, 7, 4, 6, every=EVERY)
ASKED, AHEAD = 120, 21  # days after the beginning at which it is asked, and after that at which it is full
DAYS = ASKED + AHEAD + 15

GROWTHS: dict[str, Callable[[float], float]] = {
    "linear": lambda day: 50 + 0.5 * day,
    "weekly pattern": lambda day: 50 + 0.5 * day + (6 if day % 7 < 5 else 0),
    "one jump three weeks ago": lambda day: 50 + 0.5 * day + (40 if day >= ASKED - 21 else 0),
    "one jump yesterday": lambda day: 50 + 0.5 * day + (40 if day >= ASKED - 1 else 0),
    "no growth": lambda _: 50,
}


@cache
def lived(kind: str, policy: Policy, days: float) -> dict[float, list[Size]]:
    """What is stored after each run, newest first, by the days since the beginning."""
    size_mb = GROWTHS[kind]
    there: list[Size] = []
    by_day = {}
    for number in range(int(days * DAY / EVERY) + 1):
        now = BEGAN + number * EVERY
        there = [Size(now, int(size_mb((now - BEGAN) / DAY) * MB)), *there]
        ids = {BackupId.at("seed_backup", one.taken_at): one for one in there}
        judged = judge([Candidate(one, True, False, False) for one in ids], policy, now)  # noqa: FBT003 - a tuple with names
        there = [ids[one.id] for one in judged if one.keep]
        by_day[(now - BEGAN) / DAY] = there
    return by_day


def total(sizes: list[Size]) -> int:
    return sum(one.size_bytes for one in sizes)


def error_in_days(kind: str) -> float:
    """How many days too late the forecast is, three weeks before the disk is full."""
    world = lived(kind, TIERS, DAYS)
    sizes, at_the_end = world[ASKED], world[ASKED + AHEAD]
    room = total(at_the_end) + at_the_end[0].size_bytes
    full = min(day for day, found in world.items() if day > ASKED and total(found) + found[0].size_bytes > room)
    told = outlook([Stored(sizes, TIERS, EVERY)], BEGAN + ASKED * DAY, room - total(sizes), 0)
    return told.days_until_full - (full - ASKED)


@pytest.mark.parametrize(
    ("kind", "days"),
    [("linear", 1), ("weekly pattern", 6), ("one jump three weeks ago", 2), ("one jump yesterday", 2)],
)
def test_the_day_on_which_the_disk_is_full_is_told_three_weeks_before(kind: str, days: float) -> None:
    assert abs(error_in_days(kind)) <= days


def test_growth_is_told_apart_from_weekends_and_jumps() -> None:
    told = {kind: growth_a_day(lived(kind, TIERS, DAYS)[ASKED], UTC) / MB for kind in GROWTHS}
    assert told == {
        "linear": pytest.approx(0.5),
        "weekly pattern": pytest.approx(0.5),
        "one jump three weeks ago": pytest.approx(0.5),
        "one jump yesterday": pytest.approx(0.5),
        "no growth": 0,
    }


def test_a_new_set_that_fills_up_alarms_nobody_where_its_rules_have_room() -> None:
    world = lived("no growth", TIERS, DAYS)
    for day in (0, 0.5, 3, 14, 29):
        sizes = world[day]
        told = outlook([Stored(sizes, TIERS, EVERY)], BEGAN + day * DAY, 60 * 50 * MB - total(sizes), 100 * MB)
        assert (told.days_until_full, told.is_enough) == (math.inf, True)


def test_rules_that_keep_more_than_has_room_are_told_before_the_disk_is_full() -> None:
    world = lived("no growth", TIERS, DAYS)
    day = next(day for day, found in world.items() if len(found) == 20)
    told = outlook([Stored(world[0.5], TIERS, EVERY)], BEGAN + DAY / 2, 18 * 50 * MB, 0)
    assert not told.is_enough
    assert told.needed_bytes > told.room_bytes == 20 * 50 * MB
    assert told.days_until_full == pytest.approx(day, abs=1.5)


def test_what_a_set_may_take_bounds_the_forecast() -> None:
    bounded = Policy(5, 30, 24, 7, 4, 6, max_total_mb=300, every=EVERY)
    sizes = lived("linear", bounded, 10)[10]
    told = outlook([Stored(sizes, bounded, EVERY)], BEGAN + 10 * DAY, 1000 * MB, 0)
    assert told.needed_bytes == 300 * MB
    assert told.days_until_full > 365


def test_without_a_backup_nothing_is_foretold() -> None:
    told = outlook([Stored([], TIERS, EVERY)], BEGAN, 1, 0)
    assert (told.days_until_full, told.needed_bytes, told.room_bytes) == (math.inf, 0, 1)


def test_a_million_backups_a_second_apart_are_foretold_at_once() -> None:
    every = timedelta(seconds=1)
    policy = Policy(1_000_000, 1_000_000, keep_within_days=1_000_000, every=every)
    sizes = [Size(BEGAN - every * number, MB) for number in range(100)]
    told = outlook([Stored(sizes, policy, every)], BEGAN, 86_400 * MB - MB // 2, 0)
    assert told.days_until_full == 1
    assert outlook([Stored(sizes, policy, every)], BEGAN, 5 * 86_400 * MB, 0).days_until_full == 5
