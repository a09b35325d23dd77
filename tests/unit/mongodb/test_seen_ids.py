"""Finding an `_id` that came twice without remembering all of them."""

from array import array
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sidecar.mongodb.seen_ids import SeenIds

HASHES = (
    st.integers(0, 60)
    | st.sampled_from((-(1 << 63), -1, (1 << 62) - 1, (1 << 63) - 1))
    | st.integers(-(1 << 63), (1 << 63) - 1)
)


@given(st.lists(HASHES, max_size=60), st.integers(1, 7))
def test_a_repeat_is_found_wherever_it_is(ids: list[int], run_length: int) -> None:
    with SeenIds(Path("/tmp"), run_length) as seen:  # noqa: S108 - a nameless file
        for one in ids:
            seen.add(array("q", [one]))
        assert seen.has_repeats() == (len(set(ids)) != len(ids))


def test_may_be_asked_again_after_more_were_added(tmp_path: Path) -> None:
    with SeenIds(tmp_path, 4) as seen:
        seen.add(array("q", range(10)))
        assert not seen.has_repeats()
        seen.add(array("q", [3]))
        assert seen.has_repeats()


def test_leaves_no_file_behind(tmp_path: Path) -> None:
    with SeenIds(tmp_path, 4) as seen:
        seen.add(array("q", range(100)))
        assert list(tmp_path.iterdir()) == []
