"""Where the system gives the process no more threads, the codec does its work in the one that asks."""

import subprocess
import sys
from typing import Final

import pytest

from sidecar.archive.choose import CHOICES

WITHOUT_THREADS: Final = """
import os, resource, sys, threading
import bson
from sidecar.archive.choose import choose_codec

codec = choose_codec(sys.argv[1])
batch = b"".join(bson.encode({"_id": number, "text": "x" * 300}) for number in range(6000))
expected = codec.encode(batch)
os.setuid(65534)  # the limit does not hold for root
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    threading.Thread(target=print).start()
except RuntimeError:
    assert codec.encode(batch) == expected
else:
    sys.exit("there are threads")
"""


@pytest.mark.parametrize("choice", CHOICES)
def test_a_batch_is_encoded_where_no_thread_can_be_started(choice: str) -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_THREADS, choice], check=True)
