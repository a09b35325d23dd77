"""What no set takes, asked of a real server."""

from pathlib import Path

import structlog

from sidecar.history.record import History
from sidecar.rules.coverage import Uncovered
from sidecar.runtime.clock import SystemClock
from sidecar.status.overview import Overview
from support.rig import BUSES, DB, PEOPLE
from support.servers import ServerProcess, seed
from support.services import open_on


async def test_what_appears_in_no_backup_is_told_once(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES, "newcomers": BUSES, "tmp_1": BUSES})
    with structlog.testing.capture_logs() as logged:
        async with open_on(exact, tmp_path, SIDECAR_IGNORE="tmp_*") as service:
            with History(tmp_path, list, SystemClock().now()) as history:
                overview = Overview(service, history, SystemClock())
                for _ in range(2):
                    await overview.refresh()
                    await overview._look_for_uncovered()
    assert overview.uncovered == Uncovered(("newcomers",))
    told = [one["about"] for one in logged if one["event"] == "coverage.uncovered"]
    assert told == ["1 collection is in no backup: newcomers"]


async def test_beside_a_set_of_everything_other_databases_are_told(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE})
    for database in ("other", "sidecar_drill_0123_0123abcd"):
        seed(exact.uri, database, {"things": BUSES})
    chosen = tmp_path / "sidecar.toml"
    chosen.write_text('[sets.all_of_it]\ncollections = ["*"]\n')
    async with open_on(exact, tmp_path, SIDECAR_CONFIG=str(chosen)) as service:
        with History(tmp_path, list, SystemClock().now()) as history:
            overview = Overview(service, history, SystemClock())
            await overview.refresh()
    assert overview.uncovered == Uncovered((), ("other",))
