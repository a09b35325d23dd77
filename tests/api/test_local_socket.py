"""The socket in the backup directory: commands of the server's host need no token, and nobody else can open it."""

import asyncio
import json
import signal
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from sidecar import logger
from sidecar.api.local_socket import listening_at
from sidecar.cli import program, status
from sidecar.errors import SidecarError, UsageError
from support.rig import BUSES, DB, PEOPLE
from support.served import Served
from support.servers import ServerProcess, seed


def sidecar(served: Served, *arguments: str) -> str:
    """What the command line prints on the server's host, where it knows no token. Raises what it complains of."""
    environment = dict.fromkeys(("SIDECAR_ADMIN_TOKEN", "SIDECAR_READ_TOKEN"))
    ended = CliRunner().invoke(program.app, arguments, env=served.environment | environment, catch_exceptions=False)
    return ended.stdout


def test_schedules_and_jobs_are_seen_and_changed_without_a_token(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    with Served(exact, tmp_path / "backups") as served:
        socket_file = served.directory / ".locks" / "server.sock"
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (socket_file, socket_file.parent)]
        assert modes == [0o600, 0o700]
        assert served.call("GET", "/api/admin/jobs", token=None, headers={"Host": str(socket_file)}).status == 401

        paused = json.loads(sidecar(served, "schedule", "pause", "main", "--hours", "2", "--json"))
        pauses = {one["backup_type"]: one["pause"] for one in paused["entries"] if one["kind"] == "backup"}
        assert pauses["main"]["by"] == "the command line on the server's host"
        assert pauses["attendance"] is None
        assert "paused until 20" in sidecar(served, "schedule", "show")
        assert "paused" not in sidecar(served, "schedule", "resume")

        assert sidecar(served, "jobs") == "Nothing is under way.\n"
        served.lab(labFault="find", action="stall", times=-1)
        job = served.post("/api/admin/backups/trigger?backup_type=main&wait=0").json["main"]["job_id"]
        assert job in sidecar(served, "jobs")
        cancelled = json.loads(sidecar(served, "jobs", "--cancel", job, "--json"))
        assert [one["id"] for one in cancelled] == [job]
        served.wait_until(f"/api/admin/jobs/{job}", "state", "aborted")
        with pytest.raises(UsageError, match="there is no job"):
            sidecar(served, "jobs", "--cancel", "backup-nothing")

        served.stop()
        assert not socket_file.exists()
        with pytest.raises(SidecarError, match="is `sidecar serve` running there"):
            sidecar(served, "schedule", "show")


def test_a_drill_that_the_server_does_is_in_its_record(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    with Served(exact, tmp_path / "backups") as served:
        served.back_up()
        said = sidecar(served, "drill", "main", "--on-server")
        assert said == "main: succeeded, 3,250 documents restored, compared and dropped again\n"
        assert served.get("/api/admin/backups/health").json["main_backup"]["last_drill"]["success"] is True
        with pytest.raises(UsageError, match="either --on-server or --from"):
            sidecar(served, "drill", "main", "--on-server", "--from", "nas")


def test_status_does_not_take_a_server_that_hangs_for_one_that_is_not_there(
    exact: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "SERVER_SECONDS", 0.2)
    with Served(exact, tmp_path / "backups") as served:
        assert served.process is not None
        served.process.send_signal(signal.SIGSTOP)
        assert "Scheduler: unknown: the server of" in sidecar(served, "status")
        served.process.send_signal(signal.SIGCONT)


async def test_a_socket_that_cannot_be_made_stops_nobody(tmp_path: Path) -> None:
    too_long = tmp_path / ("x" * 108)
    logger.set_up()  # a command of a test before may have left that to the first event, which would not be captured
    with capture_logs() as said:
        async with listening_at(too_long, asyncio.Protocol):
            pass
    assert [(one["event"], one["log_level"]) for one in said] == [("local_socket.not_opened", "warning")]
