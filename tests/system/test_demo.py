"""`sidecar demo`, the first thing a newcomer runs."""

import json
import subprocess
import sys
from pathlib import Path


def test_the_demo_does_the_whole_job_and_says_so(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "sidecar", "demo", "--directory", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for said in (
        "The configuration is good.",
        "counts and fingerprints are equal",
        "One bit of",
        "GET /api/admin/backups/status",
        "Done.",
    ):
        assert said in ended.stdout
    backups = sorted((tmp_path / "demo" / "backups" / "everything").glob("*[0-9].json"))
    content = json.loads(backups[-1].read_text())
    assert len(content["collections"]) == 11
    assert {one["type"] for one in content["definitions"].values()} == {"collection", "view"}
