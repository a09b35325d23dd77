"""Retention by hours, days, weeks, months and years, over ten years of calendars with their clock changes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.model import MB, BackupId
from sidecar.rules.retention import Candidate, Decision, Policy, Rule, Steadiness, judge
from sidecar.rules.tiers import TIERS, Tier

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)  # a Wednesday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZONES = (
    BERLIN,
    ZoneInfo("UTC"),
    ZoneInfo("America/Sao_Paulo"),
    ZoneInfo("Australia/Lord_Howe"),
    ZoneInfo("Pacific/Apia"),
)
RECOMMENDED = Policy(5, 30, keep_hourly=24, keep_daily=7, keep_weekly=4, keep_monthly=6, zone=BERLIN, every=HOUR)


def valid(taken_at: datetime) -> Candidate:
    return Candidate(BackupId.at("seed_backup", taken_at), is_valid=True, is_pinned=False, is_in_use=False)


def kept(decisions: Iterable[Decision]) -> list[BackupId]:
    return [one.id for one in decisions if one.keep]


def kept_by(decisions: Iterable[Decision], rule: Rule) -> list[datetime]:
    return [one.id.taken_at for one in decisions if rule in one.rules]


def run(policy: Policy, dues: Iterable[datetime]) -> tuple[list[Decision], datetime]:
    """What is there, and as it is judged, when each of these runs succeeded and was followed by retention."""
    there: list[Candidate] = []
    decided: list[Decision] = []
    for now in dues:
        decided = judge([*there, valid(now)], policy, now)
        there = [valid(one.taken_at) for one in kept(decided)]
    return decided, now


def hourly(days: float, until: datetime = NOW) -> Iterator[datetime]:
    return (until - HOUR * number for number in range(int(days * 24), -1, -1))


def test_hourly_backups_of_three_weeks_leave_hours_days_and_weeks() -> None:
    policy = Policy(2, 30, keep_hourly=3, keep_daily=3, keep_weekly=3, zone=BERLIN, every=HOUR)
    decided, _ = run(policy, hourly(21))
    told = [
        (f"{one.id.taken_at:%a %d %H:%M}", one.reason, one.expires_at and f"{one.expires_at:%a %d %H:%M}")
        for one in decided
    ]
    assert told == [
        ("Wed 18 15:00", "the newest valid backup", None),
        ("Wed 18 14:00", "number 2 of 2, hourly 2 of 3", "Wed 18 17:00"),
        ("Wed 18 13:00", "hourly 3 of 3", "Wed 18 16:00"),
        ("Wed 18 12:00", "number 4 of the valid backups, 2 are kept, and no other rule keeps it", None),
        ("Tue 17 22:00", "daily 2 of 3", "Thu 19 23:00"),
        ("Mon 16 22:00", "daily 3 of 3", "Wed 18 23:00"),
        ("Sun 15 22:00", "weekly 2 of 3", "Sun 29 23:00"),
        ("Sun 08 22:00", "weekly 3 of 3", "Sun 22 23:00"),
    ]


def test_a_day_is_represented_by_its_last_backup_and_not_by_its_first() -> None:
    """One that is kept for the day early on gives way, so that the day's work is in what is kept of it."""
    policy = Policy(1, 30, keep_daily=7, zone=BERLIN)
    decided, _ = run(policy, hourly(10))
    assert kept_by(decided, Rule.DAILY) == [NOW.replace(hour=22) - DAY * age for age in range(1, 7)]


def test_hours_do_not_take_the_days_places() -> None:
    policy = Policy(1, 30, keep_hourly=30, keep_daily=4)
    decided, _ = run(policy, hourly(10))
    assert len(kept_by(decided, Rule.DAILY)) == 3  # and the newest backup, which is today's
    assert len(kept_by(decided, Rule.HOURLY)) == 29


def test_an_outage_of_months_costs_no_bucket() -> None:
    policy = Policy(1, 30, keep_daily=3, keep_weekly=2, zone=BERLIN)
    long_ago = NOW - 200 * DAY
    decided, _ = run(policy, [*hourly(21, long_ago), NOW])
    assert len(kept_by(decided, Rule.DAILY)) == 2
    assert max(kept_by(decided, Rule.DAILY)) == long_ago


def test_an_hour_that_comes_twice_is_two_hours_and_a_day_of_25_hours_is_one_day() -> None:
    changed = datetime(2026, 10, 25, 4, 0, tzinfo=UTC)  # in Berlin it was 3 o'clock twice
    decided, _ = run(Policy(1, 30, keep_hourly=6, zone=BERLIN), hourly(1, changed))
    assert [one.hour for one in kept_by(decided, Rule.HOURLY)] == [3, 2, 1, 0, 23]
    decided, _ = run(Policy(1, 30, keep_daily=3, zone=BERLIN), hourly(4, changed + DAY))
    days = [one.astimezone(BERLIN) for one in kept_by(decided, Rule.DAILY)]
    assert [(one.day, one.hour) for one in days] == [(25, 23), (24, 23)]


