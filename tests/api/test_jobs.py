"""Jobs as they are watched, called off, and found again after a restart."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from support.patience import PATIENCE_SECONDS
from support.rig import DB, PEOPLE
from support.served import ADMIN, BACKUPS, Served
from support.servers import seed

JOBS = "/api/admin/jobs"


def begin_that_hangs(served: Served) -> str:
    """A backup that has read one collection and waits for the other; the path of its job."""
    served.lab(labFault="find", action="stall", times=-1, collection="buses")
    answer = served.post(f"{BACKUPS}/trigger?backup_type=main&wait=0")
    assert answer.status == 202
    return answer.headers["Location"]


def test_a_job_shows_how_far_it_is(served: Served) -> None:
    served.back_up()
    job = begin_that_hangs(served)
    while (running := served.get(job).json)["runs"][0]["progress"]["collection"] is None:
        pass
    progress = running["runs"][0]["progress"]
    known = {key: progress[key] for key in ("action", "collection", "documents", "expected_documents")}
    assert known == {"action": "backup", "collection": "users", "documents": 3000, "expected_documents": 3250}
    assert progress["bytes"] > 0
    assert progress["bytes_per_second"] > 0
    assert progress["remaining_seconds"] >= 0
    assert served.metrics()['running{set="main"}'] == 1


def events(served: Served, job: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Server-sent events as they come (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE_SECONDS)) as connection:
        connection.request("GET", f"{job}/events", headers={"Authorization": f"Bearer {ADMIN}"})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
        assert answer.headers["X-Accel-Buffering"] == "no"  # nginx would hold the events back
        name = ""
        while line := answer.readline().decode().rstrip("\n"):
            name = line.removeprefix("event: ")
            yield name, json.loads(answer.readline().decode().removeprefix("data: "))
            assert answer.readline() == b"\n"
        assert name == "end"


def test_events_tell_of_progress_and_of_the_end(served: Served) -> None:
    job = begin_that_hangs(served)
    following = events(served, job)
    name, body = next(following)
    assert (name, body["state"]) == ("progress", "running")
    served.lab(labReset=1)
    served.post(f"{job}/cancel")
    *_, last = following
    assert (last[0], last[1]["state"], last[1]["runs"][0]["code"]) == ("end", "aborted", "cancelled")


def test_events_of_a_job_that_is_over_are_its_end(served: Served) -> None:
    served.back_up()
    (job,) = served.get(JOBS).json["jobs"]
    ((name, body),) = events(served, f"{JOBS}/{job['id']}")
    assert (name, body) == ("end", job | {"runs": body["runs"]})


def test_a_failed_run_keeps_what_it_logged(served: Served) -> None:
    served.lab(labFault="find", action="error", times=-1, code=6, message="the disk is on fire")
    answer = served.post(f"{BACKUPS}/trigger?backup_type=main")
    assert answer.status == 502
    job = served.get(f"{JOBS}/{answer.json['main']['job_id']}").json
    assert job["state"] == "failed"
    (run,) = job["runs"]
    assert "the disk is on fire" in run["message"]
    assert (run["message"], run["cure"]) == (answer.json["main"]["message"], answer.json["main"]["cure"])
    logged = [line["event"] for line in run["log"]]
    assert (logged[0], logged[-1]) == ("run.started", "run.ended")
    assert {line["job_id"] for line in run["log"]} == {job["id"]}


def test_jobs_are_listed_and_filtered_and_found_after_a_restart(served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    served.post(f"{BACKUPS}/verify/{backup_id}")
    before = served.get(JOBS)
    assert [(one["kind"], one["state"]) for one in before.json["jobs"]] == [
        ("verify", "succeeded"),
        ("backup", "succeeded"),
    ]
    assert before.headers["X-Total-Count"] == "2"
    served.stop()
    served.start()
    assert served.get(JOBS).json == before.json
    only = served.get(f"{JOBS}?kind=backup&backup_type=main&outcome=succeeded&limit=1")
    assert only.json["jobs"] == before.json["jobs"][1:]
    assert served.get(f"{JOBS}?outcome=failed").json == {"jobs": []}


def test_a_job_that_does_not_exist_is_not_found(served: Served) -> None:
    for answer in (served.get(f"{JOBS}/none"), served.post(f"{JOBS}/none/cancel"), served.get(f"{JOBS}/none/events")):
        assert (answer.status, answer.json["code"]) == (404, "job_not_found")


def test_cancelling_what_is_over_changes_nothing(served: Served) -> None:
    served.back_up()
    (job,) = served.get(JOBS).json["jobs"]
    assert served.post(f"{JOBS}/{job['id']}/cancel").json["state"] == "succeeded"


def test_a_killed_server_says_what_it_was_doing(served: Served) -> None:
    job = begin_that_hangs(served)
    served.kill()
    served.start()
    aborted = served.get(job).json
    assert (aborted["state"], aborted["runs"][0]["code"]) == ("aborted", "process_died")
    metrics = served.metrics()
    assert metrics['run_failures_total{reason="process_died",set="main"}'] == 1
    assert metrics['last_run_success{set="main"}'] == 0
    assert metrics['consecutive_run_failures{set="main"}'] == 1
    served.lab(labReset=1)
    served.back_up()
    assert sorted(path.suffix for path in served.directory.glob("seed_*")) == [".json", ".json"]


def test_sigterm_ends_the_run_cleanly_and_answers_who_waits(served: Served) -> None:
    job = begin_that_hangs(served)
    following = events(served, job)
    assert next(following)[0] == "progress"
    assert served.stop() == 0
    *_, (name, body) = following
    assert (name, body["runs"][0]["message"]) == ("end", "the sidecar is stopping")
    assert list(served.directory.glob("*seed*")) == []
    served.start()
    assert served.get(job).json["runs"][0]["message"] == "the sidecar is stopping"


def test_two_sets_are_backed_up_together_as_one_job(served: Served) -> None:
    seed(served.mongodb.uri, DB, {"attendance": PEOPLE})
    answer = served.post(f"{BACKUPS}/trigger")
    assert answer.status == 200
    assert {body["job_id"] for body in answer.json.values()} == {answer.json["main"]["job_id"]}
    (job,) = served.get(JOBS).json["jobs"]
    assert [(run["backup_type"], run["outcome"]) for run in job["runs"]] == [
        ("main", "succeeded"),
        ("attendance", "succeeded"),
    ]
