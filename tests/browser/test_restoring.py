"""Restores from the page: planned, named, proven; by mouse and by keyboard alone."""

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect
from pymongo import MongoClient

from support.browser import Furnished, Visit
from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, READER, Served


def held(served: Served, name: str, db: str = DB) -> list[Any]:
    with MongoClient[dict[str, Any]](served.mongodb.uri) as client:
        return list(client[db][name].find())


def lose_everything(served: Served) -> None:
    with MongoClient[dict[str, Any]](served.mongodb.uri) as client:
        client[DB]["users"].drop()
        client[DB]["buses"].delete_one({"_id": 3})
        client[DB]["buses"].insert_one({"_id": 1000})


def expect_rows(window: Locator, *rows: str | re.Pattern[str]) -> None:
    expect(window.locator("tbody tr")).to_have_text(rows, use_inner_text=True)


def see_the_plan(window: Locator) -> None:
    window.get_by_role("button", name="Show the plan", exact=True).click()


def restore_into(window: Locator, database: str) -> None:
    window.get_by_label("Type the database's name").fill(database)
    window.get_by_role("button", name="Restore", exact=True).click()


def test_a_restore_is_planned_named_watched_and_proven(reader: Visit, served: Served) -> None:
    made = served.back_up()
    lose_everything(served)
    page, window = reader.at(f"#/set/main/backup/{made['backup_id']}/compare"), reader.window
    window.get_by_role("button", name="Compare", exact=True).click()
    expect(window.get_by_role("region", name="Differences")).to_be_visible()
    expect_rows(
        window,
        "buses 1 1 0 Added: 1000. Removed: 3",
        "users 0 3,000 0 Removed: 0, 1, 2 and 2,997 more. Indexes or options changed",
    )
    page.keyboard.press("Escape")
    expect(window).to_have_count(0)
    reader.backup(made["backup_id"]).get_by_role("link", name=f"Restore {made['backup_id']}", exact=True).click()
    see_the_plan(window)
    expect(window.get_by_role("region", name="Plan", exact=True)).to_be_visible()
    expect(window.get_by_role("heading", name="Restore main from ")).to_be_visible()
    expect_rows(window, "users 3,000 – 3,000 0 0 0", "buses 250 250 1 0 1 249")
    expect(window).to_contain_text("what it replaces is backed up first and pinned")
    expect(window).to_contain_text("not known before the first drill")

    button = window.get_by_role("button", name="Restore", exact=True)
    expect(button).to_have_attribute("aria-disabled", "true")
    window.get_by_label("Type the database's name").fill("another")
    window.get_by_label("Type the database's name").press("Enter")
    assert held(served, "users") == []
    restore_into(window, DB)

    expect(window.get_by_role("status")).to_contain_text("Restored and proven")
    expect(window.get_by_role("status")).to_contain_text("what was there before is in seed_backup_")
    fingerprints = {name: detail["fingerprint"] for name, detail in made["collection_details"].items()}
    expect_rows(window, *(re.compile(rf"^{name}\s[\s\S]*\s{fingerprints[name][:12]}…$") for name in ("users", "buses")))
    assert (held(served, "users"), held(served, "buses")) == (PEOPLE, BUSES)
    undo = window.get_by_role("link", name="Undo this restore…", exact=True)
    safety = str(undo.get_attribute("href")).removesuffix("/restore").rpartition("/")[2]
    expect(window.get_by_role("link", name=safety, exact=True)).to_have_attribute("href", f"#/set/main/backup/{safety}")
    undo.click()
    expect(window.get_by_role("group", name="What is restored")).to_contain_text(safety)
    page.keyboard.press("Escape")
    expect(window).to_have_count(0)
    expect(page.locator(".backup", has_text="Before a restore")).to_contain_text("Pinned")


