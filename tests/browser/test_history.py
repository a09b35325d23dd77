"""The backups of a set: what each card says, finding one among thousands, and not losing it again."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from playwright.sync_api import Browser, expect
from pymongo import MongoClient

from sidecar.model import Form, Trigger
from support.browser import Visit, visit
from support.forms import environment
from support.many_backups import repeat
from support.patience import wait_for
from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, Served
from support.servers import ServerProcess, seed

BERLIN = ZoneInfo("Europe/Berlin")  # where the reader is
WATCH_SHIFTS = """() => {
    window.marked = document.activeElement;
    window.shifts = [];
    const keep = (list) => shifts.push(...list.getEntries().map((one) => one.value));
    new PerformanceObserver(keep).observe({ type: "layout-shift" });
}"""


def test_a_row_says_when_whether_how_much_and_why_and_its_window_says_everything(reader: Visit, served: Served) -> None:
    made = served.back_up()
    taken = datetime.fromisoformat(made["timestamp"])
    berlin = taken.astimezone(BERLIN)
    page = reader.at("#/set/main")
    expect(page.locator(".day h2")).to_have_text("Today")
    row = reader.backup(made["backup_id"])
    expect(row.locator("time")).to_have_attribute("datetime", made["timestamp"])
    size = f"{made['file_size_bytes'] / 1024:.0f} KiB"
    assert row.locator("> :not(.about), .about > *").all_inner_texts() == [
        f"{berlin:%H:%M}",
        "Valid",
        "3,250 documents",
        size,
        "Manual",
        "Kept: the newest valid backup",
        "Restore…",
    ]
    row.get_by_role("link", name=made["backup_id"]).first.click()
    facts = reader.window.locator(".fact")
    date = f"{berlin.day} {berlin:%b %Y}".replace("Sep", "Sept")  # as British English has it
    expect(facts.filter(has_text="Taken")).to_contain_text(f"{date}, {berlin:%H:%M} {berlin:%Z}")
    reader.window.get_by_text("Technical details").click()
    expect(facts.filter(has_text="SHA-256")).to_contain_text(f"{made['checksum'][:12]}…")
    expect(facts.filter(has_text="Consistency")).to_contain_text("One snapshot")


def test_backups_of_other_days_stand_under_their_dates(reader: Visit, served: Served) -> None:
    made, now = served.back_up(), datetime.now(BERLIN)
    days = [now - timedelta(days=number) for number in (1, 2)]  # by the calendar, also when the clocks changed
    repeat(served.directory, made, [day.astimezone(UTC) for day in days])
    page = reader.at("#/set/main")
    before = days[1]
    expect(page.locator(".day h2")).to_have_text(["Today", "Yesterday", f"{before:%A}, {before.day} {before:%B %Y}"])


def test_a_checksum_is_copied_whole(reader: Visit, served: Served) -> None:
    made = served.back_up()
    page = reader.at(f"#/set/main/backup/{made['backup_id']}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    reader.window.get_by_text("Technical details").click()
    reader.window.get_by_role("button", name="Copy the SHA-256").click()
    expect(reader.toast("Copied: SHA-256")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == made["checksum"]


def test_where_the_browser_forbids_copying_the_checksum_is_shown(reader: Visit, served: Served) -> None:
    made = served.back_up()
    reader.page.add_init_script("delete Navigator.prototype.clipboard")  # as on a page that came by plain HTTP
    reader.at(f"#/set/main/backup/{made['backup_id']}")
    reader.window.get_by_text("Technical details").click()
    reader.window.get_by_role("button", name="Copy the SHA-256").click()
    expect(reader.toast("The browser does not allow copying")).to_contain_text(made["checksum"])


def test_each_set_has_its_tab_and_its_backups(reader: Visit, served: Served) -> None:
    seed(served.mongodb.uri, DB, {"attendance": BUSES})
    made = [served.back_up(name) for name in ("main", "attendance")]
    page = reader.at()
    tabs = page.get_by_role("navigation", name="Views")
    assert tabs.get_by_role("link").all_inner_texts() == ["Overview", "main", "attendance", "Schedule", "Runs"]
    for one in made:
        tabs.get_by_role("link", name=one["backup_type"]).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(one["backup_type"])
        expect(page.locator(".backup")).to_have_count(1)
        expect(page.locator(".backup")).to_have_attribute("data-id", one["backup_id"])
        expect(tabs.locator("[aria-current=page]")).to_have_text(one["backup_type"])


def test_a_set_that_does_not_exist_is_said_to(reader: Visit) -> None:
    page = reader.at("#/set/nonsense")
    expect(page.locator(".nothing")).to_contain_text("unknown backup set 'nonsense': expected main, attendance")
    reader.expect_complaints("status of 404")


def test_two_hundred_backups_are_paged_and_filtered_and_reached_by_a_link(reader: Visit, served: Served) -> None:
    with MongoClient[dict[str, Any]](served.mongodb.uri) as client:
        client[DB]["users"].drop()  # small files
    made, now = served.back_up(), datetime.now(UTC)
    ids = repeat(
        served.directory, made, [now - timedelta(hours=number) for number in range(1, 200)], trigger=Trigger.SCHEDULED
    )
    page = reader.at("#/set/main")
    expect(page.locator("output")).to_have_text("200 backups")
    expect(page.locator(".backup")).to_have_count(24)
    expect(page.get_by_label("State")).to_contain_text("Valid (200)")
    pager = page.get_by_role("navigation", name="Pages")
    older = pager.get_by_role("link", name="Older")
    older.scroll_into_view_if_needed()
    older.evaluate("link => link.click()")  # Playwright's own click scrolls back to where it clicked
    expect(pager).to_contain_text("25–48 of 200")
    assert page.evaluate("scrollY") == 0
    yesterday = datetime.now(BERLIN) - timedelta(days=1)
    page.get_by_label("Up to").fill(f"{yesterday:%Y-%m-%d}")
    expect(page.locator(".day h2").first).to_have_text("Yesterday")
    page.get_by_label("Up to").fill("")
    expect(page.locator(".day h2").first).to_have_text("Today")
    page.get_by_label("Made").select_option("manual")
    expect(page.locator(".backup")).to_have_count(1)
    expect(page.locator(".backup")).to_have_attribute("data-id", made["backup_id"])
    page.get_by_label("Made").select_option("scheduled")
    expect(page.locator("output")).to_have_text("199 backups")
    reader.at("#/set/main?page=9&trigger=scheduled", token=None)
    expect(page.locator(".backup").last).to_have_attribute("data-id", str(ids[-1]))
    reader.at(f"#/set/main/backup/{ids[100]}", token=None)
    expect(reader.window).to_contain_text("Integrity verified")
    expect(reader.window).to_contain_text("Goes next: number 102 of the valid backups, 5 are kept")


def test_a_refresh_keeps_the_place_and_moves_nothing(reader: Visit, served: Served) -> None:
    made, now = served.back_up(), datetime.now(UTC)
    ids = repeat(served.directory, made, [now - timedelta(hours=number) for number in range(1, 60)])
    page = reader.at("#/set/main")
    link = reader.backup(ids[15]).get_by_role("link", name=str(ids[15]), exact=True)
    link.scroll_into_view_if_needed()
    link.focus()
    page.evaluate(WATCH_SHIFTS)
    scrolled = page.evaluate("scrollY")
    assert scrolled > 0
    for _ in range(3):
        reader.refresh()
    assert page.evaluate("[scrollY, document.activeElement === marked, shifts]") == [scrolled, True, []]


def test_a_refresh_leaves_what_is_being_typed(reader: Visit, served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    page = reader.at(f"#/set/main/backup/{backup_id}/delete")
    field = page.locator("input[name=confirm]")
    field.type("seed_back")
    served.back_up()
    reader.refresh()
    expect(page.locator(".set-head")).to_contain_text("2 valid backups")
    expect(field).to_be_focused()
    expect(field).to_have_value("seed_back")


def test_the_page_refreshes_by_itself_every_thirty_seconds(reader: Visit, served: Served) -> None:
    reader.page.clock.install()
    page = reader.at("#/set/main")
    expect(page.locator(".nothing")).to_be_visible()
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)
    made = served.back_up()
    expect(page.locator(".nothing")).to_be_visible()
    page.clock.fast_forward(30_000)
    expect(reader.backup(made["backup_id"])).to_be_visible()


def test_size_and_duration_are_drawn_as_curves(reader: Visit, served: Served) -> None:
    made, now = served.back_up(), datetime.now(UTC)
    repeat(served.directory, made, [now - timedelta(hours=number) for number in range(1, 20)])
    reader.at()
    curve = reader.set_card("main").get_by_role("img").first
    assert str(curve.get_attribute("aria-label")).startswith("Size of the last 20 backups: from")


def test_one_backup_is_verified_pinned_downloaded_and_deleted(reader: Visit, served: Served) -> None:
    first, last = served.back_up(), served.back_up()
    page = reader.at(f"#/set/main/backup/{first['backup_id']}")
    window = reader.window
    for name, done in (("Verify", "Verification of main succeeded"), ("Verify deep", "Verification of main succeeded")):
        window.get_by_role("button", name=name, exact=True).click()
        expect(reader.toast(done).first).to_be_visible()
    window.get_by_role("button", name="Pin", exact=True).click()
    expect(window).to_contain_text("For ever")
    with page.expect_download() as downloading:
        window.get_by_role("link", name="Download").click()
    assert downloading.value.suggested_filename == first["filename"]
    assert downloading.value.path().read_bytes() == (served.directory / first["filename"]).read_bytes()

    window.get_by_role("link", name="Delete…").click()
    button = window.get_by_role("button", name="Delete it")
    expect(button).to_have_attribute("aria-disabled", "true")
    button.click(force=True)
    window.get_by_label("Type the backup's name").fill(first["backup_id"])
    button.click()
    expect(window.get_by_role("alert")).to_contain_text("is pinned")
    window.get_by_role("link", name="Back").click()
    window.get_by_role("button", name="Unpin").click()
    expect(window).not_to_contain_text("For ever")
    window.get_by_role("link", name="Delete…").click()
    window.get_by_label("Type the backup's name").fill(first["backup_id"])
    window.get_by_role("button", name="Delete it").click()
    expect(window).to_have_count(0)
    expect(page.locator(".backup")).to_have_count(1)
    expect(page.locator(".backup")).to_have_attribute("data-id", last["backup_id"])
    assert not (served.directory / first["filename"]).exists()
    reader.expect_complaints("status of 409")


def test_the_last_valid_backup_says_why_it_stays(reader: Visit, served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    reader.at(f"#/set/main/backup/{backup_id}/delete")
    reader.window.get_by_label("Type the backup's name").fill(backup_id)
    reader.window.get_by_role("button", name="Delete it").click()
    expect(reader.window.get_by_role("alert")).to_contain_text(f"{backup_id} is the last valid backup of the set main")
    assert served.get(f"{BACKUPS}/{backup_id}").status == 200
    reader.expect_complaints("status of 409")


def test_a_backup_that_is_gone_is_said_to(reader: Visit) -> None:
    reader.at("#/set/main/backup/seed_backup_20200101_000000")
    expect(reader.window).to_contain_text("seed_backup_20200101_000000")
    expect(reader.window.locator(".nothing")).to_be_visible()
    reader.expect_complaints("status of 404")


def test_a_backup_encrypted_for_others_is_called_not_checked_here_and_never_invalid(
    exact: ServerProcess, visits: Callable[..., Visit], tmp_path: Path
) -> None:
    """And nothing is offered that needs its content."""
    seed(exact.uri, DB, {"users": BUSES})
    sealed = environment(Form.COMPRESSED_AND_ENCRYPTED, tmp_path, with_key=False)
    with Served(exact, tmp_path / "backups", sealed) as served:
        made = served.back_up()
        somebody = visits(served)
        somebody.at("#/set/main")
        row = somebody.backup(made["backup_id"])
        expect(row.locator(".badge")).to_have_text(["Valid", "Not checked here"])
        expect(row.get_by_role("link", name="Restore…")).to_have_count(0)
        row.get_by_role("link", name=made["backup_id"]).first.click()
        expect(somebody.window).to_contain_text("Encrypted for others")
        expect(somebody.window.get_by_role("link", name="Compare…")).to_have_count(0)
        somebody.window.get_by_role("button", name="Verify", exact=True).click()
        expect(somebody.toast("succeeded")).to_be_visible()
        expect(row.locator(".badge")).to_have_text(["Valid", "Not checked here"])


def test_a_row_says_in_which_copy_the_backup_lies_and_its_window_when_it_was_read_back_there(
    browser: Browser, exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE[:20]})
    (tmp_path / "nas").mkdir()
    config = tmp_path / "sidecar.toml"
    config.write_text(f'[copies.nas]\nurl = "file://{tmp_path}/nas"\nlimit = 1\n', encoding="utf-8")
    with Served(exact, tmp_path / "backups", {"SIDECAR_CONFIG": str(config)}) as served:
        old, new = served.back_up(), served.back_up()
        wait_for(lambda: served.post("/api/admin/copies/nas/sync").status == 200, lambda: "it was busy")
        with visit(browser, served) as reader:
            reader.at("#/set/main")
            copied = reader.backup(new["backup_id"]).get_by_text("Copied to nas")
            expect(copied).to_have_attribute("title", re.compile(r"^Read back there \d+ \w+ \d{4}, \d\d:\d\d"))
            expect(reader.backup(old["backup_id"]).get_by_text("Not in nas")).to_be_visible()
            reader.backup(new["backup_id"]).get_by_role("link", name=new["backup_id"]).first.click()
            expect(reader.window.locator(".fact").filter(has_text="Copy nas")).to_contain_text("Read back there")
