"""What the page says when something is wrong, each time with what to do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import expect
from pymongo import MongoClient

from support.browser import Visit
from support.many_backups import repeat
from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, Served
from support.servers import ServerProcess, seed


def hours_ago(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


def only_backup_is_of(served: Served, made: dict[str, Any], moment: datetime) -> dict[str, Any]:
    """Instead of the backup whose metadata is `made`; the metadata of the new one."""
    (backup_id,) = repeat(served.directory, made, [moment])
    for path in served.directory.glob(f"{made['backup_id']}*"):
        path.unlink()
    return dict(served.get(f"{BACKUPS}/{backup_id}").json["metadata"])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_flipped_bit_is_a_corrupt_badge_and_an_alert(reader: Visit, served: Served) -> None:
    made = served.back_up()
    page = reader.at("#/set/main")
    restore = reader.backup(made["backup_id"]).get_by_role("link", name=f"Restore {made['backup_id']}", exact=True)
    expect(reader.backup(made["backup_id"])).to_contain_text("Valid")
    expect(restore).to_have_count(1)
    flip_a_bit(served.directory / made["filename"])
    reader.refresh()
    card = reader.backup(made["backup_id"])
    expect(card).to_contain_text("Invalid")
    expect(card).to_contain_text("SHA-256 of the data is")
    expect(restore).to_have_count(0)
    expect(reader.alert("The newest backup of main is damaged")).to_contain_text("No restore uses it.")
    expect(page.locator(".set-head")).to_contain_text("Critical")


def test_an_older_backup_that_broke_is_a_warning_that_leads_to_it(reader: Visit, served: Served) -> None:
    older, _ = served.back_up(), served.back_up()
    flip_a_bit(served.directory / older["filename"])
    page = reader.at()
    expect(reader.set_card("main")).to_contain_text("Healthy")
    reader.alert("1 backup of main failed its integrity check").get_by_role("link").click()
    expect(page.get_by_role("combobox", name="State", exact=True)).to_have_value("invalid")
    expect(page.locator(".backup")).to_have_count(1)


def test_a_backup_of_yesterday_is_a_caution_and_one_of_three_days_ago_a_warning(reader: Visit, served: Served) -> None:
    made = only_backup_is_of(served, served.back_up(), hours_ago(30))
    reader.at()
    expect(reader.set_card("main").locator("header")).to_contain_text("Caution")
    only_backup_is_of(served, made, hours_ago(75))
    reader.refresh()
    expect(reader.alert("The last backup of main is more than 48 hours old")).to_be_visible()
    expect(reader.set_card("main").locator("header")).to_contain_text("Warning")
    expect(reader.set_card("main")).to_contain_text("3 days ago")


def test_an_overdue_backup_and_too_little_storage_are_said(
    exact: ServerProcess, tmp_path: Path, visits: Callable[..., Visit]
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    with Served(exact, tmp_path / "backups") as served:
        only_backup_is_of(served, served.back_up(), hours_ago(5.5))
        served.stop()
        served.variables = {"SIDECAR_MAIN_SCHEDULE": "", "SEED_INTERVAL_HOURS": "2", "MIN_STORAGE_MB": "1000000"}
        served.start()
        reader = visits(served)
        reader.at()
        storage = reader.alert("Too little storage for the next backup")
        expect(storage).to_contain_text(f"Make room in {served.directory}")
        expect(reader.page.locator(".card", has_text="Insufficient")).to_be_visible()
        expect(reader.alert("A backup of main is overdue")).to_contain_text("5 hours 3")
        expect(reader.page.locator(".alert").first).to_contain_text("Critical")


def test_a_suspect_backup_is_explained_and_confirmed(reader: Visit, served: Served) -> None:
    served.back_up()
    with MongoClient[dict[str, Any]](served.mongodb.uri) as client:
        client[DB]["users"].drop()
    suspect = served.back_up()["backup_id"]
    page = reader.at()
    alert = reader.alert("The newest backup of main is suspect")
    expect(alert).to_contain_text("users")
    alert.get_by_role("link").click()
    page.get_by_role("button", name="Deleted on purpose: confirm", exact=True).click()
    expect(page.locator("dialog .alert")).to_have_count(0)
    expect(alert).to_have_count(0)
    assert served.get(f"{BACKUPS}/{suspect}").json["is_suspect"] is False


def test_a_failed_drill_is_said_until_one_succeeds(reader: Visit, served: Served) -> None:
    served.back_up()
    served.lab(labFault="insert", action="error", times=-1, code=6, message="no more inserts")
    page = reader.at("#/schedule")
    page.locator(".cards").get_by_role("button", name="Run a drill of main now", exact=True).click()
    alert = reader.alert("The last restore drill of main failed")
    expect(alert).to_contain_text("no more inserts")
    served.lab(labReset=1)
    alert.get_by_role("button", name="Run a drill of main now", exact=True).click()
    expect(reader.toast("Drill of main succeeded")).to_be_visible()
    expect(page.locator(".card", has_text="3,250 documents restored, compared")).to_contain_text("Recovery time")
    expect(reader.alert("drill of main failed")).to_have_count(0)


def test_schedules_that_are_held_say_why(exact: ServerProcess, tmp_path: Path, visits: Callable[..., Visit]) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    with Served(exact, tmp_path / "backups", {"SIDECAR_RESTORE_ON_EMPTY": "true"}) as served:
        made = served.back_up()
        served.stop()
        with MongoClient[dict[str, Any]](exact.uri) as client:
            client.drop_database(DB)
        flip_a_bit(served.directory / made["filename"])
        served.start()
        served.wait_until("/readyz", "is_ready", value=False)
        reader = visits(served)
        reader.at()
        expect(reader.alert("The schedules are held")).to_contain_text("an empty database cannot push good backups out")
        expect(reader.page.locator(".card", has_text="Scheduler")).to_contain_text("Held")
