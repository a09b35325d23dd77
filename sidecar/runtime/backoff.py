"""How long to wait before the next attempt after a failure."""

import random
from collections.abc import Callable
from typing import Final

_DOUBLINGS: Final = 64  # far above every cap; weeks of failures must not overflow a float


def pause_seconds(failures: int, first: float, most: float, chance: Callable[[], float] = random.random) -> float:
    """Return the pause after so many failures in a row: it doubles each time up to `most`, and 50 to 100 % of it is used.

    The share is random, so that several clients that failed together do not come back together.
    """
    return min(first * 2.0 ** min(failures - 1, _DOUBLINGS), most) * (0.5 + chance() / 2)
