"""The schedule as people see, pause and resume it, and runs that it begins."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.many_backups import repeat
from support.rig import DB, PEOPLE
from support.served import BACKUPS, FAR, FAR_AT, Served
from support.servers import ServerProcess, seed

SCHEDULE = "/api/admin/schedule"
NEXT = f"{FAR_AT:%Y-%m-%dT%H:%M:%SZ}"


def test_the_schedule_shows_what_runs_by_itself_and_when(served: Served) -> None:
    shown = served.get(SCHEDULE).json
    assert (shown["is_running"], shown["timezone"]) == (True, "UTC")
    assert [(one["kind"], one["backup_type"], one["schedule"]) for one in shown["entries"]] == [
        ("backup", "main", FAR),
        ("backup", "attendance", FAR),
        ("verify", "main", "30 3 * * *"),
        ("verify", "attendance", "30 3 * * *"),
        ("drill", "main", "0 4 * * 0"),
        ("drill", "attendance", "0 4 * * 0"),
    ]
    first = shown["entries"][0]
    assert (first["next_run"], first["pause"], first["last_run"]) == (NEXT, None, None)
    served.back_up()
    after = served.get(SCHEDULE).json["entries"][0]
    assert (after["last_run"]["outcome"], after["last_success_at"]) == ("succeeded", after["last_run"]["ended_at"])


def test_a_newest_backup_from_before_the_last_due_time_but_one_is_overdue(served: Served) -> None:
    def judged() -> tuple[bool, bool]:
        entry = served.get(SCHEDULE).json["entries"][0]
        return 7200 + 1200 <= entry["max_age_seconds"] <= 2 * 7200 + 1200, entry["is_overdue"]

    served.stop()
    served.variables = {"SIDECAR_MAIN_SCHEDULE": "", "SEED_INTERVAL_HOURS": "2"}
    made = served.start().back_up()
    assert judged() == (True, False)
    repeat(served.directory, made, [datetime.now(UTC) - timedelta(hours=5)])
    assert judged() == (True, False)  # there is a newer one
    assert served.call("DELETE", f"{BACKUPS}/{made['backup_id']}").status == 204
    assert judged() == (True, True)
    kinds = {one["kind"]: (one["max_age_seconds"], one["is_overdue"]) for one in served.get(SCHEDULE).json["entries"]}
    assert (kinds["verify"], kinds["drill"]) == ((None, False), (None, False))


def test_a_pause_names_who_and_survives_a_restart(served: Served) -> None:
    paused = served.post(f"{SCHEDULE}/pause?backup_type=main").json["entries"]
    assert (paused[0]["next_run"], paused[0]["pause"]["until"], paused[0]["pause"]["by"]) == (None, None, "admin token")
    assert paused[1]["pause"] is None
    served.kill()
    served.start()
    again = served.get(SCHEDULE).json["entries"][0]
    assert {**again, "max_age_seconds": 0} == {**paused[0], "max_age_seconds": 0}
    assert served.metrics()['schedule_enabled{set="main"}'] == 0
    resumed = served.post(f"{SCHEDULE}/resume").json["entries"][0]
    assert (resumed["next_run"], resumed["pause"]) == (NEXT, None)
    assert served.metrics()['schedule_enabled{set="main"}'] == 1


def test_a_pause_may_have_an_end_but_not_in_the_past(served: Served) -> None:
    paused = served.post(f"{SCHEDULE}/pause", {"until": "2099-12-31T00:00:00Z"}).json["entries"][0]
    assert (paused["next_run"], paused["pause"]["until"]) == (f"{FAR_AT:2100-%m-%dT%H:%M:%SZ}", "2099-12-31T00:00:00Z")
    refused = served.post(f"{SCHEDULE}/pause", {"until": "2020-01-01T00:00:00Z"})
    assert (refused.status, refused.json["code"]) == (409, "already_over")


@pytest.fixture
def every_second(exact: ServerProcess, tmp_path: Path) -> Served:
    """Not started yet."""
    seed(exact.uri, DB, {"users": PEOPLE})
    return Served(
        exact, tmp_path / "backups", {"SIDECAR_MAIN_SCHEDULE": "", "SEED_INTERVAL_HOURS": "0.0002", "BACKUP_LIMIT": "2"}
    )


def backups(served: Served) -> int:
    return int(served.metrics()['runs_total{set="main",trigger="scheduled"}'])


def test_backups_are_made_by_schedule_and_rotated(every_second: Served) -> None:
    with every_second as served:
        while backups(served) < 4:
            pass
        served.post(f"{SCHEDULE}/pause")
        listed = served.get("/api/admin/backups/list?backup_type=main").json["main"]
        assert {one["trigger"] for one in listed} == {"scheduled"}
        assert len(listed) <= 3


def test_mongodb_that_is_away_for_long_is_waited_for(every_second: Served) -> None:
    every_second.mongodb.kill()
    with every_second as served:
        assert served.metrics()["mongodb_up"] == 0
        while not served.metrics()['run_failures_total{reason="mongodb_unavailable",set="main"}']:
            pass
        assert served.get("/healthz").status == served.get("/readyz").status == 200
        assert served.get("/api/admin/backups/health").json["mongodb"]["is_up"] is False
        served.mongodb.start()
        seed(served.mongodb.uri, DB, {"users": PEOPLE})
        while not served.metrics()['last_run_success{set="main"}']:
            pass
        assert served.metrics()['consecutive_run_failures{set="main"}'] == 0


def test_mongodb_that_goes_away_in_a_run_fails_it_and_the_next_works(every_second: Served) -> None:
    with every_second as served:
        while not backups(served):
            pass
        served.mongodb.kill()
        while not served.metrics()['consecutive_run_failures{set="main"}']:
            pass
        assert served.get("/api/admin/backups/health").json["scheduler"]["failing_sets"] == ["main"]
        served.mongodb.start()
        seed(served.mongodb.uri, DB, {"users": PEOPLE})
        while served.metrics()['consecutive_run_failures{set="main"}']:
            pass
