"""Sidecars that are watched: one that is to stay healthy, and ones that something is done to."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from pymongo import MongoClient

from support.command import small_disk
from support.monitoring import Monitoring
from support.patience import PATIENCE_SECONDS, wait_for
from support.rig import DB
from support.served import BACKUPS, Served
from support.servers import ServerProcess, exact_server, seed


def every(seconds: int) -> dict[str, str]:
    """Settings that run `main` so often."""
    return {"SIDECAR_MAIN_SCHEDULE": "", "SEED_INTERVAL_HOURS": str(seconds / 3600)}


INTERVAL_SECONDS: Final = 6
EVERY_SIX_SECONDS: Final = every(INTERVAL_SECONDS)
MAIN: Final = ("users", "students", "buses", "routes", "stops", "holidays", "device_keys")
ATTENDANCE: Final = ("attendance", "events", "photo_references")


def fill(mongodb: ServerProcess) -> None:
    """Every collection of both sets; `users` has most of the documents."""
    small = {name: [{"_id": number} for number in range(20)] for name in (*MAIN, *ATTENDANCE)}
    seed(mongodb.uri, DB, small | {"users": [{"_id": number, "name": f"pupil {number}"} for number in range(2000)]})


@dataclass
class Patient:
    """A sidecar on a small disk of its own, whose job is its name."""

    served: Served
    monitoring: Monitoring
    job: str
    disk: Path
    faults: Path

    def arrives(self, alert: str, **labels: str) -> Mapping[str, str]:
        """Wait until the alert has reached its receiver; its annotations."""
        instance = f"127.0.0.1:{self.served.port}"
        told = self.monitoring.arrives(self.job, f"MongoBackup{alert}", instance=instance, **labels)
        expected = {"critical": "pager", "warning": "daytime", "info": "log"}[told.labels["severity"]]
        assert (told.receiver, told.labels["component"]) == (expected, "mongobackup")
        assert set(told.annotations) == {"summary", "description", "runbook_url"}
        return told.annotations

    def resolves(self, *alerts: str) -> None:
        for alert in alerts:
            self.monitoring.resolves(self.job, f"MongoBackup{alert}")

    def keeps_to_itself(self, *alerts: str) -> None:
        """Wait until these fire and nobody is told."""
        wanted = {f"MongoBackup{alert}" for alert in alerts}
        wait_for(
            lambda: wanted <= self.monitoring.inhibited(self.job),
            lambda: f"{wanted} are not all inhibited: {self.monitoring.inhibited(self.job)}",
        )

    def look(self) -> None:
        """Make the sidecar look at its disk and its database now and not in a quarter of a minute."""
        assert self.served.get(f"{BACKUPS}/status").status == 200

    def pause(self) -> None:
        assert self.served.post("/api/admin/schedule/pause").status == 200
        wait_for(lambda: not self.served.metrics()['running{set="main"}'], self.served.metrics)

    def resume(self) -> None:
        assert self.served.post("/api/admin/schedule/resume").status == 200

    def command(self, **command: Any) -> None:
        """To the application's database."""
        with MongoClient[dict[str, Any]](self.served.mongodb.uri) as client:
            client[DB].command(command)

    def refill(self) -> None:
        fill(self.served.mongodb)

    def run(self, *arguments: str) -> str:
        """The command line beside the server."""
        ended = subprocess.run(
            [sys.executable, "-m", "sidecar", *arguments],
            env=self.served.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def newest(self, nth: int = 0) -> Path:
        """The data file of the newest backup of `main`, or of the nth before it."""
        data = [path for path in self.served.directory.glob("seed_backup_*.json") if ".meta." not in path.name]
        return sorted(data, reverse=True)[nth]


class NewPatient(Protocol):
    def __call__(self, variables: Mapping[str, str] | None = None, module: str = "sidecar") -> Patient: ...


@contextmanager
def patient(
    monitoring: Monitoring, directory: Path, job: str, variables: Mapping[str, str], module: str = "sidecar"
) -> Iterator[Patient]:
    """Filled, started, with one backup of each set, and watched."""
    faults = directory / "faults"
    faults.mkdir(parents=True)
    ours = {"FAULTS": str(faults), "PYTHONPATH": str(Path(__file__).parents[1]), "SIDECAR_LOG_LEVEL": "warning"}
    with (
        exact_server() as mongodb,
        small_disk(directory / "disk", "48m") as disk,
        Served(mongodb, disk / "backups", ours | dict(variables), log_at=directory / "log", module=module) as served,
    ):
        fill(mongodb)
        found = Patient(served, monitoring, job, disk, faults)
        for name in ("main", "attendance"):
            assert served.post(f"{BACKUPS}/trigger?backup_type={name}").status in (200, 409)
        monitoring.watch(job, served.port)
        try:
            monitoring.wait_until_scraped(job)
            yield found
        finally:
            monitoring.forget(job)
