"""GET /runbooks/NAME: what an alert's `runbook_url` leads to."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sidecar.api import runbooks
from support.alert_rules import ROOT, alerts


def test_every_alert_has_a_page_and_its_links_lead_to_pages_or_name_documents() -> None:
    pages = runbooks._pages()
    assert set(pages) == {*alerts(), *runbooks.BESIDE}
    for text in pages.values():
        for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", text):
            assert target in pages or (ROOT / target.partition("#")[0]).is_file(), target


def test_a_page_ends_where_the_data_is_brought_back() -> None:
    assert "[Restore in an emergency](restore-in-an-emergency)" in runbooks._pages()["MongoBackupTooOld"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, timeout=300)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_carries_the_same_pages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {
            name.removeprefix("sidecar/runbooks/"): archive.read(name)
            for name in archive.namelist()
            if name.startswith("sidecar/runbooks/")
        }
    assert packed == {page.name: Path(str(page)).read_bytes() for page in runbooks._sources()}
