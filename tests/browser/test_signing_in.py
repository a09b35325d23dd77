"""Who may see the page, and how a session begins and ends."""

from collections.abc import Callable

from playwright.sync_api import expect

from support.browser import Furnished, Visit
from support.served import ADMIN, READER

REFUSED = r"status of 401"


def test_a_first_visit_asks_for_a_token_and_for_nothing_else(onlooker: Visit) -> None:
    asked: list[str] = []
    onlooker.page.on("request", lambda request: asked.append(request.url))
    onlooker.page.goto(onlooker.served.url)
    expect(onlooker.page.get_by_label("Token", exact=True)).to_be_focused()
    assert [url for url in asked if "/api/" in url] == []


def test_a_wrong_token_is_refused_and_the_right_one_then_taken(onlooker: Visit) -> None:
    onlooker.page.goto(onlooker.served.url)
    onlooker.page.get_by_label("Token", exact=True).fill("a guess")
    onlooker.page.get_by_role("button", name="Sign in", exact=True).click()
    expect(onlooker.page.get_by_role("alert")).to_have_text("This token is wrong.")
    expect(onlooker.page.get_by_label("Token", exact=True)).to_be_focused()
    onlooker.type_token(ADMIN)
    expect(onlooker.page.get_by_role("heading", level=1)).to_have_text("Something needs you now")
    expect(onlooker.page).to_have_title("Critical · Backups")
    onlooker.expect_complaints(REFUSED)


def test_the_ready_link_signs_in_and_leaves_no_token_behind(onlooker: Visit) -> None:
    onlooker.page.goto(f"{onlooker.served.url}/#token={ADMIN}")
    expect(onlooker.page.get_by_role("button", name="Sign out")).to_be_visible()
    assert ADMIN not in onlooker.page.url
    kept = onlooker.page.evaluate("[JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie]")
    assert kept == ['{"sidecar.signed-in":"yes"}', "{}", ""]
    onlooker.page.go_back()
    assert ADMIN not in onlooker.page.url


def test_a_ready_link_of_an_earlier_start_says_so(onlooker: Visit) -> None:
    onlooker.page.goto(f"{onlooker.served.url}/#token=of-yesterday")
    expect(onlooker.page.locator(".note")).to_have_text("The link's token was refused: the token is wrong.")
    onlooker.expect_complaints(REFUSED)


def test_a_session_lasts_over_a_reload_until_it_is_signed_out(onlooker: Visit) -> None:
    page = onlooker.at("#/schedule")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Schedule")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_label("Token", exact=True)).to_be_visible()
    expect(page.locator("#main")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("Token", exact=True)).to_be_visible()


def test_when_the_session_is_over_the_place_is_kept(onlooker: Visit, furnished: Furnished) -> None:
    page = onlooker.at(f"#/set/main/backup/{furnished.backup_id}")
    page.context.clear_cookies()
    onlooker.refresh_button.evaluate("button => button.click()")
    expect(page.get_by_role("dialog", name="Sign in again")).to_be_visible()
    for _ in range(3):  # a browser lets a page hold a window open against the first one only
        page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Sign in again")).to_contain_text("Your session is over")
    onlooker.type_token(ADMIN)
    expect(page.get_by_role("dialog", name="Sign in again")).to_have_count(0)
    expect(page.get_by_role("dialog", name=furnished.backup_id, exact=True)).to_be_visible()
    onlooker.expect_complaints(REFUSED)


def test_who_may_only_read_sees_everything_and_no_button_that_writes(
    furnished: Furnished, visits: Callable[..., Visit]
) -> None:
    served, backup_id = furnished.served, furnished.backup_id
    whole = {
        "#/": ".card",
        "#/set/main": ".backup",
        f"#/set/main/backup/{backup_id}": "dialog .actions",
        f"#/set/main/backup/{backup_id}/restore": "dialog .actions",
        "#/schedule": ".card",
    }
    allowed = {"Skip to the content", "Refresh", "Sign out", "Close", "Copy the SHA-256", "Dismiss"}
    reading, writing = visits(served), visits(served)
    reading.at(token=READER)
    writing.at(token=ADMIN)
    expect(reading.page.get_by_text("Read only")).to_be_visible()
    for address, drawn in whole.items():
        found = []
        for one in (reading, writing):
            page = one.at(address, token=None)
            expect(page.locator(drawn).first).to_be_visible()
            buttons = page.get_by_role("button", include_hidden=True)
            names = set(buttons.evaluate_all("all => all.map(one => one.ariaLabel || one.innerText)"))
            found.append(
                {name for name in names if name not in allowed and not name.startswith("Copy the fingerprint")}
            )
        assert (found[0], found[1] != set()) == (set(), True), address
