"""Which signals end a command in order, by what whoever started it had said of them."""

import subprocess
import sys

import pytest

ASKED = "from sidecar.cli.looking import ending; print(*map(int, ending()))"


@pytest.mark.parametrize(
    ("ignored", "heeded"),
    [("", "15 2 1"), ("HUP", "15 2"), ("INT", "15 2 1"), ("TERM", "15 2 1")],
)
def test_only_nohup_keeps_a_signal_from_ending_us(ignored: str, heeded: str) -> None:
    line = f"trap '' {ignored}; exec \"$@\"" if ignored else 'exec "$@"'
    done = subprocess.run(
        ["sh", "-c", line, "sh", sys.executable, "-c", ASKED], capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == heeded
