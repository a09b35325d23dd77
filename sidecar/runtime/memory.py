"""Tune glibc's memory allocator for large batches."""

import ctypes
import os
from collections.abc import Sequence
from typing import Final

_SETTINGS: Final[Sequence[tuple[str, int, int]]] = (  # variable for operators, number in glibc's malloc.h, our value
    ("MALLOC_ARENA_MAX", -8, 1),
    ("MALLOC_MMAP_THRESHOLD_", -3, 32 << 20),  # the most it takes
    ("MALLOC_TRIM_THRESHOLD_", -1, 32 << 20),
)


def arrange_memory() -> None:
    """Let all threads take memory from one arena, and keep up to 32 MB of freed memory for the next batches.

    By default glibc gives each thread an arena, and each arena keeps as much as its largest batch took: 140 MB more for
    documents of 16 MB, and twice the CPU for plain reads. It also returns a few MB to the kernel after each batch, only to
    fetch them again page by page: a third of the CPU of a restore. An environment variable of the operator takes
    precedence. Other C libraries do not have these settings and do not need them.
    """
    if hasattr(library := ctypes.CDLL(None), "mallopt"):
        for name, number, value in _SETTINGS:
            if name not in os.environ:
                library.mallopt(number, value)
