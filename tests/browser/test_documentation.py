"""The routes tried from the page that describes them."""

from playwright.sync_api import expect

from support.browser import Furnished, Visit
from support.served import READER


def test_a_route_is_tried_with_a_token_that_the_page_keeps_in_memory(onlooker: Visit, furnished: Furnished) -> None:
    page = onlooker.page
    page.goto(f"{furnished.served.url}/docs")
    article = page.locator("#one_backup")
    article.get_by_text("Try it").click()
    article.get_by_label("backup_id", exact=True).fill(furnished.backup_id)
    article.get_by_role("button", name="Send", exact=True).click()
    expect(article.get_by_role("status")).to_contain_text("401")
    page.get_by_label("Token to try routes with").fill(READER)
    article.get_by_role("button", name="Send", exact=True).click()
    expect(article.get_by_role("status")).to_contain_text("200")
    expect(article.get_by_role("status")).to_contain_text(f'"backup_id": "{furnished.backup_id}"')
    stored = "JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie + location.href"
    assert READER not in page.evaluate(stored)
    onlooker.expect_complaints("401")
