"""The server goes away and comes back while somebody looks at it."""

from playwright.sync_api import expect

from support.browser import Visit
from support.served import ADMIN, Served

AWAY = "ERR_CONNECTION_|ERR_EMPTY_RESPONSE|ERR_SOCKET_NOT_CONNECTED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONTENT_LENGTH_MISMATCH"


def test_a_server_that_is_started_again_is_found_again(reader: Visit, served: Served) -> None:
    made = served.back_up()
    page = reader.at("#/set/main?trigger=manual")
    expect(reader.backup(made["backup_id"])).to_be_visible()
    served.kill()
    reader.refresh_button.click()
    away = page.get_by_role("alert").filter(has_text="The server has not answered since")
    expect(away).to_contain_text("What you see is of")
    expect(reader.backup(made["backup_id"])).to_be_visible()
    served.start()
    expect(away).to_have_count(0)
    expect(page.get_by_role("dialog", name="Sign in again")).to_be_visible()  # sessions live in the server's memory
    reader.type_token(ADMIN)
    expect(page.get_by_role("dialog")).to_have_count(0)
    served.back_up()
    reader.refresh()
    expect(page.locator("output")).to_have_text("2 backups")
    expect(page.get_by_role("combobox", name="Made", exact=True)).to_have_value("manual")
    reader.expect_complaints(AWAY, "status of 401")


def test_a_network_that_comes_back_needs_nobody(reader: Visit, served: Served) -> None:
    page = reader.at()
    page.context.set_offline(True)
    reader.refresh_button.click()
    away = page.get_by_role("alert").filter(has_text="The server has not answered since")
    expect(away).to_be_visible()
    served.back_up()
    page.context.set_offline(False)
    expect(away).to_have_count(0)
    expect(reader.set_card("main")).to_contain_text("1 valid backup")
    reader.expect_complaints("ERR_INTERNET_DISCONNECTED")


def test_what_was_under_way_when_the_server_died_is_reported_when_it_is_back(reader: Visit, served: Served) -> None:
    page = reader.at()
    served.lab(labFault="find", action="stall", times=-1, collection="buses")
    page.get_by_role("button", name="Run backup of main now", exact=True).click()
    expect(page.get_by_role("progressbar", name="Backup of main", exact=True)).to_be_visible()
    served.kill()
    served.start()
    reader.type_token(ADMIN)
    expect(reader.toast("Backup of main was cancelled")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(reader.alert("The last backup run of main was aborted")).to_be_visible()
    reader.expect_complaints(AWAY, "status of 401")
