"""`sidecar demo`, the first thing a newcomer runs."""

import http.client
import json
import re
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

from support.patience import PATIENCE_SECONDS

# One school day in place of five, a quarter of the documents; tests/integration/test_demo_server.py loads them all.
SHORT = "from sidecar.cli import main; from sidecar.demo import rides; rides.SCHOOL_DAYS = 1; main()"


def test_the_demo_does_the_whole_job_and_leaves_the_page_open(tmp_path: Path) -> None:
    with (
        subprocess.Popen(
            [sys.executable, "-c", SHORT, "demo", "--stay", "--directory", str(tmp_path / "demo")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as demo,
        ExitStack() as stack,
    ):
        assert demo.stdout is not None
        stack.callback(demo.kill)  # what fails must not wait for ever
        said = []
        for line in demo.stdout:
            said.append(line)
            if "The admin page is up" in line:
                follow_the_link("".join(said))  # before the first backup
            if "Ctrl-C" in line:
                demo.terminate()  # not SIGINT, which a shell's background jobs ignore
        complaints = demo.stderr.read() if demo.stderr else ""
        demo.wait(timeout=PATIENCE_SECONDS)
    assert demo.returncode == 0, "".join(said) + complaints
    for words in (
        "The configuration is good.",
        "counts and fingerprints are equal",
        "POST /api/admin/backups/drill",
        "One bit of",
        "nas: 1 healed here",
        "GET /api/admin/backups/status",
        "Done.",
    ):
        assert words in "".join(said)
    backups = sorted((tmp_path / "demo" / "backups" / "everything").glob("*[0-9].json"))
    content = json.loads(backups[-1].read_text())
    assert len(content["collections"]) == 11
    assert {one["type"] for one in content["definitions"].values()} == {"collection", "view"}


def follow_the_link(said: str) -> None:
    """It leads to the page, and its token opens it."""
    found = re.search(r"http://([\d.:]+)/#token=(\S+)", said)
    assert found, said
    with closing(http.client.HTTPConnection(found[1], timeout=PATIENCE_SECONDS)) as sidecar:
        sidecar.request("GET", "/")
        assert b'<script type="module"' in sidecar.getresponse().read()
        sidecar.request("GET", "/api/admin/session", headers={"Authorization": f"Bearer {found[2]}"})
        assert json.load(sidecar.getresponse())["role"] == "admin"
