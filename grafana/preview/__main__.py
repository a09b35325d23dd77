"""Pictures of the dashboards from a real run: a real sidecar is scraped by a real Prometheus while things go well and wrong.

    python -m grafana.preview [--minutes 24] [--rules alerts] [--out docs/images]

A failure and a recovery, a drill, a restore, and a schedule that somebody paused; then each dashboard is drawn and photographed.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from grafana.build import HERE
from grafana.preview.asking import Viewer
from grafana.preview.page import WIDTH, page
from grafana.preview.png import with_a_palette
from sidecar.demo.school import build_school
from support.prometheus import Prometheus
from support.served import BACKUPS, Served
from support.servers import ServerProcess, exact_server, seed

DATABASE: Final = "bus_tracker"
PICTURES: Final = {"overview.json": ("dashboard-overview.png", {}), "set.json": ("dashboard-set.png", {"set": "main"})}
GROWTH: Final = 60  # new events, so often in a run
AWAY, BACK = 0.4, 0.5  # MongoDB stands still in this part of a run

Step = tuple[float, Callable[[], object]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=24, help="with 24 a paused set is almost too old")
    parser.add_argument("--rules", type=Path, default=HERE.parent / "alerts", help="folder of *.rules.yaml")
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "images", help="folder of the pictures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, exact_server() as mongodb:
        school = build_school(datetime.now(UTC))
        seed(mongodb.uri, DATABASE, {name: documents for name, documents in school.items() if name != "events"})
        with _watched(mongodb, Path(folder), options.rules, options.minutes * 60) as (served, prometheus):
            began = time.time()
            _live(served, school["events"], options.minutes * 60)
            viewer = Viewer(prometheus.url, began, time.time())
            for name, (picture, choices) in PICTURES.items():
                _photograph(name, viewer, choices, options.out / picture)


@contextmanager
def _watched(mongodb: ServerProcess, folder: Path, rules: Path, seconds: float) -> Iterator[tuple[Served, Prometheus]]:
    """A sidecar that makes a backup of `main` in every 24th part of the run, and of `attendance` in every 16th."""
    variables = {
        "SIDECAR_MAIN_SCHEDULE": "",
        "SIDECAR_ATTENDANCE_SCHEDULE": "",
        "SEED_INTERVAL_HOURS": f"{seconds / 24 / 3600:.6f}",
        "ATTENDANCE_INTERVAL_HOURS": f"{seconds / 16 / 3600:.6f}",
        "SIDECAR_VERIFY_SCHEDULE": "* * * * *",
        "SIDECAR_STALL_TIMEOUT_SECONDS": "3",
        "MIN_STORAGE_MB": "100",
    }
    often = [_often(file, folder) for file in sorted(rules.glob("*.rules.yaml"))]
    with Served(mongodb, folder / "backups", variables) as served:
        while not all(served.get(f"{BACKUPS}/list").json.values()):  # or the objective would be missed from the start
            time.sleep(1)
        with Prometheus(folder / "prometheus", {"mongobackup": [served.port]}, often) as prometheus:
            yield served, prometheus


def _often(rules: Path, folder: Path) -> Path:
    """The same rules evaluated every five seconds: the run is short."""
    made = folder / rules.name
    made.write_text(re.sub(r"interval: \S+", "interval: 5s", rules.read_text(encoding="utf-8")), encoding="utf-8")
    return made


def _live(served: Served, events: list[dict[str, object]], seconds: float) -> None:
    """What happens, by its place in the run."""
    share = len(events) // GROWTH
    grow: list[Step] = [
        (step / GROWTH, partial(_add, served, events[step * share : (step + 1) * share]))
        for step in range(GROWTH)
        if not AWAY <= step / GROWTH <= BACK
    ]
    plan: list[Step] = [
        (0.06, partial(_insist, served, f"{BACKUPS}/drill?backup_type=both")),
        (0.32, partial(served.post, "/api/admin/schedule/pause?backup_type=attendance")),
        (AWAY, served.mongodb.pause),
        (BACK, served.mongodb.resume),
        (0.6, partial(_restore, served)),
        (0.7, partial(_insist, served, f"{BACKUPS}/drill?backup_type=main")),
        (0.85, partial(served.get, f"{BACKUPS}/status", token="a-wrong-token")),  # noqa: S106 # meant to be wrong
    ]
    began = time.monotonic()
    for place, act in sorted([*grow, *plan], key=lambda one: one[0]):
        time.sleep(max(began + place * seconds - time.monotonic(), 0))
        act()
    time.sleep(max(began + seconds - time.monotonic(), 0))


def _add(served: Served, events: list[dict[str, object]]) -> None:
    seed(served.mongodb.uri, DATABASE, {"events": events})


def _restore(served: Served) -> None:
    """The newest backup of `main`, over the database that it came from."""
    listed = served.get(f"{BACKUPS}/list?backup_type=main").json["main"]
    _insist(served, f"{BACKUPS}/{listed[0]['backup_id']}/restore", {"confirm": DATABASE})


def _insist(served: Served, path: str, body: object = None) -> None:
    """Ask again while the set is busy with a run of its schedule."""
    while (answer := served.post(path, body)).status == HTTPStatus.CONFLICT:
        time.sleep(0.2)
    assert answer.status == HTTPStatus.OK, answer.body


def _photograph(name: str, viewer: Viewer, choices: dict[str, str], to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    dashboard = json.loads((HERE / name).read_text(encoding="utf-8"))
    seen = Viewer(viewer.prometheus, viewer.start, viewer.end, choices=choices)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page(viewport={"width": WIDTH, "height": 900})
        tab.set_content(page(dashboard, seen))
        to.write_bytes(with_a_palette(tab.screenshot(full_page=True)))
        browser.close()
    print(f"{to}: {to.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
