"""A primary that steps down in mid-backup costs a retry, wherever the backup is; one that stays away fails the run in time."""

from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from sidecar.errors import AccessRefused, SourceUnavailable
from sidecar.model import Consistency
from sidecar.mongodb import reader, reading
from support.rig import BUSES, DB, PEOPLE, rig
from support.servers import ServerProcess, seed

AWAY_SECONDS = 2.0


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "BATCH_BYTES", 20_000)
    monkeypatch.setattr(reading, "RETRY_SECONDS", 0.01)


@pytest.mark.parametrize(
    ("command", "collection"),
    [("getMore", "users"), ("find", "users"), ("aggregate", "buses"), ("listIndexes", "users"), ("buildInfo", None)],
)
async def test_a_primary_that_steps_down_and_comes_back_costs_a_retry(
    command: str, collection: str | None, exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with rig(exact, tmp_path) as at:
        where = {"collection": collection} if collection else {}
        at.lab(labHook=command, then={"labStepDown": 1, "seconds": AWAY_SECONDS}, **where)
        made = await at.back_up()
        assert made.collections == {"users": len(PEOPLE), "buses": len(BUSES)}
        assert made.consistency is Consistency.SNAPSHOT


async def test_a_primary_that_stays_away_fails_the_run_after_the_stall_limit(
    exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with rig(exact, tmp_path, stall_seconds=1.0) as at:
        at.lab(labHook="getMore", then={"labStepDown": 1})
        with pytest.raises(SourceUnavailable):
            await at.back_up()
        assert at.files() == []


async def test_a_refused_right_is_not_tried_again(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with rig(exact, tmp_path) as at:
        at.lab(labFault="find", action="error", code=13, message="not authorized", collection="users", times=-1)
        at.lab(labCommands=1)
        with pytest.raises(AccessRefused, match="reading users: not authorized"):
            await at.back_up()
        assert len([one for one in at.commands("find") if one["find"] == "users"]) == 1


def test_the_server_of_these_tests_steps_down_for_a_while(exact: ServerProcess) -> None:
    with MongoClient[dict[str, Any]](exact.uri) as client:
        client.admin.command({"labStepDown": 1, "seconds": 0.2})
        assert client.admin.command("hello")["setName"] == "rs0"
