"""The Dockerfile and what it is built from, as far as that can be told without building: `make image-test` builds it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_linter_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    ended = subprocess.run(
        [hadolint, "--failure-threshold=style", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "")


def test_commands_are_in_exec_form_since_a_shell_would_keep_sigterm_to_itself() -> None:
    text = (ROOT / "Dockerfile").read_text()
    commands = re.findall(r"\b(?:CMD|ENTRYPOINT)\b (.*)", text)
    assert commands == ['["sidecar", "healthcheck"]', '["sidecar"]', '["serve"]']


def test_the_build_takes_nothing_that_is_not_locked() -> None:
    """Every `pip install` of a name has hashes; what is built is built by the locked tools."""
    text = (ROOT / "Dockerfile").read_text()
    installs = re.findall(r"pip\b.*? install (.*)", text)
    assert len(installs) == 3
    assert all("--require-hashes" in one or "--no-index" in one for one in installs)
    (builder,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert (ROOT / "requirements-build.lock").read_text().startswith(f"{builder} ")


def test_the_context_is_what_the_image_is_made_of_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    taken = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert lines[0] == "*"
    assert taken == {
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "requirements.lock",
        "requirements-build.lock",
        "sidecar",
        "native/Cargo.toml",
        "native/Cargo.lock",
        "native/src",
        "docs/runbooks",
        "docs/restore-in-an-emergency.md",
        "docs/problems.md",
        "docs/sidecar.1",
    }
    assert all((ROOT / one).exists() for one in taken)
