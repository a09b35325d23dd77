"""For everybody: screen readers, both colour schemes, phones, paper; and against everybody: hostile data, hostile pages."""

import gzip
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Request, ViewportSize, expect

from support.browser import Visit
from support.rig import BUSES, DB
from support.served import ADMIN, Served
from support.servers import ServerProcess, seed

MARKUP = '<img src=x onerror="document.title=1"><b>bold</b>'


def views(backup_id: str) -> list[str]:
    one = f"#/set/main/backup/{backup_id}"
    return ["#/", "#/set/main", "#/set/attendance", "#/schedule", "#/runs", one, f"{one}/restore", f"{one}/delete"]


def furnish(served: Served) -> str:
    """Something good, something that failed, something that is paused; the id of a backup."""
    served.post("/api/admin/backups/trigger?backup_type=attendance")
    served.post("/api/admin/schedule/pause?backup_type=attendance", {"until": "2090-01-01T00:00:00Z"})
    served.post("/api/admin/backups/drill?backup_type=main")
    served.back_up()
    return str(served.back_up()["backup_id"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_view(scheme: str, served: Served, visits: Callable[..., Visit]) -> None:
    backup_id, axe = furnish(served), Axe()
    reader = visits(served, color_scheme=scheme, reduced_motion="reduce")
    reader.page.goto(served.url)
    expect(reader.page.get_by_label("Token")).to_be_visible()
    found = {"sign in": axe.run(reader.page).response["violations"]}
    reader.at()
    for address in views(backup_id):
        page = reader.at(address, token=None)
        expect(page.locator("dialog .actions" if "backup/" in address else "main h1")).to_be_visible()
        found[address] = axe.run(page).response["violations"]
        if address.endswith("restore"):
            page.get_by_role("button", name="Show the plan").click()
            expect(page.get_by_role("region", name="Plan")).to_be_visible()
            found["plan"] = axe.run(page).response["violations"]
    words = {
        address: [
            f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for one in violations
            for node in one["nodes"]
        ]
        for address, violations in found.items()
    }
    assert {address: found for address, found in words.items() if found} == {}


@pytest.mark.parametrize("width", [320, 360, 768, 1600])
def test_no_width_scrolls_sideways(width: int, served: Served, visits: Callable[..., Visit]) -> None:
    backup_id = furnish(served)
    reader = visits(served, viewport=ViewportSize(width=width, height=720), has_touch=width < 500)
    reader.at()
    overflowing = {}
    for address in views(backup_id):
        page = reader.at(address, token=None)
        expect(page.locator("dialog .actions" if "backup/" in address else "main h1")).to_be_visible()
        overflowing[address] = page.evaluate(
            "[document.documentElement, document.querySelector('dialog')].some(one => one && one.scrollWidth > one.clientWidth)"
        )
    assert overflowing == dict.fromkeys(overflowing, False)


def test_on_paper_there_is_the_status_and_no_button(reader: Visit, served: Served) -> None:
    furnish(served)
    page = reader.at()
    page.emulate_media(media="print")
    expect(reader.set_card("main")).to_contain_text("Last backup")
    assert [button.inner_text() for button in page.get_by_role("button").all() if button.is_visible()] == []


def test_hostile_names_and_messages_are_only_text(
    exact: ServerProcess, tmp_path: Path, visits: Callable[..., Visit]
) -> None:
    seed(exact.uri, DB, {MARKUP: BUSES, "users": BUSES})
    configuration = tmp_path / "sidecar.toml"
    configuration.write_text('[sets.everything]\ncollections = ["*"]\n')
    with Served(exact, tmp_path / "backups", {"SIDECAR_CONFIG": str(configuration)}) as served:
        made = served.back_up("everything")
        served.lab(labFault="find", action="error", times=-1, code=6, message=MARKUP)
        served.post("/api/admin/backups/trigger?backup_type=main")
        reader = visits(served)
        page = reader.at()
        expect(reader.alert("The last backup run of main failed")).to_contain_text(MARKUP)
        page.get_by_role("button", name="Run backup of main now").click()
        expect(reader.toast("Backup of main failed")).to_contain_text(MARKUP)
        one = f"#/set/everything/backup/{made['backup_id']}"
        for address in ("#/set/everything", one, f"{one}/restore", "#/runs", f"#/set/{MARKUP.replace('/', '%2F')}"):
            reader.at(address, token=None)
            expect(page.get_by_text(MARKUP).first).to_be_attached()
        assert page.locator("img[src=x], b b").count() == 0
        assert page.title() != "1"
        reader.expect_complaints("status of 422", "status of 404")


def test_the_first_view_is_small_and_the_second_is_smaller(reader: Visit, served: Served) -> None:
    furnish(served)
    sizes: list[int] = []

    def weigh(request: Request) -> None:
        sizes.append(request.sizes()["responseHeadersSize"] + request.sizes()["responseBodySize"])

    reader.page.on("requestfinished", weigh)
    reader.at()
    reader.page.wait_for_load_state("networkidle")
    first, sizes[:] = sum(sizes), []
    assert 10_000 < first < 100_000
    reader.page.reload()
    reader.page.wait_for_load_state("networkidle")
    assert sum(sizes) < first / 2


def test_everything_is_the_servers_own_and_nothing_is_inline(served: Served) -> None:
    answer = served.get("/", token=None)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = answer.body.decode()
    assert re.findall(r"<style|<script(?! type=\"module\" src=)| on\w+=| style=|https?://", page) == []
    modules = {str(path.relative_to("sidecar/web")) for path in Path("sidecar/web").rglob("*.js")}
    loaded = set(re.findall(r'"/web/([^"]+\.js)"', page))
    assert loaded == modules  # else the browser would find them one after the other


def test_what_the_browser_has_is_not_sent_again(served: Served) -> None:
    plain = served.get("/web/app.js", token=None)
    assert plain.body == (files("sidecar") / "web" / "app.js").read_bytes()
    zipped = served.call("GET", "/web/app.js", token=None, headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(zipped.body) == plain.body
    assert zipped.headers["ETag"] != plain.headers["ETag"]
    again = served.call("GET", "/web/app.js", token=None, headers={"If-None-Match": plain.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    for path in ("/web/", "/web/nothing.js", "/web/../api/page.py", "/web/vendor/README.md", "/web/%2e%2e/reports.py"):
        assert served.get(path, token=None).status == 404
    assert served.call("POST", "/", token=ADMIN).status == 405
