"""After everything that can happen the metrics say what the disk and the record hold, before a `kill -9` and after it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from sidecar.metrics import CATALOGUE
from support import truth
from support.command import small_disk
from support.damage import flip_a_bit
from support.patience import PATIENCE_SECONDS, wait_for
from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, Served
from support.servers import ServerProcess, seed

MIN_FREE_MB = 4
INTERVAL_HOURS = 500  # on a grid that nobody meets
LIMIT = 3
COLLECTIONS = {"main": ("users", "buses"), "attendance": ("attendance",)}
VARIABLES = {
    "SIDECAR_MAIN_SCHEDULE": "",
    "SIDECAR_ATTENDANCE_SCHEDULE": "",
    "SEED_INTERVAL_HOURS": str(INTERVAL_HOURS),
    "ATTENDANCE_INTERVAL_HOURS": str(INTERVAL_HOURS),
    "SIDECAR_VERIFY_SCHEDULE": "",
    "SIDECAR_DRILL_SCHEDULE": "",
    "BACKUP_LIMIT": str(LIMIT),
    "MIN_STORAGE_MB": str(MIN_FREE_MB),
    "SIDECAR_STALL_TIMEOUT_SECONDS": "60",
}
NOT_STATE = {  # what is of the moment, or of this process only
    "age_seconds",
    "max_age_seconds",
    "backups_checked_timestamp_seconds",
    "running",
    "run_started_timestamp_seconds",
}
OF_REASONS = ("run_failures_total", "last_run_failure")
OF_NO_SCHEDULE = {  # 0 here; where there is a schedule, tests/api/test_process.py says what they are
    "last_verification_timestamp_seconds",
    "last_verification_success",
    "verification_interval_seconds",
    "restore_drill_interval_seconds",
}


@dataclass(frozen=True)
class Truth:
    """A server, what happens to it, and what must be said then."""

    served: Served
    disk: Path

    @property
    def sets(self) -> list[truth.SetFiles]:
        seconds = INTERVAL_HOURS * 3600.0
        root = self.served.directory
        return [
            truth.SetFiles("main", root, "seed_backup", seconds, LIMIT),
            truth.SetFiles("attendance", root / "attendance", "attendance_backup", seconds, LIMIT),
        ]

    def shown(self) -> dict[str, float]:
        """What the metrics say after the disk was looked at, but for reasons for which nothing failed."""
        assert self.served.get(f"{BACKUPS}/status").status == 200
        samples = self.served.metrics()
        return {name: value for name, value in samples.items() if value or not name.startswith(OF_REASONS)}

    def assert_told(self) -> dict[str, float]:
        """Compare; the state gauges that were shown."""
        shown = self.shown()
        record = self.served.directory / ".history" / "history.sqlite3"
        expected = truth.of_sets(self.sets, record, shown["clock_timestamp_seconds"])
        is_up = self.served.mongodb.is_running
        expected |= truth.of_storage(self.disk, self.sets, MIN_FREE_MB * 2**20, self.data_bytes() if is_up else None)
        expected |= {"mongodb_up": float(is_up), "history_durable": 1.0, "unconfigured_backups": 0.0}
        told = {name: shown.get(name) for name in expected}
        assert told == pytest.approx(expected, rel=0, abs=1e-3)
        for one in self.sets:
            limit = truth.max_age_seconds(one, shown["clock_timestamp_seconds"])
            assert shown[f'max_age_seconds{{set="{one.name}"}}'] == pytest.approx(limit, rel=0, abs=5)
        assert {name for name in shown if name.startswith(OF_REASONS)} <= set(expected)
        return {name: shown[name] for name in expected}

    def data_bytes(self) -> dict[str, int]:
        """How many bytes of BSON the server holds of each set."""
        with MongoClient[RawBSONDocument](self.served.mongodb.uri, document_class=RawBSONDocument) as client:
            return {
                name: sum(len(document.raw) for one in collections for document in client[DB][one].find())
                for name, collections in COLLECTIONS.items()
            }

    # -- what happens --------------------------------------------------------------------------------------------------

    def file(self, nth: int = 0, ending: str = ".json") -> Path:
        data = [path for path in self.served.directory.glob("seed_backup_*.json") if path.name.count(".") == 1]
        return sorted(data, reverse=True)[nth].with_suffix(ending)

    @property
    def suspect(self) -> str:
        (found,) = [one for one in self.served.get(f"{BACKUPS}/list").json["main"] if one["is_suspect"]]
        return str(found["backup_id"])

    def trigger(self, name: str = "main") -> int:
        return self.served.post(f"{BACKUPS}/trigger?backup_type={name}").status

    def back_up_two_sets(self) -> None:
        assert [self.trigger("main"), self.trigger("attendance")] == [200, 200]

    def rotate(self) -> None:
        assert [self.trigger() for _ in range(LIMIT)] == [200] * LIMIT

    def flip_a_bit_of_the_newest(self) -> None:
        flip_a_bit(self.file())

    def flip_a_bit_of_an_older_one(self) -> None:
        flip_a_bit(self.file(1))

    def verify_the_damaged_one(self) -> None:
        assert self.served.post(f"{BACKUPS}/verify/{self.file(1).stem}?deep=true").status == 200

    def lose_data(self) -> None:
        self.file(1).unlink()

    def lose_metadata(self) -> None:
        self.file(0, ".meta.json").unlink()

    def scribble_over_metadata(self) -> None:
        self.file(0, ".meta.json").write_text("{")

    def fail(self) -> None:
        self.served.lab(labFault="listCollections", action="error", times=2)
        assert [self.trigger(), self.trigger()] == [502, 502]

    def fill_the_disk(self) -> None:
        room = os.statvfs(self.disk)
        (self.disk / "filler").write_bytes(bytes((room.f_bavail - (1 << 8)) * room.f_frsize))
        assert self.trigger() == 507
        (self.disk / "filler").unlink()

    def lose_documents(self) -> None:
        with MongoClient[dict[str, Any]](self.served.mongodb.uri) as client:
            client[DB].command({"drop": "users"})
        seed(self.served.mongodb.uri, DB, {"users": PEOPLE[:5]})
        assert self.trigger() == 200

    def confirm(self) -> None:
        ended = subprocess.run(
            [sys.executable, "-m", "sidecar", "confirm", self.suspect],
            env=self.served.environment,
            capture_output=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert ended.returncode == 0, ended.stderr

    def restore(self) -> None:
        answer = self.served.post(f"{BACKUPS}/{self.file().stem}/restore", {"confirm": DB})
        assert answer.status == 200, answer.body

    def fail_to_restore(self) -> None:
        self.served.lab(labFault="insert", action="error", times=-1, code=6)
        assert self.served.post(f"{BACKUPS}/{self.file().stem}/restore", {"confirm": DB}).status >= 500
        self.served.lab(labReset=1)

    def rehearse(self) -> None:
        assert self.served.post(f"{BACKUPS}/drill?backup_type=main").status == 200

    def fail_to_rehearse(self) -> None:
        self.served.lab(labFault="insert", action="error", times=-1, code=6)
        assert self.served.post(f"{BACKUPS}/drill?backup_type=main").status >= 500
        self.served.lab(labReset=1)

    def pause(self) -> None:
        assert self.served.post("/api/admin/schedule/pause?backup_type=main").status == 200
        until = {"until": "2099-01-01T00:00:00Z"}
        assert self.served.post("/api/admin/schedule/pause?backup_type=attendance", until).status == 200

    def resume(self) -> None:
        assert self.served.post("/api/admin/schedule/resume").status == 200

    def be_killed_in_a_run(self) -> None:
        self.served.lab(labFault="find", action="stall")
        assert self.served.post(f"{BACKUPS}/trigger?backup_type=main&wait=0").status == 202
        wait_for(lambda: self.served.metrics()['running{set="main"}'], self.served.metrics)
        self.served.kill()
        self.served.lab(labReset=1)
        self.served.start()

    def be_stopped_in_a_run(self) -> None:
        self.served.lab(labFault="find", action="stall")
        assert self.served.post(f"{BACKUPS}/trigger?backup_type=main&wait=0").status == 202
        wait_for(lambda: self.served.metrics()['running{set="main"}'], self.served.metrics)
        assert self.served.stop() == 0
        self.served.lab(labReset=1)
        self.served.start()

    def lose_the_record(self) -> None:
        self.served.kill()
        for path in (self.served.directory / ".history").iterdir():
            path.unlink()
        self.served.start()

    def lose_the_database(self) -> None:
        self.served.mongodb.kill()
        assert self.trigger() == 503
        self._look_for_the_database()

    def find_it_again(self) -> None:
        self.served.mongodb.start()
        seed(self.served.mongodb.uri, DB, {"users": PEOPLE, "buses": BUSES, "attendance": BUSES})
        self._look_for_the_database()

    def _look_for_the_database(self) -> None:
        """At once, as a start does, and not within a quarter of a minute."""
        assert self.served.stop() == 0
        self.served.start()


CAMPAIGN: tuple[Callable[[Truth], None], ...] = (
    lambda _: None,
    Truth.back_up_two_sets,
    Truth.rotate,
    Truth.flip_a_bit_of_the_newest,
    Truth.flip_a_bit_of_the_newest,
    Truth.flip_a_bit_of_an_older_one,
    Truth.verify_the_damaged_one,
    Truth.rehearse,
    Truth.fail,
    Truth.pause,
    Truth.fill_the_disk,
    Truth.rotate,
    Truth.lose_data,
    Truth.be_killed_in_a_run,
    Truth.resume,
    Truth.rotate,
    Truth.lose_metadata,
    Truth.fail_to_rehearse,
    Truth.scribble_over_metadata,
    Truth.lose_documents,
    Truth.restore,
    Truth.be_stopped_in_a_run,
    Truth.confirm,
    Truth.fail_to_restore,
    Truth.lose_the_database,
    Truth.find_it_again,
    Truth.lose_the_record,
    Truth.rotate,
)


@pytest.fixture
def told(exact: ServerProcess, tmp_path: Path) -> Iterator[Truth]:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES, "attendance": BUSES})
    with (
        small_disk(tmp_path / "disk", "48m") as disk,
        Served(exact, disk / "backups", VARIABLES, log_at=tmp_path / "log") as served,
    ):
        yield Truth(served, disk)


def test_the_metrics_are_the_truth_after_every_fault_and_the_same_after_kill_9(told: Truth) -> None:
    carry_out(told, restart_every=6)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_the_metrics_are_the_same_after_kill_9_at_every_step(told: Truth) -> None:
    carry_out(told, restart_every=1)


def carry_out(told: Truth, restart_every: int) -> None:
    for step, happens in enumerate(CAMPAIGN, 1):
        happens(told)
        before = told.assert_told()
        if step % restart_every == 0:
            told.served.kill()
            told.served.start()
            assert told.assert_told() == before, happens


def test_every_gauge_of_a_set_is_reckoned(told: Truth) -> None:
    told.back_up_two_sets()
    reckoned = {name.partition("{")[0] for name in told.assert_told()} | NOT_STATE | OF_NO_SCHEDULE
    of_sets = {family.name for family in CATALOGUE if "set" in family.labels} - set(OF_REASONS)
    assert of_sets - reckoned == set()
