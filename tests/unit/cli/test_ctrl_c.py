"""Ctrl-C while a thread waits for a disk that does not answer, and that nothing can call off."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.patience import PATIENCE_SECONDS

WAITING = """
import time
from sidecar.cli import running
from sidecar.runtime.threads import in_thread

def wait():
    print("waits", flush=True)
    time.sleep(600)

async def use(service):
    await in_thread(wait)

running.run(use, **{options})
"""


@pytest.mark.parametrize("options", [{}, {"interrupted": "nothing is lost", "cleans_up_within": 0.5}])
def test_ctrl_c_ends_a_command_whose_thread_waits_for_a_disk(options: dict[str, object], tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING.replace("{options}", repr(options))],
        env={"PATH": os.environ["PATH"], "BACKUP_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    with process, process.stdout as said:
        assert said.readline() == b"waits\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 130
