"""How long to wait before the next attempt after a failure."""

import random
from collections.abc import Callable
from typing import Final

_DOUBLINGS: Final = 64  # beyond every cap; a place that is away for weeks must not make a number too large for a float


def pause_seconds(failures: int, first: float, most: float, chance: Callable[[], float] = random.random) -> float:
    """After so many failures in a row: doubled each time up to a cap, and never the same for two who failed together."""
    return min(first * 2.0 ** min(failures - 1, _DOUBLINGS), most) * (0.5 + chance() / 2)
