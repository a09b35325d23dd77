"""The backups of a set: what each card says, finding one among thousands, and not losing it again."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect
from pymongo import MongoClient

from sidecar.model import Form, Trigger
from support.browser import ZONE, Furnished, Visit, visit
from support.forms import environment
from support.many_backups import repeat
from support.patience import wait_for
from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, Served
from support.servers import ServerProcess, seed

WATCH_SHIFTS = """() => {
    window.marked = document.activeElement;
    window.shifts = [];
    const keep = (list) => shifts.push(...list.getEntries().map((one) => one.value));
    new PerformanceObserver(keep).observe({ type: "layout-shift" });
}"""


def in_words(moment: datetime) -> str:
    """As British people write it: their September is Sept."""
    here, month = moment.astimezone(ZONE), f"{moment.astimezone(ZONE):%b}"
    zone = f"{here:%Z}" if ZONE.key == "Europe/Berlin" else "GMT+9"
    return f"{here.day} {'Sept' if month == 'Sep' else month} {here.year}, {here:%H:%M} {zone}"


def test_a_row_says_when_whether_how_much_and_why_and_its_window_says_everything(
    onlooker: Visit, furnished: Furnished
) -> None:
    made = furnished.made
    taken = datetime.fromisoformat(made["timestamp"])
    onlooker.at("#/set/main")
    row = onlooker.backup(made["backup_id"])
    expect(row.locator("time")).to_have_attribute("datetime", made["timestamp"])
    size = f"{made['file_size_bytes'] / 1024:.0f} KiB"
    expect(row.locator("> :not(.about), .about > *")).to_have_text(
        [
            f"{taken.astimezone(ZONE):%H:%M}",
            "Valid",
            "3,250 documents",
            size,
            "Manual",
            "Kept: the newest valid backup",
            "Restore…",
        ]
    )
    row.get_by_role("link", name=made["backup_id"], exact=True).click()
    facts = onlooker.window.locator(".fact")
    expect(facts.filter(has_text="Taken")).to_contain_text(in_words(taken))
    onlooker.window.get_by_text("Technical details").click()
    expect(facts.filter(has_text="SHA-256")).to_contain_text(f"{made['checksum'][:12]}…")
    expect(facts.filter(has_text="Consistency")).to_contain_text("One snapshot")


def test_backups_of_other_days_stand_under_their_dates(onlooker: Visit, furnished: Furnished) -> None:
    page = onlooker.at("#/set/main")
    expect(page.locator(".day h2")).to_have_text(["Today", "Yesterday"])
    onlooker.at("#/set/main?page=2", token=None)
    before = datetime.strptime(furnished.ids[-1], "seed_backup_%Y%m%d_%H%M%S").replace(tzinfo=UTC).astimezone(ZONE)
    expect(page.locator(".day h2").last).to_have_text(f"{before:%A}, {before.day} {before:%B %Y}")


def test_a_checksum_is_copied_whole_and_shown_where_the_browser_forbids_copying(
    onlooker: Visit, furnished: Furnished
) -> None:
    page = onlooker.at(f"#/set/main/backup/{furnished.backup_id}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    onlooker.window.get_by_text("Technical details").click()
    copy = onlooker.window.get_by_role("button", name="Copy the SHA-256", exact=True)
    copy.click()
    expect(onlooker.toast("Copied: SHA-256")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == furnished.made["checksum"]
    page.evaluate("delete Navigator.prototype.clipboard")  # as on a page that came by plain HTTP
    copy.click()
    expect(onlooker.toast("The browser does not allow copying")).to_contain_text(furnished.made["checksum"])


def test_each_set_has_its_tab_and_its_backups(reader: Visit, served: Served) -> None:
    seed(served.mongodb.uri, DB, {"attendance": BUSES})
    made = [served.back_up(name) for name in ("main", "attendance")]
    page = reader.at()
    tabs = page.get_by_role("navigation", name="Views")
    expect(tabs.get_by_role("link")).to_have_text(["Overview", "main", "attendance", "Schedule", "Runs"])
    for one in made:
        reader.tab(one["backup_type"]).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(one["backup_type"])
        expect(page.locator(".backup")).to_have_count(1)
        expect(page.locator(".backup")).to_have_attribute("data-id", one["backup_id"])
        expect(tabs.locator("[aria-current=page]")).to_have_text(one["backup_type"])


def test_a_set_or_a_backup_that_does_not_exist_is_said_to(onlooker: Visit) -> None:
    page = onlooker.at("#/set/nonsense")
    expect(page.locator(".nothing")).to_contain_text("unknown backup set 'nonsense': expected main, attendance")
    onlooker.at("#/set/main/backup/seed_backup_20200101_000000", token=None)
    expect(onlooker.window).to_contain_text("seed_backup_20200101_000000")
    expect(onlooker.window.locator(".nothing")).to_be_visible()
    onlooker.expect_complaints("status of 404")


def test_a_window_that_the_browser_closes_by_itself_is_closed_in_the_address_too(
    onlooker: Visit, furnished: Furnished
) -> None:
    """A browser asks the page once only whether Escape may close it."""
    page = onlooker.at(f"#/set/main/backup/{furnished.backup_id}")
    onlooker.window.evaluate("dialog => dialog.close()")
    expect(page).to_have_url(re.compile("#/set/main$"))
    onlooker.backup(furnished.backup_id).get_by_role("link", name=furnished.backup_id, exact=True).click()
    expect(onlooker.window).to_contain_text("Integrity verified")


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
    expect(page.get_by_role("combobox", name="State", exact=True)).to_contain_text("Valid (200)")
    pager = page.get_by_role("navigation", name="Pages")
    older = pager.get_by_role("link", name="Older", exact=True)
    older.scroll_into_view_if_needed()
    older.evaluate("link => link.click()")  # Playwright's own click scrolls back to where it clicked
    expect(pager).to_contain_text("25–48 of 200")
    assert page.evaluate("scrollY") == 0
    yesterday = datetime.now(ZONE) - timedelta(days=1)
    until, how = page.get_by_label("Up to", exact=True), page.get_by_role("combobox", name="Made", exact=True)
    until.fill(f"{yesterday:%Y-%m-%d}")
    expect(page.locator(".day h2").first).to_have_text("Yesterday")
    until.fill("")
    expect(page.locator(".day h2").first).to_have_text("Today")
    how.select_option("manual")
    expect(page.locator(".backup")).to_have_count(1)
    expect(page.locator(".backup")).to_have_attribute("data-id", made["backup_id"])
    how.select_option("scheduled")
    expect(page.locator("output")).to_have_text("199 backups")
    reader.at("#/set/main?page=9&trigger=scheduled", token=None)
    expect(page.locator(".backup").last).to_have_attribute("data-id", str(ids[-1]))
    reader.at(f"#/set/main/backup/{ids[100]}", token=None)
    expect(reader.window).to_contain_text("Integrity verified")
    expect(reader.window).to_contain_text("Goes next: number 102 of the valid backups, 5 are kept")


def test_a_refresh_keeps_the_place_and_moves_nothing(onlooker: Visit, furnished: Furnished) -> None:
    middle = furnished.ids[15]
    page = onlooker.at("#/set/main")
    link = onlooker.backup(middle).get_by_role("link", name=middle, exact=True)
    link.scroll_into_view_if_needed()
    link.focus()
    page.evaluate(WATCH_SHIFTS)
    scrolled = page.evaluate("scrollY")
    assert scrolled > 0
    for _ in range(3):
        onlooker.refresh()
    assert page.evaluate("[scrollY, document.activeElement === marked, shifts]") == [scrolled, True, []]


def test_a_refresh_leaves_what_is_being_typed(reader: Visit, served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    page = reader.at(f"#/set/main/backup/{backup_id}/delete")
    field = page.locator("input[name=confirm]")
    field.press_sequentially("seed_back")
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


def test_size_and_duration_are_drawn_as_curves(onlooker: Visit) -> None:
    onlooker.at()
    curves = onlooker.set_card("main").get_by_role("img")
    expect(curves.first).to_have_attribute("aria-label", re.compile("^Size of the last 30 backups: from"))
    expect(curves.last).to_have_attribute("aria-label", re.compile("^Duration of the last 30 backups: from"))


def verified(served: Served) -> int:
    """How many verifications have succeeded."""
    return [job["state"] for job in served.get("/api/admin/jobs?kind=verify").json["jobs"]].count("succeeded")


def test_one_backup_is_verified_pinned_downloaded_and_deleted_and_the_last_one_says_why_it_stays(
    reader: Visit, served: Served
) -> None:
    first, last = served.back_up(), served.back_up()
    page = reader.at(f"#/set/main/backup/{first['backup_id']}")
    window = reader.window
    window.get_by_role("button", name="Verify", exact=True).click()
    expect(reader.toast("Verification of main succeeded")).to_be_visible()
    window.get_by_role("button", name="Verify deep", exact=True).click()
    wait_for(lambda: verified(served) == 2)  # the toasts of both are alike
    window.get_by_role("button", name="Pin", exact=True).click()
    expect(window).to_contain_text("For ever")
    with page.expect_download() as downloading:
        window.get_by_role("link", name="Download", exact=True).click()
    assert downloading.value.suggested_filename == first["filename"]
    assert downloading.value.path().read_bytes() == (served.directory / first["filename"]).read_bytes()

    window.get_by_role("link", name="Delete…", exact=True).click()
    button = window.get_by_role("button", name="Delete it", exact=True)
    expect(button).to_have_attribute("aria-disabled", "true")
    button.click(force=True)
    window.get_by_label("Type the backup's name").fill(first["backup_id"])
    button.click()
    expect(window.get_by_role("alert")).to_contain_text("is pinned")
    window.get_by_role("link", name="Back", exact=True).click()
    expect(window.get_by_role("group", name="Facts", exact=True)).to_be_visible()
    window.get_by_role("button", name="Unpin", exact=True).click()
    expect(window.get_by_role("button", name="Pin", exact=True)).to_be_visible()
    expect(window).not_to_contain_text("For ever")
    window.get_by_role("link", name="Delete…", exact=True).click()
    window.get_by_label("Type the backup's name").fill(first["backup_id"])
    button.click()
    expect(window).to_have_count(0)
    expect(page.locator(".backup")).to_have_count(1)
    expect(page.locator(".backup")).to_have_attribute("data-id", last["backup_id"])
    assert not (served.directory / first["filename"]).exists()

    reader.at(f"#/set/main/backup/{last['backup_id']}/delete", token=None)
    window.get_by_label("Type the backup's name").fill(last["backup_id"])
    button.click()
    expect(window.get_by_role("alert")).to_contain_text(f"{last['backup_id']} is the last valid backup of the set main")
    assert served.get(f"{BACKUPS}/{last['backup_id']}").status == 200
    reader.expect_complaints("status of 409")


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
        expect(row.get_by_role("link")).to_have_count(1)  # that to its window; none that restores
        row.get_by_role("link", name=made["backup_id"], exact=True).click()
        expect(somebody.window).to_contain_text("Encrypted for others")
        expect(somebody.window.locator(".actions").get_by_role("link")).to_have_text(["Download", "Delete…"])
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
            reader.backup(new["backup_id"]).get_by_role("link", name=new["backup_id"], exact=True).click()
            expect(reader.window.locator(".fact").filter(has_text="Copy nas")).to_contain_text("Read back there")
