"""The admin page in a real browser. Whatever the browser complains of, and no test expected, fails the test."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from playwright.sync_api import Browser, Locator, Page, Request, Route, expect, sync_playwright

from support.patience import PATIENCE_SECONDS
from support.served import ADMIN, Served

PATIENCE_MS: Final = 1000 * PATIENCE_SECONDS
_CHROMIUM: Final = "/usr/bin/chromium"
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_REPORT_VIOLATIONS: Final = """
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
        console.error(`CSP: ${violatedDirective} ${blockedURI}`));
"""

_GO: Final = """address => location.hash === address ? null : new Promise(arrived => {
    addEventListener("hashchange", () => arrived(), { once: true }); // the page listens for it since before
    location.hash = address;
})"""
_ASK: Final = "fetch('healthz').then(answer => answer.text()).then(() => {})"


def _far_from_midnight() -> ZoneInfo:
    """Berlin, or in the hours around its midnight Tokyo: the day does not change while the tests run."""
    berlin = ZoneInfo("Europe/Berlin")
    return berlin if 1 <= datetime.now(UTC).astimezone(berlin).hour <= 22 else ZoneInfo("Asia/Tokyo")


ZONE: Final = _far_from_midnight()  # of those who look at the page

expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """One reader with a browser of their own, at a sidecar's page. Shows English, and the time of `ZONE`."""

    served: Served
    page: Page
    complaints: list[str] = field(default_factory=list)

    # -- coming and going ----------------------------------------------------------------------------------------------

    def at(self, address: str = "#/", token: str | None = ADMIN) -> Page:
        """Sign in with a ready link, then go somewhere. The view is there then; its backups or runs may still be on their way."""
        if token is not None:
            self.page.goto(f"{self.served.url}/#token={token}")
            expect(self.page.locator("#main")).to_be_visible()
        self.page.evaluate(_GO, address)
        expect(self.page.locator("#main h1")).to_be_visible()
        return self.page

    def type_token(self, token: str) -> None:
        """Sign in by hand."""
        field = self.page.get_by_label("Token", exact=True)
        field.fill(token)
        field.press("Enter")

    def tab(self, name: str) -> Locator:
        return self.page.get_by_role("navigation", name="Views").get_by_role("link", name=name, exact=True)

    def refresh(self) -> None:
        """What happens by itself every 30 seconds; returns when it is over."""
        button = self.refresh_button
        with self.page.expect_response("**/api/admin/schedule"):
            button.evaluate("button => button.click()")  # works under a window too, and moves no focus
        expect(button).to_have_attribute("aria-busy", "false")

    def hold(self, pattern: str, times: int = 1) -> list[Route]:
        """The page's next requests of these addresses wait in this list for their answers."""
        held: list[Route] = []

        def keep(route: Route) -> None:
            held.append(route)

        self.page.route(pattern, keep, times=times)
        return held

    def settle(self) -> None:
        """Returns when the page has dealt with every answer that had come before."""
        self.page.evaluate(_ASK)

    # -- looking -------------------------------------------------------------------------------------------------------

    @property
    def refresh_button(self) -> Locator:
        return self.page.get_by_role("button", name="Refresh", exact=True, include_hidden=True)

    def toast(self, words: str) -> Locator:
        return self.page.locator(".toast", has_text=words)

    def alert(self, words: str) -> Locator:
        return self.page.locator("article.alert", has_text=words)

    def set_card(self, name: str) -> Locator:
        heading = self.page.get_by_role("heading", name=name, exact=True)
        return self.page.locator(".card").filter(has=heading)

    def backup(self, backup_id: str) -> Locator:
        return self.page.locator(f".backup[data-id={backup_id}]")

    @property
    def window(self) -> Locator:
        return self.page.get_by_role("dialog")

    # -- complaints ----------------------------------------------------------------------------------------------------

    def listen(self) -> None:
        self.page.add_init_script(_REPORT_VIOLATIONS)
        self.page.on("console", lambda said: self._note(said.text) if said.type in {"error", "warning"} else None)
        self.page.on("pageerror", lambda error: self._note(str(error)))
        self.page.on("requestfailed", self._note_failure)

    def _note_failure(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # given up by the page itself, as when it is left
            self._note(f"{request.method} {request.url}: {request.failure}")

    def _note(self, complaint: str) -> None:
        self.complaints.append(complaint)

    def expect_complaints(self, *patterns: str) -> None:
        """Some complaints are what the browser must say, such as that a token was refused; the others stay."""
        self.complaints[:] = [
            one for one in self.complaints if not any(re.search(pattern, one) for pattern in patterns)
        ]


@dataclass(frozen=True)
class Furnished:
    """A server with something of everything: backups for two pages, a drill, a run that failed, a schedule that is paused."""

    served: Served
    made: dict[str, Any]  # the metadata of the newest backup of `main`
    ids: list[str]  # of the others: one for each hour before, and one of three days ago

    @property
    def backup_id(self) -> str:
        return str(self.made["backup_id"])


@contextmanager
def visit(browser: Browser, served: Served, **options: Any) -> Iterator[Visit]:
    """`options` are those of a browser context: `color_scheme`, `viewport`, …"""
    chosen = {"locale": "en-GB", "timezone_id": str(ZONE), "viewport": {"width": 1280, "height": 800}} | options
    with browser.new_context(**chosen) as context:
        context.set_default_timeout(PATIENCE_MS)
        visited = Visit(served, context.new_page())
        visited.listen()
        yield visited
        assert not visited.complaints, "\n".join(visited.complaints)
