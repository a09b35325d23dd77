from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from support.browser import Furnished, Visit, chromium, visit
from support.many_backups import repeat
from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, Served
from support.servers import ServerProcess, exact_server, seed


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for longer: Playwright runs an event loop, beside which no asynchronous test could have its own."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def served(exact: ServerProcess, tmp_path: Path) -> Iterator[Served]:
    """A server with the two built-in sets on a database that holds users and buses."""
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    with Served(exact, tmp_path / "backups") as served:
        yield served


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    """For all tests that change nothing."""
    with exact_server() as mongodb:
        seed(mongodb.uri, DB, {"users": PEOPLE, "buses": BUSES})
        with Served(mongodb, tmp_path_factory.mktemp("furnished") / "backups") as served:
            made, now = served.back_up(), datetime.now(UTC)
            ids = repeat(served.directory, made, [now - timedelta(hours=number) for number in (*range(1, 29), 72)])
            served.post(f"{BACKUPS}/trigger?backup_type=attendance")
            served.post("/api/admin/schedule/pause?backup_type=attendance", {"until": "2090-01-01T00:00:00Z"})
            served.post(f"{BACKUPS}/drill?backup_type=main")
            yield Furnished(served, made, ids)


@pytest.fixture
def onlooker(browser: Browser, furnished: Furnished) -> Iterator[Visit]:
    """Somebody in front of that server's page."""
    with visit(browser, furnished.served) as one:
        yield one


@pytest.fixture
def reader(browser: Browser, served: Served) -> Iterator[Visit]:
    """Somebody in front of the page."""
    with visit(browser, served) as one:
        yield one


@pytest.fixture
def visits(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens further browsers, `visits(served, color_scheme="dark")`, and closes them after the test."""
    with ExitStack() as opened:

        def open_one(served: Served, **options: Any) -> Visit:
            return opened.enter_context(visit(browser, served, **options))

        yield open_one
