"""Memory of threads, as glibc counts it."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ctypes, sys, threading
from sidecar.runtime.memory import share_one_arena

share_one_arena()
barrier = threading.Barrier(6)

def take():
    taken = [bytearray(100_000) for _ in range(9)]
    barrier.wait()
    barrier.wait()

threads = [threading.Thread(target=take) for _ in range(5)]
for thread in threads:
    thread.start()
barrier.wait()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
barrier.wait()
"""


@pytest.mark.parametrize(("variables", "expected"), [({}, {1}), ({"MALLOC_ARENA_MAX": "3"}, {2, 3})])
def test_all_threads_share_one_arena_unless_the_operator_says_how_many(
    tmp_path: Path, variables: dict[str, str], expected: set[int]
) -> None:
    found = tmp_path / "malloc.xml"

    subprocess.run([sys.executable, "-c", PROGRAM, str(found)], check=True, env=variables)

    assert found.read_text().count("<heap nr=") in expected
