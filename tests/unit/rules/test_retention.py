from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model import BackupId
from sidecar.rules.reach import expected
from sidecar.rules.retention import Candidate, Decision, Policy, Rule, Steadiness, is_held, judge

NOW = datetime(2025, 11, 17, 15, 0, tzinfo=UTC)
DEFAULT = Policy(limit=5, retention_days=30)


def an_id(age: timedelta) -> BackupId:
    return BackupId.at("seed_backup", NOW - age)


def a_backup(age: timedelta, *, is_valid: bool = True, is_pinned: bool = False, is_in_use: bool = False) -> Candidate:
    return Candidate(an_id(age), is_valid=is_valid, is_pinned=is_pinned, is_in_use=is_in_use)


def valid_one(backup_id: BackupId) -> Candidate:
    return Candidate(backup_id, is_valid=True, is_pinned=False, is_in_use=False)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def days(count: float) -> timedelta:
    return timedelta(days=count)


def kept(decisions: Sequence[Decision]) -> list[BackupId]:
    return [one.id for one in decisions if one.keep]


def test_one_made_before_a_restore_neither_counts_nor_stands_in_for_a_backup_of_the_set() -> None:
    safety = Candidate(an_id(days(1)), is_valid=True, is_pinned=False, is_in_use=False, is_safety=True)
    old_safety = Candidate(an_id(days(40)), is_valid=True, is_pinned=False, is_in_use=False, is_safety=True)
    whole = a_backup(days(2))
    judged = {one.id: (one.keep, one.reason) for one in judge([safety, whole, old_safety], Policy(1, 30), NOW)}
    assert judged == {
        safety.id: (True, "made before a restore, kept until it is too old"),
        whole.id: (True, "the newest valid backup"),
        old_safety.id: (False, "older than 30 days"),
    }
    assert [one.keep for one in judge([old_safety], Policy(1, 30), NOW)] == [True]


def suspect(age: timedelta) -> Candidate:
    return Candidate(an_id(age), is_valid=True, is_pinned=False, is_in_use=False, is_suspect=True)


def test_nothing_goes_while_the_newest_valid_backup_is_suspect() -> None:
    good = [a_backup(hours(age)) for age in range(1, 9)]
    judged = judge([suspect(hours(0)), *good, a_backup(days(90), is_valid=False)], Policy(1, 30), NOW)
    assert {(one.keep, one.reason) for one in judged} == {
        (True, f"{an_id(hours(0))} is suspect: nothing goes until it is confirmed or the data is back")
    }


def test_when_the_data_is_back_the_suspect_ones_push_out_only_one_another() -> None:
    back, good = a_backup(hours(0)), [a_backup(hours(age)) for age in (20, 21, 22)]
    doubted = [suspect(hours(age)) for age in range(1, 15)]
    assert kept(judge([back, *doubted, *good], Policy(2, 30), NOW)) == [
        an_id(hours(0)),
        an_id(hours(1)),
        an_id(hours(2)),
        an_id(hours(20)),
    ]


def test_the_sixth_newest_goes_where_five_are_kept() -> None:
    decisions = judge([a_backup(hours(age)) for age in range(6)], DEFAULT, NOW)

    assert decisions == [
        Decision(an_id(hours(0)), keep=True, reason="the newest valid backup", expires_at=None, rules=(Rule.NEWEST,)),
        *(
            Decision(
                an_id(hours(age)),
                keep=True,
                reason=f"number {age + 1} of 5",
                expires_at=NOW - hours(age) + days(30),
                rules=(Rule.LAST,),
            )
            for age in range(1, 5)
        ),
        Decision(an_id(hours(5)), keep=False, reason="number 6 of the valid backups, 5 are kept", expires_at=None),
    ]


def test_the_newest_valid_backup_stays_however_old_it_is() -> None:
    ancient = a_backup(days(400))
    broken = a_backup(hours(1), is_valid=False)

    assert judge([ancient, broken], DEFAULT, NOW) == [
        Decision(
            broken.id,
            keep=True,
            reason="invalid, kept until it is too old",
            expires_at=NOW - hours(1) + days(30),
            rules=(Rule.AGE,),
        ),
        Decision(ancient.id, keep=True, reason="the newest valid backup", expires_at=None, rules=(Rule.NEWEST,)),
    ]


def test_a_backup_goes_once_it_is_older_than_the_retention_and_not_a_second_before() -> None:
    newest, on_the_day, over = a_backup(hours(1)), a_backup(days(30)), a_backup(days(30) + timedelta(seconds=1))

    assert judge([newest, on_the_day, over], DEFAULT, NOW)[1:] == [
        Decision(on_the_day.id, keep=True, reason="number 2 of 5", expires_at=NOW, rules=(Rule.LAST,)),
        Decision(over.id, keep=False, reason="older than 30 days", expires_at=NOW - timedelta(seconds=1)),
    ]


