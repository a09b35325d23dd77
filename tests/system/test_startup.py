"""An empty database is restored before anything is begun by schedule, once, or the schedules are held and say why."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from sidecar.rules.names import LEASES
from support.patience import wait_for
from support.rig import BUSES, DB, PEOPLE
from support.served import Served
from support.servers import ServerProcess, seed

RESTORING = {"SIDECAR_RESTORE_ON_EMPTY": "true"}
CONTENT: dict[str, list[dict[str, Any]]] = {"users": PEOPLE, "buses": BUSES}


def held(exact: ServerProcess) -> dict[str, list[Any]]:
    with MongoClient[dict[str, Any]](exact.uri) as client:
        return {name: list(client[DB][name].find()) for name in client[DB].list_collection_names() if name != LEASES}


def forget(exact: ServerProcess) -> None:
    with MongoClient[dict[str, Any]](exact.uri) as client:
        client.drop_database(DB)


def is_ready(served: Served) -> bool:
    return served.get("/readyz", token=None).status == 200


def reasons(served: Served) -> str:
    return "; ".join(served.get("/readyz", token=None).json["reasons"])


def restores(served: Served) -> list[str]:
    jobs = served.get("/api/admin/jobs?kind=restore").json["jobs"]
    return [f"{run['outcome']} {run['backup_type']}" for job in jobs for run in job["runs"]]


@pytest.fixture
def backed_up(exact: ServerProcess, tmp_path: Path) -> tuple[Path, list[str]]:
    """A directory with two backups of `main`, and a database that has been lost since."""
    seed(exact.uri, DB, CONTENT)
    with Served(exact, tmp_path / "backups") as served:
        ids = [served.back_up()["backup_id"] for _ in range(2)]
        served.stop()
    forget(exact)
    return tmp_path / "backups", ids


@pytest.mark.parametrize("sidecars", [1, 2, 5])
def test_however_many_start_at_once_an_empty_database_is_restored_once(
    sidecars: int, exact: ServerProcess, tmp_path: Path, backed_up: tuple[Path, list[str]]
) -> None:
    directories = [tmp_path / f"backups_{number}" for number in range(sidecars)]
    for directory in directories:
        shutil.copytree(backed_up[0], directory)
        shutil.rmtree(directory / ".history")
    all_served = [Served(exact, directory, RESTORING) for directory in directories]
    try:
        for served in all_served:
            served.start()
        for served in all_served:
            while not is_ready(served):
                assert served.metrics()["scheduler_armed"] == 0 or is_ready(served)
            assert held(exact) == CONTENT  # whole as soon as anybody is ready
            assert served.metrics()["scheduler_armed"] == 1
        assert sorted(one for served in all_served for one in restores(served)) == ["succeeded main"]
    finally:
        for served in all_served:
            served.kill()


def test_a_backup_that_cannot_be_restored_falls_back_to_the_next_and_both_are_recorded(
    exact: ServerProcess, backed_up: tuple[Path, list[str]]
) -> None:
    directory, ids = backed_up
    with MongoClient[dict[str, Any]](exact.uri) as client:
        fault = {"action": "error", "times": 1, "code": 8, "message": "no such luck"}
        client[DB].command({"labFault": "renameCollection", **fault})
    with Served(exact, directory, RESTORING) as served:
        wait_for(lambda: is_ready(served))
        assert held(exact) == CONTENT
        assert restores(served) == ["succeeded main", "failed main"]
        jobs = served.get("/api/admin/jobs?kind=restore").json["jobs"]
        assert [job["runs"][0]["backup_id"] for job in jobs] == ids
        assert "no such luck" in jobs[1]["runs"][0]["message"]


def test_without_a_valid_backup_the_schedules_are_held_and_readiness_says_why(
    exact: ServerProcess, backed_up: tuple[Path, list[str]]
) -> None:
    directory, ids = backed_up
    for backup_id in ids:
        data = directory / f"{backup_id}.json"
        data.write_bytes(data.read_bytes().replace(b"pupil 7", b"pupil 8", 1))
    every_second = {"SIDECAR_MAIN_SCHEDULE": "", "SEED_INTERVAL_HOURS": "0.001"}
    with Served(exact, directory, RESTORING | every_second) as served:
        wait_for(lambda: "none of its backups is valid" in reasons(served))
        metrics = served.metrics()
        assert (metrics["scheduler_armed"], metrics["scheduler_running"]) == (0, 1)
        health = served.get("/api/admin/backups/health").json
        assert "none of its backups is valid" in health["scheduler"]["held_because"]
        began = served.get("/api/admin/schedule").json["entries"][0]["next_run"]
        wait_for(lambda: datetime.now(UTC) > datetime.fromisoformat(began) + timedelta(seconds=2))
        assert len(served.get("/api/admin/backups/list").json["main"]) == 2
        seed(exact.uri, DB, CONTENT)  # somebody repaired it by hand
        wait_for(lambda: is_ready(served))
        wait_for(lambda: len(served.get("/api/admin/backups/list").json["main"]) > 2)


def test_a_database_that_holds_some_of_a_set_is_left_alone(
    exact: ServerProcess, backed_up: tuple[Path, list[str]]
) -> None:
    seed(exact.uri, DB, {"buses": [{"_id": "the only one"}]})
    with Served(exact, backed_up[0], RESTORING) as served:
        wait_for(lambda: is_ready(served))
        assert held(exact) == {"buses": [{"_id": "the only one"}]}
        assert restores(served) == []


def test_while_mongodb_is_away_it_serves_and_waits_and_then_restores(
    exact: ServerProcess, backed_up: tuple[Path, list[str]]
) -> None:
    exact.kill()
    with Served(exact, backed_up[0], RESTORING) as served:
        wait_for(lambda: "has not ended" in reasons(served))
        exact.start()
        wait_for(lambda: is_ready(served))
        assert held(exact) == CONTENT


def test_an_application_that_begins_to_fill_the_database_meanwhile_loses_nothing(
    exact: ServerProcess, backed_up: tuple[Path, list[str]]
) -> None:
    mine = [{"_id": "written meanwhile"}]
    then = {"insert": "buses", "documents": mine}
    with MongoClient[dict[str, Any]](exact.uri) as client:
        client[DB].command({"labHook": "insert", "skip": 1, "then": then})  # the first one takes the lease
    with Served(exact, backed_up[0], RESTORING) as served:
        wait_for(lambda: is_ready(served))
        assert "somebody else began to fill it" in served.log_path.read_text()
    assert held(exact) == {"buses": mine}


def test_the_very_first_start_loads_the_seed_file(exact: ServerProcess, tmp_path: Path) -> None:
    path = tmp_path / "seed.json"
    path.write_text(json.dumps({"users": [{"_id": {"$numberLong": "7"}}], "buses": [{"_id": 1}, {"_id": 2}]}))
    with Served(exact, tmp_path / "backups", {"SIDECAR_SEED_FILE": str(path)}) as served:
        wait_for(lambda: is_ready(served))
        assert held(exact) == {"users": [{"_id": 7}], "buses": [{"_id": 1}, {"_id": 2}]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "cannot be decoded"),
        ('{"format": "sidecar-json"}', "is a backup"),
        ("[]", "expected"),
        (None, "No such file"),
    ],
)
def test_a_seed_file_that_is_no_use_holds_the_schedules(
    content: str | None, reason: str, exact: ServerProcess, tmp_path: Path
) -> None:
    path = tmp_path / "seed.json"
    if content is not None:
        path.write_text(content)
    with Served(exact, tmp_path / "backups", {"SIDECAR_SEED_FILE": str(path)}) as served:
        wait_for(lambda: reason in reasons(served))
        assert str(path) not in reasons(served)  # which anybody may ask for
        assert held(exact) == {}
