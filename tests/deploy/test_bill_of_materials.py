"""`make sbom`: the bill of materials lists what the lock files list."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.manifests import ROOT

Hashed = dict[str, tuple[str, frozenset[str]]]  # version and SHA-256 digests by name


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder, hidden = tmp_path_factory.mktemp("sbom"), tmp_path_factory.mktemp("hidden")
    (hidden / "rfc3987_syntax.py").write_text("raise ImportError")  # see tests/conftest.py
    ready = ["--old-file", ".venv/.ready", f"BIN={Path(sys.executable).parent}"]  # the environment that runs this test
    environment = os.environ | {"PYTHONPATH": str(hidden)}
    subprocess.run(["make", "--silent", *ready, f"SBOM={folder}", "sbom"], cwd=ROOT, check=True, env=environment)
    return {path.name: json.loads(path.read_text()) for path in folder.iterdir()}


def locked(name: str) -> Hashed:
    entries = re.split(r"^(?=\w)", (ROOT / name).read_text(), flags=re.MULTILINE)[1:]
    found = {}
    for entry in entries:
        package, version = entry.split()[0].split("==")
        found[package] = version, frozenset(re.findall(r"--hash=sha256:(\w+)", entry))
    return found


def listed(bill: Any) -> Hashed:
    return {
        part["name"]: (
            part["version"],
            frozenset(one["content"] for where in part["externalReferences"] for one in where["hashes"]),
        )
        for part in bill["components"]
    }


@pytest.mark.parametrize(
    ("bill", "lock"), [("sidecar.cdx.json", "requirements.lock"), ("build.cdx.json", "requirements-build.lock")]
)
def test_a_bill_lists_every_locked_package_with_its_version_and_hashes(
    bills: dict[str, Any], bill: str, lock: str
) -> None:
    assert bills[bill]["bomFormat"] == "CycloneDX"
    assert listed(bills[bill]) == locked(lock) != {}


def test_the_bill_is_that_of_this_program(bills: dict[str, Any]) -> None:
    about = bills["sidecar.cdx.json"]["metadata"]["component"]
    assert (about["name"], about["version"]) == ("mongodb-backup-sidecar", "0.1.0")
    assert about["licenses"] == [{"license": {"acknowledgement": "declared", "id": "Apache-2.0"}}]


def test_the_demo_installs_what_runs_and_its_server_and_no_tool_of_developers() -> None:
    demo, everything, runs = map(locked, ("requirements-demo.lock", "requirements-dev.lock", "requirements.lock"))
    assert demo.items() <= everything.items()
    assert runs.keys() <= demo.keys()
    assert "secantusdb" in demo
    assert not demo.keys() & {"playwright", "ruff", "mypy", "pytest", "mkdocs-material", "schemathesis"}