def test_a_pinned_backup_stays_and_takes_no_place() -> None:
    pinned = a_backup(days(99), is_pinned=True)
    pinned_broken = a_backup(days(98), is_valid=False, is_pinned=True)
    middle_pinned = a_backup(hours(2), is_pinned=True)
    plain = [a_backup(hours(1)), a_backup(hours(3))]

    assert judge([pinned, pinned_broken, middle_pinned, *plain], Policy(limit=2, retention_days=30), NOW) == [
        Decision(plain[0].id, keep=True, reason="the newest valid backup", expires_at=None, rules=(Rule.NEWEST,)),
        Decision(middle_pinned.id, keep=True, reason="pinned", expires_at=None, rules=(Rule.PINNED,)),
        Decision(
            plain[1].id, keep=True, reason="number 2 of 2", expires_at=NOW - hours(3) + days(30), rules=(Rule.LAST,)
        ),
        Decision(pinned_broken.id, keep=True, reason="pinned", expires_at=None, rules=(Rule.PINNED,)),
        Decision(pinned.id, keep=True, reason="pinned", expires_at=None, rules=(Rule.PINNED,)),
    ]


def test_a_backup_that_is_in_use_waits_and_says_what_comes_then() -> None:
    newest = a_backup(hours(1))
    over_the_limit = a_backup(hours(2), is_in_use=True)
    too_old = a_backup(days(31), is_valid=False, is_in_use=True)

    assert judge([newest, over_the_limit, too_old], Policy(limit=1, retention_days=30), NOW)[1:] == [
        Decision(
            over_the_limit.id,
            keep=True,
            reason="in use; then: number 2 of the valid backups, 1 are kept",
            expires_at=None,
            rules=(Rule.IN_USE,),
        ),
        Decision(
            too_old.id,
            keep=True,
            reason="in use; then: older than 30 days",
            expires_at=NOW - days(1),
            rules=(Rule.IN_USE,),
        ),
    ]


def test_an_invalid_backup_takes_no_place_and_goes_by_age() -> None:
    broken = [a_backup(hours(age), is_valid=False) for age in (1, 3, 5)]
    valid = [a_backup(hours(age)) for age in (2, 4)]
    old_and_broken = a_backup(days(31), is_valid=False)

    decisions = judge([*broken, *valid, old_and_broken], Policy(limit=2, retention_days=30), NOW)

    assert [one.id for one in decisions if not one.keep] == [old_and_broken.id]


def test_invalid_backups_stay_at_any_age_while_nothing_valid_exists() -> None:
    broken = a_backup(days(400), is_valid=False)

    assert judge([broken], DEFAULT, NOW) == [
        Decision(
            broken.id, keep=True, reason="there is no valid backup", expires_at=None, rules=(Rule.ALL_THAT_IS_LEFT,)
        )
    ]


def ahead(by: timedelta, **facts: bool) -> Candidate:
    return replace(a_backup(-by, **facts), is_ahead=True)


def test_what_is_dated_ahead_takes_no_place_is_not_the_newest_and_stays_until_its_time_has_come() -> None:
    wrong, good = [ahead(days(age)) for age in (40, 41)], [a_backup(hours(age)) for age in range(1, 4)]
    assert judge([*wrong, *good], Policy(2, 30), NOW) == [
        Decision(
            wrong[1].id,
            keep=True,
            reason="dated ahead of now, takes no place",
            expires_at=NOW + days(71),
            rules=(Rule.AHEAD,),
        ),
        Decision(
            wrong[0].id,
            keep=True,
            reason="dated ahead of now, takes no place",
            expires_at=NOW + days(70),
            rules=(Rule.AHEAD,),
        ),
        Decision(good[0].id, keep=True, reason="the newest valid backup", expires_at=None, rules=(Rule.NEWEST,)),
        Decision(
            good[1].id, keep=True, reason="number 2 of 2", expires_at=NOW - hours(2) + days(30), rules=(Rule.LAST,)
        ),
        Decision(good[2].id, keep=False, reason="number 3 of the valid backups, 2 are kept", expires_at=None),
    ]
    assert judge(wrong, Policy(2, 30), NOW)[0] == Decision(
        wrong[1].id, keep=True, reason="there is no valid backup", expires_at=None, rules=(Rule.ALL_THAT_IS_LEFT,)
    )
    late = judge([*wrong, *good], Policy(2, 30), NOW + days(72))
    assert {one.id: one.reason for one in late if not one.keep}.keys() >= {one.id for one in wrong}


def test_a_suspect_one_that_is_dated_ahead_holds_nothing() -> None:
    wrong = replace(ahead(days(1)), is_suspect=True)
    assert not is_held([wrong, a_backup(hours(1))])
    assert is_held([suspect(hours(0)), a_backup(hours(1))])


