"""For everybody: screen readers, both colour schemes, phones, paper; and against everybody: hostile data, hostile pages."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped] # it has no types
from playwright.sync_api import Page, Request, ViewportSize, expect

from support.browser import Furnished, Visit
from support.rig import BUSES, DB
from support.served import Served
from support.servers import ServerProcess, seed

WEB = Path(__file__).parents[2] / "sidecar" / "web"
SCROLLS = """['html', 'dialog', '.tabs'].map(name => document.querySelector(name))
    .some(it => it?.scrollWidth > it?.clientWidth)"""
MARKUP = '<img src=x onerror="document.title=1"><b>bold</b>'


def views(backup_id: str) -> dict[str, str]:
    """Each view, with what is drawn there once everything has come."""
    one = f"#/set/main/backup/{backup_id}"
    return {
        "#/": ".curves",
        "#/set/main": ".backup",
        "#/set/attendance": ".nothing",
        "#/set/main/retention?keep_daily=2": ".differing",
        "#/schedule": ".cards",
        "#/runs": ".run",
        one: "dialog .actions",
        f"{one}/restore": "dialog .actions",
        f"{one}/compare": "dialog .actions",
        f"{one}/delete": "dialog .actions",
    }


def axe_finds(page: Page) -> list[str]:
    """All that is wrong in light colours, and what the dark ones alone can spoil."""
    violations = Axe().run(page).response["violations"]
    page.emulate_media(color_scheme="dark")
    violations += Axe().run(page, options={"runOnly": ["color-contrast", "link-in-text-block"]}).response["violations"]
    page.emulate_media(color_scheme="light")
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in violations
        for node in one["nodes"]
    ]


def test_axe_finds_nothing_on_any_view(furnished: Furnished, visits: Callable[..., Visit]) -> None:
    reader = visits(furnished.served, reduced_motion="reduce")
    reader.page.goto(furnished.served.url)
    expect(reader.page.get_by_label("Token", exact=True)).to_be_visible()
    found = {"sign in": axe_finds(reader.page)}
    reader.at()
    for address, drawn in views(furnished.backup_id).items():
        page = reader.at(address, token=None)
        expect(page.locator(drawn).first).to_be_visible()
        found[address] = axe_finds(page)
        if address.endswith("restore"):
            page.get_by_role("button", name="Show the plan", exact=True).click()
            expect(page.get_by_role("region", name="Plan", exact=True)).to_be_visible()
            found["plan"] = axe_finds(page)
    assert {address: wrong for address, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("widths", [(320, 360), (768, 1600)], ids=["touched", "clicked"])
def test_no_width_scrolls_sideways(widths: tuple[int, int], furnished: Furnished, visits: Callable[..., Visit]) -> None:
    reader = visits(furnished.served, has_touch=widths[0] < 500)
    reader.at()
    overflowing = {}
    for address, drawn in views(furnished.backup_id).items():
        page = reader.at(address, token=None)
        expect(page.locator(drawn).first).to_be_visible()
        for width in widths:
            page.set_viewport_size(ViewportSize(width=width, height=720))
            overflowing[address, width] = page.evaluate(SCROLLS)
    assert overflowing == dict.fromkeys(overflowing, False)


def test_on_paper_there_is_the_status_and_no_button(onlooker: Visit) -> None:
    page = onlooker.at()
    page.emulate_media(media="print")
    expect(onlooker.set_card("main")).to_contain_text("You can go back to")
    expect(page.get_by_role("button").filter(visible=True)).to_have_count(0)


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
        page.get_by_role("button", name="Run backup of main now", exact=True).click()
        expect(reader.toast("Backup of main failed")).to_contain_text(MARKUP)
        one = f"#/set/everything/backup/{made['backup_id']}"
        shown = {
            one: "dialog tbody th",
            f"{one}/restore": "dialog fieldset",
            "#/runs": ".run",
            f"#/set/{MARKUP.replace('/', '%2F')}": "h1",
        }
        for address, place in shown.items():
            reader.at(address, token=None)
            expect(page.locator(place, has_text=MARKUP).first).to_be_visible()
            expect(page.locator("img[src=x], b b")).to_have_count(0)
        expect(page.locator(".nothing")).to_contain_text("backup_type")
        expect(page.locator("img[src=x], b b")).to_have_count(0)
        assert page.title() != "1"
        reader.expect_complaints("status of 422", "status of 404")


def test_the_first_view_is_small_and_the_second_is_smaller(onlooker: Visit) -> None:
    sizes: list[int] = []

    def weigh(request: Request) -> None:
        sizes.append(request.sizes()["responseHeadersSize"] + request.sizes()["responseBodySize"])

    onlooker.page.on("requestfinished", weigh)
    onlooker.at()
    onlooker.page.wait_for_load_state("networkidle")
    first, sizes[:] = sum(sizes), []
    assert 10_000 < first < 100_000
    onlooker.page.reload()
    onlooker.page.wait_for_load_state("networkidle")
    assert sum(sizes) < first / 2


def test_everything_is_the_servers_own_and_nothing_is_inline(furnished: Furnished) -> None:
    answer = furnished.served.get("/", token=None)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = answer.body.decode()
    assert re.findall(r"<style|<script(?! type=\"module\" src=)| on\w+=| style=|https?://", page) == []
    modules = {path.relative_to(WEB).as_posix() for path in WEB.rglob("*.js")}
    loaded = set(re.findall(r'"web/\w+/([^"]+\.js)"', page))
    assert loaded == modules  # else the browser would find them one after the other


def test_what_the_browser_has_is_not_sent_again(furnished: Furnished) -> None:
    served = furnished.served
    page = served.get("/", token=None)
    again = served.call("GET", "/", token=None, headers={"If-None-Match": page.headers["ETag"]})
    assert (page.headers["Cache-Control"], again.status, again.body) == ("no-cache", 304, b"")
    (address,) = re.findall(r'src="(web/\w+/app.js)"', page.body.decode())
    address = f"/{address}"
    plain = served.get(address, token=None)
    zipped = served.call("GET", address, token=None, headers={"Accept-Encoding": "gzip"})
    assert "immutable" in plain.headers["Cache-Control"]
    assert plain.body == gzip.decompress(zipped.body) == (WEB / "app.js").read_bytes()
    assert zipped.headers["ETag"] != plain.headers["ETag"]
    folder = address.removesuffix("/app.js")
    for path in ("/web/", "/web/app.js", "/web/0000/app.js", f"{folder}/nothing.js", f"{folder}/vendor/README.md"):
        assert served.get(path, token=None).status == 404
    for path in (f"{folder}/../../reports.py", f"{folder}/%2e%2e/reports.py", f"{folder}/%2Fetc%2Fpasswd"):
        assert served.get(path, token=None).status == 404
    assert served.post("/").status == 405
