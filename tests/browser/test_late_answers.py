"""The page while answers take long: nothing is done twice, and nothing old is shown as new."""

from playwright.sync_api import expect

from support.browser import Furnished, Visit
from support.served import ADMIN, Served

PROBLEM = "application/problem+json"


def test_a_late_answer_to_an_earlier_question_changes_nothing(onlooker: Visit) -> None:
    onlooker.at("#/schedule")
    held = onlooker.hold("**/backups/list?backup_type=main*")
    with onlooker.page.expect_request("**/backups/list?backup_type=main*"):
        onlooker.at("#/set/main", token=None)
    onlooker.refresh()
    expect(onlooker.page.locator("output")).to_have_text("30 backups")
    held[0].fulfill(json={"main": []}, headers={"X-Total-Count": "0"})  # as it was before the first one
    onlooker.settle()
    expect(onlooker.page.locator("output")).to_have_text("30 backups")


def test_a_late_refusal_does_not_end_the_session_that_was_begun_since(onlooker: Visit) -> None:
    page = onlooker.at("#/schedule")
    held = onlooker.hold("**/jobs?*outcome=failed*")
    with page.expect_request("**/jobs?*outcome=failed*"):
        onlooker.at("#/runs?outcome=failed", token=None)
    page.context.clear_cookies()
    onlooker.refresh_button.click()
    expect(page.get_by_role("dialog", name="Sign in again")).to_be_visible()
    onlooker.type_token(ADMIN)
    expect(page.get_by_role("dialog")).to_have_count(0)
    held[0].fulfill(status=401, content_type=PROBLEM, json={"code": "unauthorized"})
    onlooker.settle()
    expect(page.get_by_role("dialog")).to_have_count(0)
    onlooker.expect_complaints("status of 401")


def test_what_a_comparison_found_is_not_shown_for_another_choice(onlooker: Visit, furnished: Furnished) -> None:
    onlooker.at(f"#/set/main/backup/{furnished.backup_id}/compare")
    window, held = onlooker.window, onlooker.hold("**/diff*")
    compare = window.get_by_role("button", name="Compare", exact=True)
    with onlooker.page.expect_request("**/diff*"):
        compare.click()
    window.get_by_role("combobox", name="With", exact=True).select_option(furnished.ids[3])
    held[0].continue_()
    expect(compare).to_have_attribute("aria-busy", "false")
    expect(window.get_by_role("region", name="Differences")).to_have_count(0)
    expect(window.get_by_role("status")).to_have_count(0)
    window.get_by_role("combobox", name="With", exact=True).select_option("")
    compare.click()
    expect(window.get_by_role("status")).to_contain_text("They are equal")


def test_a_backup_is_deleted_once_and_the_reader_may_go_on_meanwhile(onlooker: Visit, furnished: Furnished) -> None:
    page = onlooker.at(f"#/set/main/backup/{furnished.ids[5]}/delete")
    onlooker.window.get_by_label("Type the backup's name").fill(furnished.ids[5])
    held = onlooker.hold(f"**/backups/{furnished.ids[5]}", times=2)
    for _ in range(2):
        page.keyboard.press("Enter")
    expect(onlooker.window.get_by_role("button", name="Delete it")).to_have_attribute("aria-busy", "true")
    page.keyboard.press("Escape")
    onlooker.tab("Schedule").click()
    (deletion,) = held
    deletion.fulfill(status=204)
    expect(onlooker.toast("Backup deleted")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Schedule")


def test_a_button_stays_busy_until_the_page_knows_what_it_began(reader: Visit, served: Served) -> None:
    page = reader.at()
    held = reader.hold("**/backups/health"), reader.hold("**/events")
    with page.expect_request("**/backups/health"):
        reader.refresh_button.click()
    button = reader.set_card("main").get_by_role("button", name="Run backup of main now", exact=True)
    with page.expect_response("**/backups/trigger?*"):
        button.click()
    reader.settle()
    expect(button).to_have_attribute("aria-busy", "true")
    button.click(force=True)
    for (route,) in held:
        route.continue_()
    expect(reader.toast("Backup of main succeeded")).to_be_visible()
    assert len(served.get("/api/admin/jobs?kind=backup").json["jobs"]) == 1
