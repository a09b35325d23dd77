"""Pictures of the admin page for the documentation: a school's data, some hours of backups, one of them broken, one under way."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page
from pymongo import MongoClient
from pymongo.database import Database

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from sidecar.demo.school import load_school
from sidecar.model import Trigger
from support.browser import chromium, visit
from support.many_backups import repeat
from support.rig import DB
from support.served import BACKUPS, Served
from support.servers import secantus

IMAGES = Path(__file__).parents[1] / "docs" / "images"
PLACE = Path("/tmp/bus_tracker")  # noqa: S108 - the page shows it; it is emptied first
HOURS = 7
DESK = {"viewport": {"width": 1280, "height": 860}, "device_scale_factor": 1.5}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with school() as served, chromium() as browser:
        newest = served.get(f"{BACKUPS}/list?backup_type=main&limit=1").json["main"][0]["backup_id"]
        overview(browser, served, "page-light", DESK | {"color_scheme": "light"})
        plan(browser, served, newest, "page-dark", DESK | {"color_scheme": "dark"})
        overview(browser, served, "page-phone", PHONE | {"color_scheme": "light"})


@contextmanager
def school() -> Iterator[Served]:
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(mode=0o700)
    configuration = PLACE / "sidecar.toml"
    configuration.write_text('[sets.everything]\ncollections = ["*"]\nlimit = 3\n')
    variables = {"SIDECAR_CONFIG": str(configuration), "MIN_STORAGE_MB": "100", "SIDECAR_MAIN_SCHEDULE": "15 * * * *"}
    with secantus(PLACE / "mongodb") as mongodb, MongoClient[dict[str, Any]](mongodb.uri) as client:
        load_school(client[DB])
        with Served(mongodb, PLACE / "backups", variables) as served:
            for hour in range(HOURS, 0, -1):
                past_hour(served, client[DB], datetime.now(UTC) - timedelta(hours=hour, minutes=-48))
            served.post(f"{BACKUPS}/drill?backup_type=main")
            flip_a_bit(sorted((served.directory / "attendance").glob("*[0-9].json"))[1])
            yield served
    shutil.rmtree(PLACE)


def past_hour(served: Served, db: Database[dict[str, Any]], moment: datetime) -> None:
    """Pupils are scanned, and a backup of each set is made, as if that had been then."""
    db["events"].insert_many(
        {"kind": "scan", "bus": number % 40, "at": moment} for number in range(150 + 90 * (moment.hour % 4))
    )
    db["device_keys"].insert_one({"device": f"reader-{moment:%H}", "since": moment})
    for name in served.get("/api/admin/schedule").json["entries"][0:3]:
        made = served.back_up(name["backup_type"])
        directory = served.directory / {"main": "", "attendance": "attendance"}.get(
            made["backup_type"], made["backup_type"]
        )
        repeat(directory, made, [moment], trigger=Trigger.SCHEDULED)
        for path in directory.glob(f"{made['backup_id']}*"):
            path.unlink()


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def overview(browser: Browser, served: Served, name: str, options: dict[str, Any]) -> None:
    """The first view, with a backup under way."""
    begun = served.post(f"{BACKUPS}/trigger?backup_type=everything&wait=0").headers["Location"]
    with visit(browser, served, **options) as reader:
        page = reader.at()
        page.wait_for_function("document.querySelector('progress')?.value > 0.2")
        store(page, name)
    served.post(f"{begun}/cancel")
    while served.get(begun).json["state"] == "running":
        pass


def plan(browser: Browser, served: Served, backup_id: str, name: str, options: dict[str, Any]) -> None:
    """The plan of a restore over the history of its set."""
    with visit(browser, served, **options) as reader:
        page = reader.at(f"#/set/main/backup/{backup_id}/restore")
        page.get_by_role("button", name="Show the plan").click()
        page.get_by_role("region", name="Plan").wait_for()
        store(page, name)


def store(page: Page, name: str) -> None:
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
