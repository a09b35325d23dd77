"""How much of its memory a process keeps to itself."""

import ctypes
import os
from collections.abc import Sequence
from typing import Final

_SETTINGS: Final[Sequence[tuple[str, int, int]]] = (  # the operator's word for it, its number in glibc's malloc.h, ours
    ("MALLOC_ARENA_MAX", -8, 1),
    ("MALLOC_MMAP_THRESHOLD_", -3, 32 << 20),  # the most it takes
    ("MALLOC_TRIM_THRESHOLD_", -1, 32 << 20),
)


def arrange_memory() -> None:
    """Let all threads take memory from one arena, and keep up to 32 MB of what batches needed for the next ones.

    glibc gives each thread an arena, and each keeps what the largest batch that passed through it took: 140 MB more for
    documents of 16 MB, and twice the CPU for plain reads. And by itself it gives back a few MB after each batch, only to ask
    for them again page by page: a third of the CPU of a restore. What the operator said of one of these holds. Another C
    library has no such thing, and needs none.
    """
    if hasattr(library := ctypes.CDLL(None), "mallopt"):
        for name, number, value in _SETTINGS:
            if name not in os.environ:
                library.mallopt(number, value)
