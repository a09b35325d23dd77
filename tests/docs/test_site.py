"""The documents as a site: everything leads somewhere, nobody else is asked for anything, and the emergency page prints."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from support.browser import chromium

ROOT = Path(__file__).parents[2]
LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=[\"']?((?:https?:)?//[^\"' >]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` builds it: a link or a page that leads nowhere is an error. (Not --quiet, which would hide those.)"""
    where = tmp_path_factory.mktemp("site")
    mkdocs = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(where)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(mkdocs, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert built.returncode == 0, built.stderr
    return where


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def test_every_page_is_built_and_loads_nothing_from_elsewhere(site: Path) -> None:
    built = {str(path.relative_to(site).with_suffix(".md")) for path in site.rglob("*.html")} - {"404.md"}
    written = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert built == {name.replace("README.md", "index.md") for name in written}
    assert {str(page): found for page in site.rglob("*.html") if (found := LOADED.findall(page.read_text()))} == {}


def test_a_browser_asks_nobody_else_for_anything(site: Path, browser: Browser) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{site}/index.html")
    page.wait_for_load_state("networkidle")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert page.locator("h1").inner_text().startswith("MongoDB backup sidecar")


def test_the_emergency_page_fits_on_two_sheets_of_a4(site: Path, browser: Browser) -> None:
    """Printed on both sides."""
    page = browser.new_page()
    page.goto(f"file://{site}/restore-in-an-emergency.html")
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= 4
    page.emulate_media(media="print")
    for label in (".md-header", ".md-sidebar", ".md-footer"):
        assert all(not one.is_visible() for one in page.locator(label).all())
