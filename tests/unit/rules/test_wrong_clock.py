"""Whatever the clock does, it deletes no good backup by its age, and hides no outage once it is right again."""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.rules.health import WARNING_AFTER, Health
from support.wrong_clock import DAY, HOUR, POLICY, World

Event = Callable[[World], object]

MOST = 400 * 86400
POLICY_AGE = timedelta(days=POLICY.retention_days)


def jumping(seconds: int) -> Event:
    return lambda world: world.jump(timedelta(seconds=seconds))


def passing(hours: float) -> Event:
    return lambda world: world.pass_by(timedelta(hours=hours))


def set_server(*, is_up: bool) -> Event:
    return lambda world: setattr(world, "is_server_up", is_up)


events = st.one_of(
    st.integers(-MOST, MOST).map(jumping),
    st.sampled_from([-3600, 3600, 1, -1, -301, 301, 86400, -86400, 40 * 86400]).map(jumping),  # seconds, DST, a day
    st.floats(0.01, 24).map(passing),
    st.sampled_from([24 * 20, 24 * 31]).map(passing),  # a machine that was suspended: both clocks went on
    st.booleans().map(lambda is_up: set_server(is_up=is_up)),
    st.sampled_from([World.put_right, World.reboot]),
    st.just(World.back_up),
    st.just(World.back_up),
    st.just(World.prune),
)


@given(st.lists(events, min_size=25, max_size=80))
@settings(max_examples=150, deadline=None)
def test_no_backup_goes_by_its_age_before_it_is_that_old(happenings: list[Event]) -> None:
    world = World()
    for happens in happenings:
        before = len(world.made)
        happens(world)
        assert len(world.made) >= min(before, POLICY.limit) - len(world.deleted_by_age)
    early = [(one, age) for one, age in world.deleted_by_age if age < POLICY_AGE - world.unseen]
    assert early == []


@given(st.lists(events, min_size=25, max_size=80), st.integers(1, 60))
@settings(max_examples=150, deadline=None)
def test_an_outage_is_seen_as_soon_as_the_clock_is_right(happenings: list[Event], days: int) -> None:
    """Only a backup whose wrong date comes meanwhile is taken for one of that day; until then it is told of."""
    world = World()
    for happens in happenings:
        happens(world)
    world.put_right()
    world.is_server_up = False
    world.pass_by(days * DAY + 49 * HOUR)
    has_come = [one for one in world.misdated() if timedelta() <= world.wall - one.taken_at <= WARNING_AFTER]
    assert world.true_age() > WARNING_AFTER
    assert world.health() in {Health.WARNING, Health.CRITICAL} or has_come


def test_one_run_forty_days_ahead_costs_nothing() -> None:
    world = World()
    for _ in range(4):
        world.pass_by(HOUR)
        world.back_up()
    good = set(world.made)
    world.jump(40 * DAY)
    world.back_up()
    assert good < set(world.made)
    world.put_right()
    world.pass_by(HOUR)
    world.back_up()
    assert good < set(world.made)
    for _ in range(5):
        world.pass_by(HOUR)
        world.back_up()
    assert len(world.made) == POLICY.limit + 1  # the one that is dated ahead takes no place
