"""What is told to be wrong, on a real directory: calm at the beginning, and every state by its name."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sidecar.api.auth import Gate
from sidecar.api.sessions import Tokens
from sidecar.bootstrap.server import _assembled, _observed
from sidecar.config import Secret
from sidecar.history.record import History
from sidecar.metrics import Telemetry
from sidecar.model import Severity
from support.rig import BUSES, DB, PEOPLE
from support.servers import ServerProcess, seed
from support.services import open_on

HOUR = timedelta(hours=1)


async def test_each_state_of_a_set_is_told_by_its_name(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with open_on(exact, tmp_path, SIDECAR_CONFIG=str(_one_set(tmp_path))) as service:
        now = datetime.now(UTC)
        with History(tmp_path / "history", lambda: (), now) as history:
            gate = Gate(Tokens(Secret("a token of the tests"), None))
            sidecar = _assembled(service.settings, gate, Telemetry(), service, history)
            observed = _observed(sidecar)

            async def told(later: timedelta = timedelta()) -> dict[str, Severity]:
                await sidecar.overview.refresh()
                found = observed.conditions(now + later)
                return {one.key: one.severity for one in found if one.set_name}

            await sidecar.scheduler.load()
            assert await told() == {}  # a set that is new has its time
            job = await sidecar.operations.back_up(["main"])
            await job.wait(None)
            assert await told() == {}
            assert await told(HOUR / 2) == {}
            overdue = {"main newest backup": Severity.CRITICAL, "main copy nas": Severity.WARNING}
            assert await told(3 * HOUR) == overdue  # nothing was copied in all that time
            exact_data = next(service.stores["main"].directory.glob("*_backup_*[0-9].json"))
            exact_data.write_bytes(exact_data.read_bytes()[:-9])
            damaged = {"main newest backup": Severity.CRITICAL, "main stored backups": Severity.WARNING}
            assert await told() == damaged
            for path in service.stores["main"].directory.glob("*_backup_*"):
                path.unlink()
            assert await told() == {"main newest backup": Severity.CRITICAL}  # there was one
            await sidecar.jobs.stop()


def _one_set(folder: Path) -> Path:
    path = folder / "sidecar.toml"
    (folder / "nas").mkdir()
    path.write_text(f'[sets.attendance]\nenabled = false\n[copies.nas]\nurl = "file://{folder}/nas"\n')
    return path
