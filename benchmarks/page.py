"""How heavy the admin page is and how soon it can be used, in Chromium, from a server that is warm; also with 2,000 backups."""

import statistics
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, Request
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.browser import chromium
from support.many_backups import repeat
from support.rig import DB
from support.served import ADMIN, Served
from support.servers import exact_server, seed

REPEATS = 15
BACKUPS = 2_000
WATCH = """
    window.figures = { tasks: [0] };
    new MutationObserver(() => {
        if (!figures.usable && document.querySelector("#main h1")) figures.usable = performance.now();
    }).observe(document, { childList: true, subtree: true });
    new PerformanceObserver((list) => figures.tasks.push(...list.getEntries().map((one) => one.duration)))
        .observe({ type: "longtask", buffered: true });
"""
NEXT_PAGE = """async () => {
    const first = () => document.querySelector(".backup").dataset.id;
    const [before, began] = [first(), performance.now()];
    document.querySelector(".pager a:last-child").click();
    while (first() === before) await new Promise(requestAnimationFrame);
    return performance.now() - began;
}"""


def main() -> None:
    table = Table("", "requests", "kB", "median ms", "max ms", title=f"The admin page, {REPEATS} times each")
    with tempfile.TemporaryDirectory() as directory, exact_server() as mongodb, chromium() as browser:
        seed(mongodb.uri, DB, {"users": [{"_id": number, "name": f"pupil {number}"} for number in range(10)]})
        with Served(mongodb, Path(directory) / "backups") as served:
            made, now = served.back_up(), datetime.now(UTC)
            repeat(served.directory, made, [now - timedelta(hours=number) for number in range(1, 5)])
            signed_in(browser, served).close()  # the server is warm
            add(table, "first visit of a browser", [opened(signed_in(browser, served), served) for _ in range(REPEATS)])
            context = signed_in(browser, served)
            opened(context, served, close=False)
            add(table, "every further visit", [opened(context, served, close=False) for _ in range(REPEATS)])
            repeat(served.directory, made, [now - timedelta(hours=number) for number in range(5, BACKUPS)])
            add(
                table,
                f"overview of {BACKUPS:,} backups",
                [opened(context, served, close=False) for _ in range(REPEATS)],
            )
            page = context.new_page()
            page.add_init_script(WATCH)
            page.goto(f"{served.url}/#/set/main")
            page.wait_for_selector(".pager a")
            turns = [(0, 0.0, float(page.evaluate(NEXT_PAGE))) for _ in range(REPEATS)]
            add(table, f"the next page of {BACKUPS:,} backups", turns)
            blocked = max(page.evaluate("figures.tasks"))
    Console().print(table)
    Console().print(
        f"The longest time for which the page did nothing else, while paging: {blocked:.0f} ms (0: below 50)"
    )


def signed_in(browser: Browser, served: Served) -> BrowserContext:
    """With the session of an earlier visit, and nothing in the cache."""
    context = browser.new_context()
    answer = context.request.post(f"{served.url}/api/admin/session", data={"token": ADMIN})
    assert answer.ok
    context.add_init_script("localStorage.setItem('sidecar.signed-in', 'yes')")
    return context


def opened(context: BrowserContext, served: Served, *, close: bool = True) -> tuple[int, float, float]:
    """Requests, kB, and milliseconds from the address to a page that can be used."""
    page = context.new_page()
    weights: list[int] = []
    page.on("requestfinished", weighing(weights))
    page.add_init_script(WATCH)
    page.goto(served.url)
    page.wait_for_selector("#main h1")
    page.wait_for_load_state("networkidle")
    usable = float(page.evaluate("figures.usable"))
    left(page, context if close else None)
    return len(weights), sum(weights) / 1000, usable


def weighing(weights: list[int]) -> Callable[[Request], None]:
    def weigh(request: Request) -> None:
        weights.append(request.sizes()["responseHeadersSize"] + request.sizes()["responseBodySize"])

    return weigh


def left(page: Page, context: BrowserContext | None) -> None:
    page.close()
    if context is not None:
        context.close()


def add(table: Table, name: str, figures: list[tuple[int, float, float]]) -> None:
    requests, weights, times = zip(*figures, strict=True)
    table.add_row(
        name, f"{max(requests)}", f"{max(weights):.1f}", f"{statistics.median(times):.0f}", f"{max(times):.0f}"
    )


if __name__ == "__main__":
    main()