def test_some_collections_go_into_another_database(reader: Visit, served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    window = reader.window
    reader.at(f"#/set/main/backup/{backup_id}/restore")
    window.get_by_label("Into database", exact=True).fill("copy")
    window.get_by_role("button", name="Only buses", exact=True).click()
    see_the_plan(window)
    expect(window).to_contain_text("Nothing is replaced")
    restore_into(window, "copy")
    expect(window.get_by_role("status")).to_contain_text("Restored and proven")
    assert (held(served, "buses", "copy"), held(served, "users", "copy")) == (BUSES, [])


def test_a_restore_that_fails_says_what_became_of_the_data(reader: Visit, served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    lose_everything(served)
    window = reader.window
    reader.at(f"#/set/main/backup/{backup_id}/restore")
    see_the_plan(window)
    expect(window.get_by_role("region", name="Plan", exact=True)).to_be_visible()
    served.lab(labFault="renameCollection", action="error", skip=1, times=1, code=6, message="no more renames")
    restore_into(window, DB)
    expect(window.get_by_role("status")).to_contain_text("Not restored")
    expect(window.get_by_role("status")).to_contain_text("no more renames")
    expect(window.get_by_role("status")).to_contain_text("what the target held before was put back")


def test_what_stands_in_the_way_is_said_before_anything_is_written(reader: Visit, served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    served.mongodb.kill()
    window = reader.window
    reader.at(f"#/set/main/backup/{backup_id}/restore")
    see_the_plan(window)
    expect(window.get_by_role("alert")).to_contain_text(re.compile("connection (refused|closed|reset)", re.IGNORECASE))
    expect(window.get_by_role("button", name="Show the plan", exact=True)).to_be_visible()
    reader.expect_complaints("status of 503")


def test_a_restore_goes_on_when_its_window_is_closed(reader: Visit, served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    served.lab(labFault="insert", action="stall", times=-1)
    page, window = reader.at(f"#/set/main/backup/{backup_id}/restore"), reader.window
    see_the_plan(window)
    restore_into(window, DB)
    expect(window.get_by_role("progressbar", name="Restore", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(window).to_have_count(0)
    expect(page.get_by_role("progressbar", name="Restore of main", exact=True)).to_be_visible()
    page.get_by_role("button", name="Cancel the restore of main", exact=True).click()
    expect(reader.toast("Restore of main was cancelled")).to_be_visible()


def reach(page: Page, name: str, key: str = "Tab") -> None:
    """Press a key until what has the focus is called so, as somebody without a mouse does."""
    for _ in range(60):
        focused = page.evaluate(
            "document.activeElement.ariaLabel || document.activeElement.innerText || document.activeElement.name"
        )
        if focused and focused.strip().startswith(name):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{name} cannot be reached by keyboard")


def test_trigger_and_restore_need_no_mouse(reader: Visit, served: Served) -> None:
    page, window = reader.at(), reader.window
    reach(page, "Run backup of main now")
    page.keyboard.press("Enter")
    expect(reader.toast("Backup of main succeeded")).to_be_visible()
    reach(page, "Run backup of main now")  # where it was: the button kept the focus
    (made,) = served.get(f"{BACKUPS}/list?backup_type=main").json["main"]
    lose_everything(served)

    reach(page, "main", "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("main")
    expect(reader.backup(made["backup_id"])).to_be_visible()
    reach(page, f"Restore {made['backup_id']}")
    page.keyboard.press("Enter")
    expect(window.get_by_role("button", name="Show the plan", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(window.get_by_role("group", name="Plan", exact=True)).to_be_focused()
    reach(page, "confirm")
    page.keyboard.type(DB)
    page.keyboard.press("Enter")
    expect(window.get_by_role("status")).to_contain_text("Restored and proven")
    expect(window.get_by_role("group", name="Result")).to_be_focused()
    reach(page, "Done")
    page.keyboard.press("Enter")
    expect(window).to_contain_text("Integrity verified")
    page.keyboard.press("Escape")
    expect(window).to_have_count(0)
    assert held(served, "users") == PEOPLE


def test_one_document_is_found_compared_and_brought_back(reader: Visit, served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    with MongoClient[dict[str, Any]](served.mongodb.uri) as client:
        client[DB]["users"].delete_one({"_id": 7})
        client[DB]["users"].update_one({"_id": 8}, {"$set": {"name": "renamed"}})
    reader.at(f"#/set/main/backup/{backup_id}")
    window = reader.window
    window.get_by_role("link", name="Find a document…", exact=True).click()
    find = window.get_by_role("button", name="Find", exact=True)
    field, value = (window.get_by_role("textbox", name=name, exact=True) for name in ("Field", "Value"))
    window.get_by_role("combobox", name="Collection", exact=True).select_option("users")
    value.fill("nobody")
    find.click()
    expect(window.get_by_role("status")).to_contain_text("No such document")
    expect(find).to_have_attribute("aria-busy", "false")

    field.fill("name")
    value.fill("pupil 8")
    find.click()
    expect(window).to_contain_text("Changed since")
    expect_rows(window, 'name "pupil 8" "renamed"')
    expect(find).to_have_attribute("aria-busy", "false")

    field.fill("_id")
    value.fill("7")
    value.press("Enter")
    expect(window).to_contain_text("Deleted since")
    expect(window.locator("pre")).to_contain_text('"name": "pupil 7"')
    window.get_by_role("button", name="Restore it…", exact=True).click()
    expect(window.get_by_role("region", name="Plan", exact=True)).to_be_visible()
    expect_rows(window, "users 1 – 1 0 0 0")
    expect(window).to_contain_text("no safety backup is needed")
    restore_into(window, DB)
    expect(window.get_by_role("status")).to_contain_text("documents of users in bus_tracker: 1 inserted")
    expect(window.get_by_role("link", name="Undo this restore…", exact=True)).to_have_count(0)
    renamed = [one if one["_id"] != 8 else {"_id": 8, "name": "renamed"} for one in PEOPLE]
    assert sorted(held(served, "users"), key=lambda one: one["_id"]) == renamed


def test_who_may_only_read_finds_documents_and_restores_none(onlooker: Visit, furnished: Furnished) -> None:
    window = onlooker.window
    onlooker.at(f"#/set/main/backup/{furnished.backup_id}/documents", token=READER)
    window.get_by_role("combobox", name="Collection", exact=True).select_option("buses")
    window.get_by_role("textbox", name="Value", exact=True).fill("3")
    window.get_by_role("button", name="Find", exact=True).click()
    expect(window).to_contain_text("The same now")
    expect(window.get_by_role("button", name="Restore")).to_have_count(0)
