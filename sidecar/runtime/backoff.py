"""How long to wait before the next attempt after a failure."""

import random
from collections.abc import Callable


def pause_seconds(failures: int, first: float, most: float, chance: Callable[[], float] = random.random) -> float:
    """After so many failures in a row: doubled each time up to a cap, and never the same for two who failed together."""
    return min(first * 2.0 ** (failures - 1), most) * (0.5 + chance() / 2)
