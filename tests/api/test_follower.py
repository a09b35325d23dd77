"""A sidecar whose schedules another one of its group runs: it serves, does what it is asked for, and says who leads."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from sidecar.rules.names import LEASES
from support.patience import wait_for
from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, Served
from support.servers import ServerProcess, seed

SCHEDULE = "/api/admin/schedule"
LEADER = {"_id": "schedules of school", "owner": "f00dcafe" * 4, "term": 3, "beats": 5, "silence_seconds": 3600.0}
IN_GROUP = {"SIDECAR_LEADER_GROUP": "school"}
EVERY_SECOND = {"SIDECAR_MAIN_SCHEDULE": "", "SEED_INTERVAL_HOURS": "0.0002777777778"}


@pytest.fixture
def follower(exact: ServerProcess, tmp_path: Path) -> Iterator[Served]:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES, LEASES: [LEADER]})
    with Served(exact, tmp_path / "backups", IN_GROUP | EVERY_SECOND) as served:
        wait_for(lambda: leadership(served)["leader"] is not None)
        yield served


def leadership(served: Served) -> dict[str, object]:
    return dict(served.get(SCHEDULE).json["leadership"])


def test_it_is_ready_and_says_who_leads_by_a_name_that_tells_nothing_of_the_host(follower: Served) -> None:
    shown = leadership(follower)
    assert shown == {"role": "follower", "group": "school", "id": shown["id"], "leader": "f00dcafe", "error": None}
    assert len(str(shown["id"])) == 8
    assert follower.get("/readyz", token=None).json == {"is_ready": True, "reasons": [], "role": "follower"}
    assert follower.metrics()["leader"] == 0


def test_it_begins_nothing_that_is_due_and_does_what_it_is_asked_for(follower: Served) -> None:
    first = datetime.fromisoformat(follower.get(SCHEDULE).json["entries"][0]["next_run"])
    wait_for(lambda: datetime.now(UTC) > first + timedelta(seconds=2))
    asked = follower.back_up()
    assert [one["backup_id"] for one in follower.get(f"{BACKUPS}/list").json["main"]] == [asked["backup_id"]]
    jobs = follower.get("/api/admin/jobs").json["jobs"]
    assert [(job["trigger"], job["runs"][0]["outcome"]) for job in jobs] == [("manual", "succeeded")]
    assert follower.metrics()['schedule_missed_runs_total{set="main"}'] == 0


def test_one_that_cannot_ask_says_why_and_nobody_is_said_to_lead(follower: Served) -> None:
    follower.lab(labFault="find", collection=LEASES, action="error", code=13, message="not authorized", times=-1)
    wait_for(lambda: leadership(follower)["leader"] is None)
    assert "not authorized" in str(leadership(follower)["error"])


def test_a_leader_stops_in_time_although_mongodb_does_not_answer(exact: ServerProcess, tmp_path: Path) -> None:
    with Served(exact, tmp_path / "backups", IN_GROUP | {"SIDECAR_LEASE_SECONDS": "60"}) as served:
        wait_for(lambda: leadership(served)["role"] == "leader")
        exact.pause()
        try:
            assert served.stop() == 0
        finally:
            exact.resume()


def test_a_sidecar_without_a_group_leads_alone_and_writes_nothing(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE})
    with Served(exact, tmp_path / "backups") as served:
        served.back_up()
        assert leadership(served) == {"role": "alone", "group": None, "id": None, "leader": None, "error": None}
        assert served.metrics()["leader"] == 1
    with MongoClient[dict[str, Any]](exact.uri) as client:
        assert client[DB].list_collection_names() == ["users"]
