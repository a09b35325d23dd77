"""Restore drills by the API and beside it."""

import json
import subprocess
import sys
from typing import Any

from pymongo import MongoClient

from sidecar.restore.drill import PREFIX
from support.patience import PATIENCE_SECONDS
from support.served import BACKUPS, Served

DRILL = f"{BACKUPS}/drill"


def scratch_databases(served: Served) -> list[str]:
    with MongoClient[dict[str, Any]](served.mongodb.uri) as client:
        return [name for name in client.list_database_names() if name.startswith(PREFIX)]


def test_a_drill_proves_the_newest_backup_and_measures_the_recovery(served: Served) -> None:
    newest = [served.back_up()["backup_id"] for _ in range(2)][1]
    assert served.metrics()['restore_drill_success{set="main"}'] == 0
    answer = served.post(f"{DRILL}?backup_type=main")
    assert (answer.status, answer.json["main"]["success"]) == (200, True)
    assert answer.json["main"]["message"] == "3,250 documents restored, compared and dropped again"
    assert answer.json["main"]["metadata"]["backup_id"] == newest
    metrics = served.metrics()
    assert metrics['restore_drill_success{set="main"}'] == 1
    assert metrics['restore_drill_duration_seconds{set="main"}'] > 0
    assert metrics['restore_drill_timestamp_seconds{set="main"}'] > 0
    assert scratch_databases(served) == []


def test_a_drill_that_fails_says_why_and_is_seen(served: Served) -> None:
    served.back_up()
    served.lab(labFault="insert", action="error", times=-1, code=6, message="no more inserts")
    answer = served.post(f"{DRILL}?backup_type=main")
    assert answer.status == 502
    assert "no more inserts" in answer.json["main"]["message"]
    assert served.metrics()['restore_drill_success{set="main"}'] == 0
    assert scratch_databases(served) == []


def test_a_set_without_a_valid_backup_cannot_be_proven(served: Served) -> None:
    answer = served.post(f"{DRILL}?backup_type=attendance")
    assert (answer.status, answer.json["attendance"]["code"]) == (404, "backup_not_found")


def test_what_a_killed_drill_left_is_swept_at_the_next_start(served: Served) -> None:
    served.back_up()
    served.lab(labFault="createIndexes", action="stall", times=-1)
    served.lab(labFault="renameCollection", action="stall", times=-1)
    served.post(f"{DRILL}?backup_type=main&wait=0")
    while not scratch_databases(served):
        pass
    served.kill()
    assert len(scratch_databases(served)) == 1
    served.lab(labReset=1)
    served.start()
    while scratch_databases(served):
        pass


def test_a_cancelled_drill_leaves_nothing(served: Served) -> None:
    served.back_up()
    served.lab(labFault="renameCollection", action="stall", times=-1)
    job = served.post(f"{DRILL}?backup_type=main&wait=0").headers["Location"]
    while not scratch_databases(served):
        pass
    served.post(f"{job}/cancel")
    assert served.wait_until(job, "state", "aborted")["runs"][0]["code"] == "cancelled"
    assert scratch_databases(served) == []


def test_the_command_line_proves_every_set_and_fails_if_one_fails(served: Served) -> None:
    served.back_up()
    ended = subprocess.run(
        [sys.executable, "-m", "sidecar", "drill", "--json"],
        env=served.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    bodies = json.loads(ended.stdout)
    assert (ended.returncode, bodies["attendance"]["code"]) == (1, "backup_not_found")
    assert (bodies["main"]["success"], bodies["main"]["documents"]) == (True, 3250)
