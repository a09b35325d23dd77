"""Memory of threads, as glibc counts it."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ctypes, sys, threading
from sidecar.runtime.memory import arrange_memory

arrange_memory()
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


BATCHES = """
import resource
from sidecar.runtime.memory import arrange_memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

arrange_memory()
for _ in range(20):
    batches = [b"b" * (3 << 20) for _ in range(5)]
    del batches
    if not _:
        first, small = faults(), resident()
large = [b"d" * (16 << 20) for _ in range(5)]
del large
print(faults() - first - 5 * (16 << 20) // resource.getpagesize(), resident() - small)
"""


def test_what_batches_need_is_kept_for_the_next_and_more_than_32_mb_is_given_back() -> None:
    ended = subprocess.run([sys.executable, "-c", BATCHES], check=True, stdout=subprocess.PIPE, text=True, env={})

    faults, kept_bytes = map(int, ended.stdout.split())
    assert faults < 2000  # giving it back each time takes 70,000
    assert kept_bytes < 32 << 20  # of 80 MB
