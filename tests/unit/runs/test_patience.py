from collections.abc import Sequence

import pytest

from sidecar.errors import SidecarError, SourceStalled, SourceUnavailable, StorageFull
from sidecar.events import Listener, nobody
from sidecar.rules.schedule import pauses
from sidecar.runs.patience import patiently


class Attempts:
    """Work that fails with each of these in turn and then succeeds; remembers how long it was waited for."""

    def __init__(self, *failures: SidecarError) -> None:
        self.failures = list(failures)
        self.waited: list[float] = []

    async def do(self, _: Listener) -> str:
        if self.failures:
            raise self.failures.pop(0)
        return "done"

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


async def test_a_run_that_failed_for_a_short_outage_is_tried_again() -> None:
    attempts = Attempts(SourceUnavailable("away"), SourceStalled("hung"))
    assert await patiently(attempts.do, pauses(3600), nobody, attempts.sleep) == "done"
    assert attempts.waited == [30, 60]


async def test_an_outage_that_lasts_fails_the_run_with_the_last_reason() -> None:
    attempts = Attempts(*[SourceUnavailable(f"attempt {number}") for number in range(9)])
    with pytest.raises(SourceUnavailable, match="attempt 4"):
        await patiently(attempts.do, pauses(3600), nobody, attempts.sleep)
    assert attempts.waited == [30, 60, 120, 300]


async def test_what_will_not_pass_is_not_waited_for() -> None:
    attempts = Attempts(StorageFull("full"))
    with pytest.raises(StorageFull):
        await patiently(attempts.do, pauses(3600), nobody, attempts.sleep)
    assert attempts.waited == []


@pytest.mark.parametrize(
    ("interval_seconds", "expected"),
    [(1, []), (59, []), (60, [30]), (180, [30, 60]), (420, [30, 60, 120]), (1020, [30, 60, 120, 300])],
)
def test_no_more_than_half_the_time_to_the_next_run_is_waited(
    interval_seconds: float, expected: Sequence[float]
) -> None:
    assert list(pauses(interval_seconds)) == expected
