"""The admin page in each state that it may be found in: pictures in two schemes and three widths, and what axe says of each."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped] # it has no types
from playwright.sync_api import Browser
from pymongo import MongoClient

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from sidecar.model import Trigger
from support.browser import chromium, visit
from support.command import small_disk
from support.many_backups import repeat
from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, Served
from support.servers import exact_server, seed

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "/tmp/states")  # noqa: S108 - pictures to look at
WIDTHS = (1440, 768, 390)
MANY = 200
AXE = Axe()
ALERTS = {
    "newest-damaged": "is damaged",
    "mongodb-unreachable": "MongoDB is unreachable",
    "full-disk": "Too little storage",
}


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    found = 0
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        for name, served, address in states(Path(folder)):
            found += shoot(browser, served, name, address)
    print(f"axe: {found} violations")
    sys.exit(found > 0)


def states(folder: Path) -> Iterator[tuple[str, Served, str]]:
    """Name, server and address of each, in an order in which one leads to the next."""
    with at_work(folder / "first") as served:
        yield "first-start", served, "#/"
        made = served.back_up()
        served.post(f"{BACKUPS}/trigger?backup_type=attendance")
        served.post(f"{BACKUPS}/drill")
        served.post(f"{BACKUPS}/verify/{made['backup_id']}?deep=true")
        yield "healthy", served, "#/"
        past = [datetime.now(UTC) - timedelta(hours=3 * number) for number in range(1, MANY)]
        repeat(served.directory, made, past, trigger=Trigger.SCHEDULED)
        yield "200-backups", served, "#/set/main"
        seed(served.mongodb.uri, DB, {"users": [{"_id": 10**6 + number} for number in range(7)]})
        with MongoClient[dict[str, Any]](served.mongodb.uri) as client:
            client[DB]["users"].update_one({"_id": 7}, {"$set": {"name": "renamed"}})
        yield "restore-plan", served, f"#/set/main/backup/{made['backup_id']}/restore"
        yield "document", served, f"#/set/main/backup/{made['backup_id']}/documents"
        flip_a_bit(served.directory / f"{made['backup_id']}.json")
        yield "newest-damaged", served, "#/"
        served.mongodb.kill()
        yield "mongodb-unreachable", served, "#/"
    with small_disk(folder / "disk", "900k") as disk, at_work(disk / "backups", MIN_STORAGE_MB="100") as served:
        yield "full-disk", served, "#/"


@contextmanager
def at_work(directory: Path, **variables: str) -> Iterator[Served]:
    hourly = {"SIDECAR_MAIN_SCHEDULE": "13 * * * *", "SIDECAR_ATTENDANCE_SCHEDULE": "43 * * * *"}
    log = Path(tempfile.gettempdir()) / "states.log"
    with exact_server() as mongodb:
        seed(mongodb.uri, DB, {"users": PEOPLE, "buses": BUSES, "attendance": BUSES})
        with Served(mongodb, directory, hourly | variables, log_at=log) as served:
            yield served


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def shoot(browser: Browser, served: Served, name: str, address: str) -> int:
    """How many violations axe found."""
    found = 0
    for scheme in ("light", "dark"):
        with visit(browser, served, color_scheme=scheme, reduced_motion="reduce") as reader:
            page = reader.at()
            if name in ALERTS:
                page.locator("article.alert", has_text=ALERTS[name]).wait_for()
            reader.at(address, token=None)
            if name == "restore-plan":
                page.get_by_role("button", name="Show the plan").click()
                page.get_by_role("region", name="Plan").wait_for()
            if name == "document":
                page.get_by_label("Value").fill("7")
                page.get_by_label("Value").press("Enter")
                page.get_by_text("Changed since").wait_for()
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900 if width > WIDTHS[-1] else 844})
                is_cut = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
                said = AXE.run(page).response["violations"]
                found += len(said) + is_cut
                page.screenshot(path=OUT / f"{name}-{scheme}-{width}.png")
                print(name, scheme, width, [one["id"] for one in said], "too wide" if is_cut else "")
            reader.expect_complaints(".*")
    return found


if __name__ == "__main__":
    main()
