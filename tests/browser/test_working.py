"""Backups begun from the page: watched, called off, succeeded, failed."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from support.browser import Visit
from support.rig import BUSES, DB, PEOPLE
from support.served import Served
from support.servers import ServerProcess, seed


def test_a_backup_shows_how_far_it_is_and_how_it_ended(
    exact: ServerProcess, tmp_path: Path, visits: Callable[..., Visit]
) -> None:
    pupils = [{"_id": number, "name": f"pupil {number}"} for number in range(10_000)]
    seed(exact.uri, DB, {"users": PEOPLE, "students": pupils})
    with Served(exact, tmp_path / "backups", {"SIDECAR_MAX_READ_MB_S": "0.1"}) as served:
        reader = visits(served)
        reader.at()
        card = reader.set_card("main")
        button = card.get_by_role("button", name="Run backup of main now", exact=True)
        button.click()
        button.evaluate("button => button.click()")  # a second press begins nothing
        expect(button).to_have_attribute("aria-busy", "true")
        bar = card.get_by_role("progressbar", name="Backup of main", exact=True)
        expect(bar).to_be_visible()
        expect(card.locator(".progress")).to_contain_text(re.compile(r"\d,\d{3} of (3|10),000 documents"))
        expect(reader.page.locator(".unseen[role=status]")).to_contain_text("Backup of main is under way")
        expect(reader.toast("Backup of main succeeded")).to_contain_text("seed_backup_")
        expect(bar).to_have_count(0)
        expect(card).to_contain_text("1 valid backup; retention reaches back about 4 weeks")
        assert len(served.get("/api/admin/jobs?kind=backup").json["jobs"]) == 1


def test_sets_that_wait_for_their_first_backup_say_so_calmly_and_all_are_backed_up_together(
    reader: Visit, served: Served
) -> None:
    seed(served.mongodb.uri, DB, {"attendance": BUSES})
    page = reader.at()
    expect(page.get_by_role("heading", level=1)).to_have_text("Waiting for the first backup")
    first = reader.alert("main has no backup yet: the first one begins in")
    expect(first).to_contain_text("Wait for it, or run it now.")
    expect(reader.set_card("main")).to_contain_text("No backup yet")
    expect(reader.set_card("main")).not_to_contain_text("Critical")
    page.get_by_role("button", name="Run all backups now", exact=True).click()
    for name in ("main", "attendance"):
        expect(reader.toast(f"Backup of {name} succeeded")).to_be_visible()
    for name in ("main", "attendance"):
        expect(reader.set_card(name)).to_contain_text("1 valid backup")
    expect(first).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_have_text("Every set is protected")


def test_what_hangs_is_called_off(reader: Visit, served: Served) -> None:
    served.lab(labFault="find", action="stall", times=-1, collection="buses")
    reader.at()
    card = reader.set_card("main")
    card.get_by_role("button", name="Run backup of main now", exact=True).click()
    card.get_by_role("button", name="Cancel the backup of main", exact=True).click()
    expect(reader.toast("Backup of main was cancelled")).to_contain_text("cancelled by session of the admin token")
    expect(card.get_by_role("progressbar")).to_have_count(0)


def test_what_others_began_is_seen_and_followed(reader: Visit, served: Served) -> None:
    served.lab(labFault="find", action="stall", times=-1, collection="buses")
    begun = served.post("/api/admin/backups/trigger?backup_type=main&wait=0").headers["Location"]
    reader.at()
    card = reader.set_card("main")
    expect(card.get_by_role("progressbar", name="Backup of main", exact=True)).to_be_visible()
    served.post(f"{begun}/cancel")
    expect(card.get_by_role("progressbar")).to_have_count(0)
    reader.refresh()
    expect(reader.page.locator(".latest li").first).to_contain_text("Aborted")
    expect(reader.page.locator("article.alert", has_text="main was aborted")).to_have_count(0)  # somebody wanted it


def test_without_events_progress_is_asked_for(reader: Visit) -> None:
    reader.page.route("**/events", lambda route: route.abort())
    reader.at()
    reader.set_card("main").get_by_role("button", name="Run backup of main now", exact=True).click()
    expect(reader.toast("Backup of main succeeded")).to_be_visible()
    reader.expect_complaints("ERR_FAILED")


def test_with_mongodb_stopped_the_toast_says_why_and_what_helps(reader: Visit, served: Served) -> None:
    page = reader.at()
    served.mongodb.kill()
    page.get_by_role("button", name="Run backup of main now", exact=True).click()
    toast = reader.toast("Backup of main failed")
    expect(toast).to_contain_text(re.compile("connection (refused|closed|reset)", re.IGNORECASE))
    expect(toast.locator(".cure")).to_contain_text("MONGO_URL")
    expect(reader.alert("The last backup run of main failed")).to_be_visible()
    toast.get_by_role("button", name="Dismiss", exact=True).click()
    expect(toast).to_have_count(0)


def test_a_set_that_is_in_use_is_refused_with_the_reason(reader: Visit, served: Served) -> None:
    page = reader.at()
    served.lab(labFault="find", action="stall", times=-1, collection="buses")
    served.post("/api/admin/backups/trigger?backup_type=main&wait=0")
    page.get_by_role("button", name="Run backup of main now", exact=True).click()
    expect(reader.toast("Backup of main was not begun")).to_contain_text("main: the set is in use")
    reader.expect_complaints("status of 409")
