"""deploy/systemd as far as it can be told without running it: `make host-test` runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
MOST_EXPOSED = 15  # of 100; 10 less than what systemd itself calls OK


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a command that is there, which is all that `verify` could otherwise complain about."""
    text = (UNITS / "sidecar.service").read_text()
    copy = tmp_path / "sidecar.service"
    copy.write_text(text.replace("/usr/local/bin/sidecar", str(Path(sys.executable).with_name("sidecar"))))
    return copy


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def test_the_unit_is_one_that_systemd_takes_as_it_is(unit: Path) -> None:
    ended = analyze("verify", str(unit))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_the_unit_is_locked_down(unit: Path) -> None:
    ended = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", str(unit))
    assert ended.returncode == 0, ended.stdout


def test_the_account_of_the_unit_is_the_one_that_is_made() -> None:
    account = (UNITS / "sidecar.sysusers.conf").read_text().splitlines()[-1].split()[1]
    assert f"User={account}" in (UNITS / "sidecar.service").read_text().splitlines()
