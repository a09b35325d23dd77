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
HOURS = 4
LATER = {"students": 0.3, "stops": 0.1, "events": 0.4, "photo_references": 0.4}
FOLDERS = {"main": "", "attendance": "attendance", "accounts": "accounts"}
DESK = {"viewport": {"width": 1280, "height": 860}, "device_scale_factor": 1}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with school() as served, chromium() as browser:
        newest = served.get(f"{BACKUPS}/list?backup_type=main&limit=1").json["main"][0]["backup_id"]
        overview(browser, served, "page-light", DESK | {"color_scheme": "light"})
        plan(browser, served, newest, "page-dark", DESK | {"color_scheme": "dark"})
        overview(browser, served, "page-phone", PHONE | {"color_scheme": "light"})
        history(browser, served, "page-history", DESK | {"color_scheme": "light"})
        document(browser, served, newest, "page-document", DESK | {"color_scheme": "light"})


@contextmanager
def school() -> Iterator[Served]:
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(mode=0o700)
    configuration = PLACE / "sidecar.toml"
    # The next scheduled runs are far enough away not to be in the way of what is done by hand.
    main, attendance, accounts = ((datetime.now(UTC).minute + minutes) % 60 for minutes in (45, 50, 55))
    configuration.write_text(
        f'[sets.accounts]\ncollections = ["users", "device_keys"]\nschedule = "{accounts} * * * *"\nlimit = 24\n'
    )
    variables = {
        "SIDECAR_CONFIG": str(configuration),
        "MIN_STORAGE_MB": "100",
        "BACKUP_LIMIT": "24",
        "SIDECAR_MAIN_SCHEDULE": f"{main} * * * *",
        "SIDECAR_ATTENDANCE_SCHEDULE": f"{attendance} * * * *",
    }
    with secantus(PLACE / "mongodb") as mongodb, MongoClient[dict[str, Any]](mongodb.uri) as client:
        load_school(client[DB])
        with Served(mongodb, PLACE / "backups", variables) as served:
            later = {name: take_some(client[DB], name, share) for name, share in LATER.items()}
            for hour in range(HOURS, 0, -1):
                for name, documents in later.items():
                    client[DB][name].insert_many(documents[hour - 1 :: HOURS])
                back_up_at(served, datetime.now(UTC) - timedelta(hours=hour, minutes=-48))
            served.post(f"{BACKUPS}/drill?backup_type=main")
            lose(client[DB])
            flip_a_bit(sorted((served.directory / "attendance").glob("*[0-9].json"))[1])
            yield served
    shutil.rmtree(PLACE)


def take_some(db: Database[dict[str, Any]], name: str, share: float) -> list[dict[str, Any]]:
    """What comes to a collection in the course of the day."""
    taken = list(db[name].find().limit(int(share * db[name].count_documents({}))))
    db[name].delete_many({"_id": {"$in": [one["_id"] for one in taken]}})
    return taken


def back_up_at(served: Served, moment: datetime) -> None:
    """A backup of each set, as if it had been made then."""
    for name, folder in FOLDERS.items():
        made, directory = served.back_up(name), served.directory / folder
        repeat(directory, made, [moment], trigger=Trigger.SCHEDULED)
        for path in directory.glob(f"{made['backup_id']}*"):
            path.unlink()


def lose(db: Database[dict[str, Any]]) -> None:
    """Somebody deletes a class, and a bus."""
    take_some(db, "students", 0.02)
    db["buses"].delete_one({})


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def overview(browser: Browser, served: Served, name: str, options: dict[str, Any]) -> None:
    """The first view, with a backup under way."""
    begun = served.post(f"{BACKUPS}/trigger?backup_type=attendance&wait=0").headers["Location"]
    with visit(browser, served, **options) as reader:
        page = reader.at()
        bar = page.get_by_role("progressbar", name="Backup of attendance")
        while float(bar.get_attribute("value") or 0) < 0.25:
            pass
        store(page, name)
    while served.get(begun).json["state"] == "running":
        pass


def plan(browser: Browser, served: Served, backup_id: str, name: str, options: dict[str, Any]) -> None:
    """The plan of a restore over the history of its set."""
    with visit(browser, served, **options) as reader:
        page = reader.at(f"#/set/main/backup/{backup_id}/restore")
        page.get_by_role("button", name="Show the plan").click()
        page.get_by_role("region", name="Plan").wait_for()
        store(page, name)


def history(browser: Browser, served: Served, name: str, options: dict[str, Any]) -> None:
    """The backups of a set of which one is broken."""
    with visit(browser, served, **options) as reader:
        page = reader.at("#/set/attendance")
        page.locator(".backup.critical").wait_for()
        store(page, name)


def document(browser: Browser, served: Served, backup_id: str, name: str, options: dict[str, Any]) -> None:
    """A pupil whom somebody deleted, found in a backup."""
    with MongoClient[dict[str, Any]](served.mongodb.uri) as client:
        pupil = client[DB]["students"].find_one_and_delete({}) or {}
    with visit(browser, served, **options) as reader:
        page = reader.at(f"#/set/main/backup/{backup_id}/documents")
        page.get_by_role("combobox", name="Collection").select_option("students")
        page.get_by_label("Value").fill(str(pupil["_id"]))
        page.get_by_role("button", name="Find").click()
        page.get_by_text("Deleted since").wait_for()
        store(page, name)


def store(page: Page, name: str) -> None:
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