def test_everything_that_is_young_enough_stays_and_the_age_counts_by_a_clock_that_goes_on_evenly() -> None:
    policy = Policy(1, 1, keep_within_days=3)
    there = [valid(NOW - HOUR * age) for age in (0, 24, 71, 72, 73)]
    assert len(kept(judge(there, policy, NOW))) == 4
    assert len(kept(judge(there, policy, NOW, Steadiness(since=NOW - HOUR)))) == 5
    assert len(kept(judge(there, policy, NOW, Steadiness(doubt="the clocks differ")))) == 5


def test_what_a_set_may_take_bounds_what_is_kept_but_for_what_always_stays() -> None:
    policy = Policy(10, 30, keep_daily=7, max_total_mb=3)
    sizes = [replace(valid(NOW - HOUR * age), size_bytes=MB) for age in range(6)]
    broken = replace(valid(NOW - HOUR / 2), is_valid=False, size_bytes=MB)
    pinned = replace(sizes[5], is_pinned=True)
    decided = judge([*sizes[:5], pinned, broken], policy, NOW)
    assert kept(decided) == [sizes[0].id, sizes[1].id, pinned.id]
    assert {one.reason for one in decided if not one.keep} == {"there is no room for it: the set may take 3 MiB"}
    assert kept(judge([replace(one, size_bytes=9 * MB) for one in sizes], policy, NOW)) == [sizes[0].id]


def test_suspect_backups_have_buckets_of_their_own() -> None:
    policy = Policy(1, 30, keep_daily=2)
    good = [valid(NOW - HOUR * age) for age in (0, 26, 50)]
    suspect = [replace(valid(NOW - HOUR * age), is_suspect=True) for age in (1, 2, 25, 49)]
    assert kept(judge([*good, *suspect], policy, NOW)) == [good[0].id, suspect[0].id, suspect[2].id, good[1].id]


# -- properties --------------------------------------------------------------------------------------------------------

