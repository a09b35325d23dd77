"""Another source than the primary: a member that the connection string names, by preference or directly."""

from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.errors import SourceError
from sidecar.mongodb.database import Database
from support.rig import BUSES, DB, PEOPLE, rig
from support.servers import ServerProcess, seed

DIRECTLY = "directConnection=true&readPreference=secondaryPreferred"


async def test_reads_go_where_the_connection_string_sends_them(exact: ServerProcess, tmp_path: Path) -> None:
    """Everything that reads documents keeps the read preference and its tags."""
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    preference = "readPreference=secondaryPreferred&readPreferenceTags=use:backup&readPreferenceTags="
    async with rig(exact, tmp_path) as made:
        made.lab(labCommands=1)
        async with Database(f"{exact.uri}&{preference}", DB, stall_seconds=20) as database:
            await replace(made, database=database).back_up()
        reads = [one for one in made.lab(labCommands=1)["commands"] if one["name"] in ("find", "aggregate")]
    assert {one["name"] for one in reads} == {"find", "aggregate"}
    expected = {"mode": "secondaryPreferred", "tags": [{"use": "backup"}, {}]}
    assert {str(one["command"].get("$readPreference")) for one in reads} == {str(expected)}


async def test_a_hidden_member_gives_a_snapshot_and_takes_no_restore(exact: ServerProcess, tmp_path: Path) -> None:
    """Hidden members are not discovered: the string has to name one, with a direct connection."""
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with rig(exact, tmp_path) as made:
        made.lab(labStepDown=1)
        async with Database(f"{exact.uri}&{DIRECTLY}", DB, stall_seconds=20) as database:
            hidden = replace(made, database=database)
            backup = await hidden.back_up()
            assert backup.consistency == "snapshot"
            assert {name: one.documents for name, one in backup.collection_details.items()} == {
                "users": len(PEOPLE),
                "buses": len(BUSES),
            }
            with pytest.raises(SourceError, match="not primary"):
                await hidden.restore(backup)
