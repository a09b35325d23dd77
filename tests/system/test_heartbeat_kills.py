"""A server that is killed between a backup and the word of it: no success is said that was none, and hardly one is lost."""

import os
import random
import sqlite3
import time
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from sidecar.history import DIRECTORY
from support.command import Command
from support.patience import wait_for
from support.receivers import HttpReceiver
from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, Served
from support.servers import ServerProcess, seed

KILLS = int(os.environ.get("KILLS", "200"))
FAILING = 4  # every so manieth time the database refuses to be read
LONGEST = 1.3  # seconds from the commit to the kill: the word leaves within one


def runs(directory: Path) -> dict[str, tuple[str, str]]:
    """Outcome and message of each ended run by its job."""
    query = "SELECT job_id, outcome, message FROM runs WHERE kind = 'backup' AND outcome IN ('succeeded', 'failed', 'aborted')"
    with closing(sqlite3.connect(f"file:{directory / DIRECTORY / 'history.sqlite3'}?mode=ro", uri=True)) as record:
        return {job: (outcome, message) for job, outcome, message in record.execute(query)}


def committed(directory: Path) -> int:
    return len(list(directory.glob("*.meta.json")))


def are_committed(directory: Path, backups: int) -> bool:
    return committed(directory) >= backups


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_kills_between_a_backup_and_the_word_of_it(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    moments = random.Random(20261128)
    with HttpReceiver() as receiver:
        variables = {
            "SIDECAR_HEARTBEAT_URL": f"{receiver.url}/{{set}}",
            "SIDECAR_VERIFY_SCHEDULE": "",
            "SIDECAR_DRILL_SCHEDULE": "",
            "BACKUP_LIMIT": "100000",
        }
        served = Served(exact, tmp_path / "backups", variables)
        for number in range(KILLS):
            is_failing = number % FAILING == FAILING - 1
            if is_failing:
                served.lab(labFault="find", action="error", times=-1, code=6, message="no")
            more = committed(served.directory) + (not is_failing)
            served.start()
            assert served.post(f"{BACKUPS}/trigger?backup_type=main&wait=0").status == 202
            wait_for(partial(are_committed, served.directory, more))
            time.sleep(moments.uniform(0, LONGEST))
            served.kill()
            served.lab(labReset=1)
        with served:
            last = served.back_up()["filename"]
            wait_for(lambda: any(one.body == last for one in receiver.received))
            assert served.stop() == 0
        said = Counter(one.body for one in receiver.received if one.path == "/main")
        failures = [one for one in receiver.received if one.path == "/main/fail"]
    recorded = runs(served.directory)
    good = {message for outcome, message in recorded.values() if outcome == "succeeded"}
    valid = {one["filename"] for one in Command(exact, served.directory).json("list", "main") if one["is_valid"]}
    missing, repeated = good - said.keys(), {name: count for name, count in said.items() if count > 1}
    figures = {
        "kills": KILLS,
        "runs": dict(Counter(outcome for outcome, _ in recorded.values())),
        "successes said": sum(said.values()),
        "failures said": len(failures),
        "never said": len(missing),
        "said twice": len(repeated),
    }
    print(figures)  # noqa: T201 - for docs/reliability.md
    assert said.keys() <= good, said.keys() - good
    assert said.keys() <= valid, said.keys() - valid
    assert max(repeated.values(), default=1) == 2 or not repeated
    assert len(missing) + len(repeated) <= KILLS / 20, figures
