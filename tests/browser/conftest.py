from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from support.browser import Visit, chromium, visit
from support.rig import BUSES, DB, PEOPLE
from support.served import Served
from support.servers import ServerProcess, seed


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def served(exact: ServerProcess, tmp_path: Path) -> Iterator[Served]:
    """A server with the two built-in sets on a database that holds users and buses."""
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    with Served(exact, tmp_path / "backups") as served:
        yield served


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
