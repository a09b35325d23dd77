"""Reading at a limited rate: pauses by a clock that the test moves."""

from dataclasses import dataclass

import pytest

from sidecar.events import Progressed
from sidecar.model import MB
from sidecar.runtime.pace import Pace, paced


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_pauses_until_the_average_is_at_the_limit() -> None:
    clock = Clock()
    pace = Pace(10, clock)
    assert pace.pause_seconds(5 * MB) == pytest.approx(0.5)
    clock.now += 2  # slower than the limit by itself
    assert pace.pause_seconds(5 * MB) == 0
    assert pace.pause_seconds(15 * MB) == pytest.approx(0.5)


def test_without_a_limit_never_pauses() -> None:
    assert Pace(None, Clock()).pause_seconds(10**15) == 0


def test_every_byte_of_every_step_counts_once() -> None:
    clock, heard = Clock(), list[Progressed]()
    listen = paced(heard.append, Pace(1, clock), clock.sleep)
    steps = [
        Progressed("hash", "", 0, 1 * MB, 0),
        Progressed("hash", "", 0, 3 * MB, 0),
        Progressed("verify", "users", 9, 2 * MB, 9),
        Progressed("verify", "buses", 1, 1 * MB, 1),
        Progressed("hash", "", 0, 2 * MB, 0),  # the next backup
        Progressed("hash", "", 0, 1 * MB, 0),  # and one that begins as the one before it did
    ]
    for step in steps:
        listen(step)
    assert heard == steps
    assert clock.now - 100 == pytest.approx(3 + 2 + 1 + 2 + 1)
