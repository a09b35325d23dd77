"""Pauses between attempts."""

import pytest

from sidecar.runtime.backoff import pause_seconds


def test_a_pause_doubles_with_each_failure_up_to_a_cap_and_is_shortened_by_chance_to_no_less_than_its_half() -> None:
    longest = [pause_seconds(failures, 5, 60, lambda: 1) for failures in (1, 2, 3, 4, 5, 6, 1000, 100_000)]
    shortest = [pause_seconds(failures, 5, 60, lambda: 0) for failures in (1, 2, 3, 4, 5, 6, 1000, 100_000)]
    assert longest == pytest.approx([5, 10, 20, 40, 60, 60, 60, 60])
    assert shortest == pytest.approx([one / 2 for one in longest])
