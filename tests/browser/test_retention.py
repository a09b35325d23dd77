"""The line of time: which rule keeps which backup, and what other rules would keep."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from sidecar.rules.policy import Policy
from sidecar.rules.reach import left
from support.browser import Visit
from support.many_backups import repeat
from support.rig import BUSES, DB
from support.served import Served
from support.servers import ServerProcess, seed

HOUR = timedelta(hours=1)
TIERS = {"KEEP_HOURLY": 24, "KEEP_DAILY": 7, "KEEP_WEEKLY": 4, "KEEP_MONTHLY": 6}


@pytest.fixture
def served(exact: ServerProcess, tmp_path: Path) -> Iterator[Served]:
    """With what half a year of hourly backups leaves."""
    seed(exact.uri, DB, {"users": BUSES})
    variables = {f"SIDECAR_{name}": str(count) for name, count in TIERS.items()}
    with Served(exact, tmp_path / "backups", variables) as served:
        made = served.back_up()
        now = datetime.fromisoformat(made["timestamp"])  # an hour may end before the next line
        told = left(Policy(5, 30, 24, 7, 4, 6), HOUR, now)
        repeat(served.directory, made, [now - HOUR * age for age in (*range(1, told.newest), *told.older)])
        yield served


def test_each_backup_is_a_dot_in_the_lane_of_its_rule_and_other_rules_can_be_tried(
    reader: Visit, served: Served
) -> None:
    page = reader.at("#/set/main")
    page.get_by_role("link", name="Retention", exact=True).click()
    expect(page.get_by_text("It reaches back")).to_contain_text("years")  # one backup a year is made here
    lanes = page.locator(".lane > span")
    expect(lanes.first).to_have_text("Always 1")
    expect(lanes).to_have_text(
        [re.compile(rf"{name} \d+") for name in ("Always", "Hourly", "Daily", "Weekly", "Monthly")]
    )
    before = lanes.all_inner_texts()
    dots = page.locator(".lane circle").count()
    assert dots == sum(int(one.rpartition(" ")[2]) for one in before) > 30
    expect(page.get_by_role("img", name="Monthly: ")).to_be_visible()

    hours = page.get_by_role("spinbutton", name="Hours", exact=True)
    hours.fill("2")
    reader.refresh()
    expect(hours).to_have_value("2")  # a refresh leaves what is being typed
    hours.press("Tab")
    expect(page.get_by_role("status").filter(has_text="keep now would be deleted")).to_be_visible()
    expect(page).to_have_url(re.compile("keep_hourly=2"))
    expect(page.locator("pre")).to_have_text("[sets.main]\nkeep_hourly = 2")
    expect(page.locator(".lane.going span")).to_have_text(re.compile("Goes [12][0-9]"))
    expect(page.get_by_role("heading", name="What changes")).to_be_visible()
    page.get_by_role("link", name="Back to the rules in force").click()
    expect(page.locator(".lane.going")).to_have_count(0)
    assert len(served.get("/api/admin/backups/list?backup_type=main").json["main"]) == dots