COUNTS = ("limit", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly", "keep_within_days")
few = st.integers(0, 4)
policies = st.builds(
    Policy,
    limit=st.integers(1, 5),
    retention_days=st.integers(1, 60),
    keep_hourly=few,
    keep_daily=few,
    keep_weekly=few,
    keep_monthly=few,
    keep_yearly=few,
    keep_within_days=st.sampled_from([0, 0, 3, 90]),
    zone=st.sampled_from(ZONES),
)
ages = st.one_of(  # many in one bucket, and few over ten years
    st.integers(-4, 3 * 60).map(lambda minutes: timedelta(minutes=minutes)),
    st.integers(0, 24 * 40).map(lambda hours: timedelta(hours=hours)),
    st.integers(0, 3653).map(lambda days: timedelta(days=days)),
)
backups = st.lists(
    st.builds(
        Candidate,
        id=ages.map(lambda age: BackupId.at("seed_backup", NOW - age)),
        is_valid=st.sampled_from([True, True, True, False]),
        is_pinned=st.sampled_from([False, False, False, True]),
        is_in_use=st.sampled_from([False]),
        is_safety=st.sampled_from([False, False, False, True]),
        is_suspect=st.sampled_from([False, False, False, True]),
        is_ahead=st.sampled_from([False]),
        size_bytes=st.integers(0, 3 * MB),
    ),
    max_size=30,
    unique_by=lambda one: one.id,
)


@given(backups, policies, st.sampled_from(COUNTS), st.integers(1, 3))
def test_one_more_rule_never_lets_go_what_is_kept_without_it(
    there: list[Candidate], policy: Policy, name: str, more: int
) -> None:
    wider = replace(policy, **{name: getattr(policy, name) + more})
    assert set(kept(judge(there, policy, NOW))) <= set(kept(judge(there, wider, NOW)))


@given(backups, policies)
def test_a_bucket_never_loses_its_last_restorable_backup(there: list[Candidate], policy: Policy) -> None:
    decided = judge(there, policy, NOW)
    assert losses(there, decided, policy) == []


def losses(there: Sequence[Candidate], decided: Sequence[Decision], policy: Policy) -> list[tuple[BackupId, Rule]]:
    """What goes although its bucket is one of those that are kept and nothing newer is kept of it."""
    stays = set(kept(decided))
    alike = {
        suspect: [one.id for one in there if one.counts and one.is_suspect is suspect] for suspect in (False, True)
    }
    found = []
    for one in there:
        if not one.counts or one.id in stays:
            continue
        for tier, count in policy.tiers():
            newer = {
                bucket(tier, other, policy) for other in alike[one.is_suspect] if other in stays and other > one.id
            }
            if bucket(tier, one.id, policy) not in newer and len(newer) < count:
                found.append((one.id, tier.rule))
    return found


def bucket(tier: Tier, one: BackupId, policy: Policy) -> datetime:
    return tier.begins(one.taken_at, policy.zone)


@given(backups, policies, st.randoms(use_true_random=False))
def test_the_order_of_the_input_makes_no_difference(there: list[Candidate], policy: Policy, random: Random) -> None:
    bounded = replace(policy, max_total_mb=10)
    shuffled = there.copy()
    random.shuffle(shuffled)
    assert judge(shuffled, bounded, NOW) == judge(there, bounded, NOW)


@given(backups, policies, st.integers(0, 24 * 60))
def test_a_tier_keeps_the_same_ones_whatever_hour_it_is_asked(
    there: list[Candidate], policy: Policy, minutes: int
) -> None:
    later = NOW + timedelta(minutes=minutes)
    asked = [judge(there, replace(policy, limit=1, keep_within_days=0), moment) for moment in (NOW, later)]
    for tier in TIERS:
        assert kept_by(asked[0], tier.rule) == kept_by(asked[1], tier.rule)


@given(backups, policies, st.sampled_from([0.0, 5.0]))
def test_judging_the_survivors_again_lets_nothing_more_go(there: list[Candidate], policy: Policy, bound: float) -> None:
    bounded = replace(policy, max_total_mb=bound)
    survivors = kept(judge(there, bounded, NOW))
    assert kept(judge([one for one in there if one.id in survivors], bounded, NOW)) == survivors


@given(backups, st.integers(1, 8), st.integers(1, 60))
def test_without_tiers_the_rule_is_so_many_of_the_newest_for_so_many_days(
    there: list[Candidate], limit: int, days: int
) -> None:
    plain = [replace(one, is_pinned=False, is_safety=False, is_suspect=False) for one in there]
    newest_first = sorted((one.id for one in plain if one.is_valid), reverse=True)
    young = [one.id for one in plain if one.id.taken_at >= NOW - days * DAY]
    expected = {*newest_first[:1], *(one for one in newest_first[:limit] if one in young)}
    expected |= {one.id for one in plain if not one.is_valid and (one.id in young or not newest_first)}
    assert set(kept(judge(plain, Policy(limit, days), NOW))) == expected


@given(backups, policies, st.integers(1, 9))
def test_a_bound_is_held_but_for_what_always_stays(there: list[Candidate], policy: Policy, bound: int) -> None:
    decided = judge(there, replace(policy, max_total_mb=bound), NOW)
    always = {Rule.HELD, Rule.NEWEST, Rule.PINNED, Rule.ALL_THAT_IS_LEFT, Rule.AHEAD}
    sizes = {one.id: one.size_bytes for one in there}
    free = sum(sizes[one.id] for one in decided if one.keep and not always & set(one.rules))
    fixed = sum(sizes[one.id] for one in decided if one.keep and always & set(one.rules))
    assert free == 0 or fixed + free <= bound * MB


@pytest.mark.parametrize("every", [HOUR, timedelta(hours=6), DAY, timedelta(days=3)])
def test_each_backup_goes_when_it_was_said_to_go(every: timedelta) -> None:
    policy = Policy(3, 30, keep_hourly=4, keep_daily=3, keep_weekly=2, keep_monthly=2, zone=BERLIN, every=every)
    dues = [NOW - every * number for number in range(int(70 * DAY / every) if every >= DAY / 4 else 24 * 12, -1, -1)]
    said: dict[BackupId, datetime | None] = {}
    there: list[Candidate] = []
    for now in dues:
        decided = judge([*there, valid(now)], policy, now)
        for one in decided:
            if one.keep:
                said[one.id] = one.expires_at
            elif (told := said[one.id]) is not None:
                assert told <= now < told + every, one
        there = [valid(one.taken_at) for one in kept(decided)]
    assert len(said) == len(dues)


# -- ten years ---------------------------------------------------------------------------------------------------------


def ten_years(random: Random, policy: Policy, steps: Sequence[timedelta]) -> int:
    """Runs, outages, damage, suspicion and a clock that is set back; nothing is lost that a rule should have kept."""
    now, end, there, runs = NOW, NOW + 3653 * DAY, dict[BackupId, Candidate](), 0
    while now < end:
        now += random.choices(steps, [60, 20, 15, 1])[0]
        wall = now - random.choice([timedelta(), timedelta(), timedelta(), 2 * HOUR, 20 * DAY]) * (
            random.random() < 0.02
        )
        made = replace(valid(wall), is_valid=random.random() > 0.05, is_suspect=random.random() < 0.03)
        there.setdefault(made.id, made)
        for one in random.sample(sorted(there), min(len(there), random.random() < 0.01)):
            there[one] = replace(there[one], is_valid=False)
        judged = [
            replace(one, is_ahead=one.id.taken_at > wall + timedelta(minutes=5), is_in_use=one.id == made.id)
            for one in there.values()
        ]
        decided = judge(judged, policy, wall)
        assert losses(judged, decided, policy) == []
        there = {one: there[one] for one in kept(decided)}
        runs += 1
    return runs


def test_ten_years_of_outages_damage_and_wrong_clocks_lose_nothing_that_is_to_be_kept() -> None:
    steps = (2 * DAY, 5 * DAY, 12 * DAY, 90 * DAY)
    assert ten_years(Random(7), replace(RECOMMENDED, keep_yearly=5), steps) > 500


@pytest.mark.chaos
@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32), policies)
def test_a_hundred_times_ten_years(seed: int, policy: Policy) -> None:
    random = Random(seed)
    steps = (timedelta(minutes=random.randint(20, 600)), DAY, 3 * DAY, 60 * DAY)
    assert ten_years(random, policy, steps) > 300
