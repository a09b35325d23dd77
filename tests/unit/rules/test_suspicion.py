from hypothesis import given
from hypothesis import strategies as st

from sidecar.rules.suspicion import baseline, losses

COUNTS = st.dictionaries(st.sampled_from(["users", "buses", "stops"]), st.integers(0, 1000))


def test_the_baseline_is_the_most_that_any_recent_backup_holds() -> None:
    assert baseline([{"users": 3, "buses": 9}, {"users": 7}, {}]) == {"users": 7, "buses": 9}


def test_a_collection_that_lost_everything_is_named_with_its_numbers() -> None:
    assert losses({"users": 12345, "buses": 1}, {"users": 0}) == (
        "buses: 0 documents, a recent backup holds 1",
        "users: 0 documents, a recent backup holds 12,345",
    )


def test_exactly_half_is_not_most_of_it() -> None:
    assert losses({"users": 100}, {"users": 50}) == ()
    assert losses({"users": 100}, {"users": 49}) == ("users: 49 documents, a recent backup holds 100",)


def test_the_half_of_a_few_documents_is_deleted_by_hand() -> None:
    assert losses({"holidays": 9}, {"holidays": 1}) == ()
    assert losses({"holidays": 10}, {"holidays": 1}) != ()


@given(COUNTS, COUNTS)
def test_nothing_is_lost_by_growing(before: dict[str, int], more: dict[str, int]) -> None:
    now = {name: count + more.get(name, 0) for name, count in before.items()}
    assert losses(baseline([before]), now | {"new": 1}) == ()


@given(st.lists(COUNTS, max_size=4))
def test_an_empty_database_loses_every_collection_that_had_documents(recent: list[dict[str, int]]) -> None:
    before = baseline(recent)
    assert len(losses(before, {})) == sum(count > 0 for count in before.values())