def test_age_counts_from_when_the_clock_was_set() -> None:
    newest, old, since = a_backup(hours(1)), a_backup(days(40)), NOW - days(2)
    told = "number 2 of 5; its age counts from 2025-11-15 15:00 UTC, when the clock was set"
    assert judge([newest, old], DEFAULT, NOW, Steadiness(since))[1] == Decision(
        old.id, keep=True, reason=told, expires_at=since + days(30), rules=(Rule.LAST,)
    )
    assert judge([newest, old], DEFAULT, since + days(30) + timedelta(seconds=1), Steadiness(since))[1] == Decision(
        old.id, keep=False, reason="older than 30 days", expires_at=since + days(30)
    )


def test_nothing_goes_by_age_while_the_clock_is_in_doubt_but_the_count_goes_on() -> None:
    candidates = [a_backup(hours(age)) for age in range(3)] + [a_backup(days(40), is_valid=False)]
    decisions = judge(candidates, Policy(2, 30), NOW, Steadiness(doubt="the clocks differ"))
    assert [(one.keep, one.reason) for one in decisions[2:]] == [
        (False, "number 3 of the valid backups, 2 are kept"),
        (True, "older than 30 days, but nothing goes by age: the clocks differ"),
    ]


def test_a_date_past_the_end_of_the_calendar_never_expires() -> None:
    late = [valid_one(BackupId(datetime(9999, 12, day, tzinfo=UTC), "seed_backup")) for day in (30, 31)]

    assert judge(late, DEFAULT, NOW)[1] == Decision(
        late[0].id, keep=True, reason="number 2 of 5", expires_at=None, rules=(Rule.LAST,)
    )


def test_backups_of_one_second_are_told_apart_by_their_prefix() -> None:
    first, second = (valid_one(BackupId(NOW, prefix)) for prefix in ("a", "b"))

    assert kept(judge([first, second], Policy(limit=1, retention_days=30), NOW)) == [second.id]


def test_nothing_to_judge_is_no_decision() -> None:
    assert judge([], DEFAULT, NOW) == []


candidates = st.lists(
    st.builds(
        Candidate,
        id=st.builds(an_id, st.integers(-100, 2000).map(hours)),
        is_valid=st.booleans(),
        is_pinned=st.booleans(),
        is_in_use=st.booleans(),
    ),
    max_size=20,
    unique_by=lambda one: one.id,
)
policies = st.builds(Policy, limit=st.integers(1, 8), retention_days=st.integers(1, 60))


@given(candidates, policies)
def test_the_newest_valid_one_and_whatever_is_pinned_or_being_read_always_stay(
    stored: list[Candidate], policy: Policy
) -> None:
    newest_valid = {max(one.id for one in stored if one.is_valid)} if any(one.is_valid for one in stored) else set()
    held = {one.id for one in stored if one.is_pinned or one.is_in_use}

    assert newest_valid | held <= set(kept(judge(stored, policy, NOW)))


@given(candidates, policies, st.randoms(use_true_random=False))
def test_the_order_of_the_input_makes_no_difference(stored: list[Candidate], policy: Policy, random: Random) -> None:
    shuffled = stored.copy()
    random.shuffle(shuffled)

    assert judge(shuffled, policy, NOW) == judge(stored, policy, NOW)


@given(candidates, policies)
def test_judging_the_survivors_again_removes_nothing_more(stored: list[Candidate], policy: Policy) -> None:
    survivors = kept(judge(stored, policy, NOW))

    assert kept(judge([one for one in stored if one.id in survivors], policy, NOW)) == survivors


@given(candidates, policies)
def test_no_more_valid_backups_stay_than_the_limit_unless_pinned_or_being_read(
    stored: list[Candidate], policy: Policy
) -> None:
    survivors = set(kept(judge(stored, policy, NOW)))
    counted = [one for one in stored if one.is_valid and not one.is_pinned and not one.is_in_use]

    assert sum(one.id in survivors for one in counted) <= policy.limit


@given(candidates, policies)
def test_a_higher_limit_removes_nothing_that_a_lower_one_keeps(stored: list[Candidate], policy: Policy) -> None:
    wider = Policy(policy.limit + 1, policy.retention_days)

    assert set(kept(judge(stored, policy, NOW))) <= set(kept(judge(stored, wider, NOW)))


@pytest.mark.parametrize(
    ("known", "number"),
    [
        (hours(0), 0),
        (timedelta(minutes=59), 0),
        (hours(1), 1),
        (hours(4.5), 4),
        (days(400), 5),
        (-hours(1), 0),  # the clock was set back
    ],
)
def test_as_many_backups_are_expected_as_there_were_due_times_up_to_the_limit(known: timedelta, number: int) -> None:
    assert expected(DEFAULT, 3600, known.total_seconds(), NOW) == number


def test_no_more_backups_are_expected_than_are_not_too_old() -> None:
    daily, monthly = days(1).total_seconds(), days(31).total_seconds()
    year = days(365).total_seconds()
    assert expected(Policy(limit=100, retention_days=30), daily, year, NOW) == 30
    assert expected(Policy(limit=100, retention_days=30), monthly, year, NOW) == 1  # the newest is never too old
