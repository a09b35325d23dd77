"""What runs by itself, pausing it, and the record of what ran."""

from playwright.sync_api import expect

from support.browser import Visit
from support.served import FAR, Served


def test_schedules_are_paused_until_then_and_resumed(reader: Visit, served: Served) -> None:
    page = reader.at("#/schedule")
    row = page.get_by_role("row", name="Backup of main")
    expect(row).to_contain_text(FAR)
    expect(row).to_contain_text("Never")
    page.get_by_role("combobox", name="Pause backups of", exact=True).select_option("main")
    page.get_by_role("combobox", name="How long", exact=True).select_option("for 4 hours")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(row).to_contain_text("Paused until")
    expect(row).to_contain_text("by session of the admin token")
    pauses = {
        one["backup_type"]: one["pause"]
        for one in served.get("/api/admin/schedule").json["entries"]
        if one["kind"] == "backup"
    }
    assert (pauses["main"]["until"] is not None, pauses["attendance"]) == (True, None)
    reader.tab("Overview").click()
    expect(reader.set_card("main")).to_contain_text("Paused until")
    reader.tab("Schedule").click()
    page.get_by_role("button", name="Resume main", exact=True).click()
    expect(row).not_to_contain_text("Paused")


def test_a_run_that_failed_shows_its_log(reader: Visit, served: Served) -> None:
    served.lab(labFault="find", action="error", times=-1, code=6, message="the disk is on fire")
    served.post("/api/admin/backups/trigger?backup_type=main")
    served.lab(labReset=1)
    served.back_up()
    page = reader.at("#/runs")
    expect(page.locator(".run")).to_have_count(2)
    page.get_by_role("combobox", name="Outcome", exact=True).select_option("Failed")
    expect(page.locator(".run")).to_have_count(1)
    run = page.locator(".run")
    expect(run).to_contain_text("the disk is on fire")
    run.locator("summary").click()
    expect(run.locator(".log")).to_contain_text("run.ended")
    served.back_up()
    reader.refresh()
    expect(run.locator(".log")).to_be_visible()  # what was opened stays open


def test_a_test_notice_says_that_no_channel_is_configured(onlooker: Visit) -> None:
    page = onlooker.at("#/schedule")
    page.get_by_role("button", name="Send a test notice", exact=True).click()
    expect(onlooker.toast("No channel is configured")).to_be_visible()
