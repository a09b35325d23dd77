"""After everything that can happen the metrics say what disk, record and server hold: at once, later, and after a `kill -9`."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
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
OF_THE_MOMENT = {"age_seconds", "max_age_seconds", "backups_checked_timestamp_seconds"}  # compared less closely
OF_THE_PROCESS = {  # not of what happened to the backups
    "storage_checked_timestamp_seconds",
    "mongodb_checked_timestamp_seconds",
    "clock_timestamp_seconds",
    "storage_free_bytes",  # compared less closely
    "login_failures_total",
    "build_info",
    "recipient_backups",  # one series for each key that somebody encrypts for, and here nobody does
}
MOMENTS = 20.0  # seconds; a clock that was read before and not after, on a busy machine
WRITTEN_SINCE = 1 << 20  # bytes, by the record
FAST_SECONDS = 3600
OF_REASONS = ("run_failures_total", "last_run_failure")
OF_NO_SCHEDULE = {  # 0 here; where there is a schedule, tests/api/test_process.py says what they are
    "last_verification_timestamp_seconds",
    "last_verification_success",
    "verification_interval_seconds",
    "restore_drill_interval_seconds",
}
OF_MORE_THAN_IS_CONFIGURED = {  # no copy, no key to sign with, no channel and no size of years: each has tests of its own
    *(family.name for family in CATALOGUE if family.name.startswith("copy_")),
    "ledger_problems",
    "notification_failures_total",
    "storage_days_until_full",
    "storage_full_retention_bytes",
    "uncovered_collections",
    "uncovered_databases",
}


@dataclass
class Truth:
    """A server, what happens to it, and what must be said then."""

    served: Served
    disk: Path
    faults: Path
    data: dict[str, int] | None = None  # bytes of BSON of each set when the server was last asked

    @property
    def sets(self) -> list[truth.SetFiles]:
        seconds = INTERVAL_HOURS * 3600.0
        root = self.served.directory
        return [
            truth.SetFiles("main", root, "seed_backup", seconds, LIMIT),
            truth.SetFiles("attendance", root / "attendance", "attendance_backup", seconds, LIMIT),
        ]

    def look(self) -> None:
        """Make the sidecar look at the disk."""
        assert self.served.get(f"{BACKUPS}/status").status == 200

    def shown(self) -> dict[str, float]:
        """What the metrics say, but for reasons for which nothing failed."""
        samples = self.served.metrics()
        return {name: value for name, value in samples.items() if value or not name.startswith(OF_REASONS)}

    def assert_told_at_once(self) -> None:
        """A run has just ended: nobody looked since."""
        is_up = self.served.mongodb.is_running
        shown = self.assert_told(self.data_bytes() if is_up else self.data)
        assert shown["storage_free_bytes"] == pytest.approx(truth.free_bytes(self.disk), rel=0, abs=WRITTEN_SINCE)

    def assert_told_after_a_look(self) -> dict[str, float]:
        self.look()
        return self.assert_told(self.data_bytes() if self.served.mongodb.is_running else None)

    def assert_told(self, data: dict[str, int] | None) -> dict[str, float]:
        """Compare; the gauges that were shown."""
        shown = self.shown()
        now = shown["clock_timestamp_seconds"]
        record = self.served.directory / ".history" / "history.sqlite3"
        expected = truth.of_sets(self.sets, record, now)
        expected |= truth.of_storage(self.disk, self.sets, MIN_FREE_MB * 2**20, data)
        expected |= truth.alert_tests(self.served.directory, now)
        expected |= dict.fromkeys(("history_durable", "scheduler_running", "scheduler_armed", "leader"), 1.0)
        expected |= {"scheduler_restarts_total": 0.0, "unconfigured_backups": truth.unconfigured(self.sets)}
        expected |= {"mongodb_up": float(self.served.mongodb.is_running)}
        told = {name: shown.get(name) for name in expected}
        assert told == pytest.approx(expected, rel=0, abs=1e-3)
        for one in self.sets:
            limits = truth.max_age_seconds(one, now), truth.age_seconds(one, now)
            ages = [shown[f'{name}{{set="{one.name}"}}'] for name in ("max_age_seconds", "age_seconds")]
            assert ages == pytest.approx(limits, rel=0, abs=MOMENTS)
        assert {name for name in shown if name.startswith(OF_REASONS)} <= set(expected)
        return {name: shown[name] for name in (*expected, "storage_free_bytes")}

    def data_bytes(self) -> dict[str, int]:
        """How many bytes of BSON the server holds of each set."""
        with MongoClient[RawBSONDocument](self.served.mongodb.uri, document_class=RawBSONDocument) as client:
            self.data = {
                name: sum(len(document.raw) for one in collections for document in client[DB][one].find())
                for name, collections in COLLECTIONS.items()
            }
        return self.data

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
        self.assert_told_at_once()

    def be_refused(self) -> None:
        self.served.lab(labFault="listCollections", action="error", times=-1, code=13)
        assert self.trigger("attendance") >= 500
        self.assert_told_at_once()
        self.served.lab(labReset=1)

    def lose_every_cursor(self) -> None:
        self.served.lab(labFault="find", action="error", times=-1, code=6)
        assert self.trigger() >= 500
        self.served.lab(labReset=1)  # the comparison reads too
        self.assert_told_at_once()

    def be_called_off(self) -> None:
        self.served.lab(labFault="find", action="stall")
        job = self.served.post(f"{BACKUPS}/trigger?backup_type=main&wait=0").headers["Location"]
        wait_for(lambda: self.served.metrics()['running{set="main"}'], self.served.metrics)
        assert self.served.post(f"{job}/cancel").status == 200
        self.served.lab(labReset=1)
        wait_for(lambda: not self.served.metrics()['running{set="main"}'], self.served.metrics)

    def read_collection_by_collection(self) -> None:
        self.served.lab(labFault="find", action="error", times=2, code=239)
        assert self.trigger() == 200
        self.assert_told_at_once()

    def fill_the_disk(self) -> None:
        room = os.statvfs(self.disk)
        (self.disk / "filler").write_bytes(bytes((room.f_bavail - (1 << 8)) * room.f_frsize))
        assert self.trigger() == 507
        self.assert_told_at_once()
        (self.disk / "filler").unlink()

    def lose_documents(self) -> None:
        with MongoClient[dict[str, Any]](self.served.mongodb.uri) as client:
            client[DB].command({"drop": "users"})
        seed(self.served.mongodb.uri, DB, {"users": PEOPLE[:5]})
        assert self.trigger() == 200

    def lose_every_document(self) -> None:
        with MongoClient[dict[str, Any]](self.served.mongodb.uri) as client:
            for name in COLLECTIONS["main"]:
                client[DB][name].delete_many({})
        assert self.trigger() == 200

    def get_the_documents_back(self) -> None:
        self._drop("users", "buses")
        seed(self.served.mongodb.uri, DB, {"users": PEOPLE, "buses": BUSES})
        assert self.trigger() == 200

    def lose_a_collection(self) -> None:
        self._drop("buses")
        assert self.trigger() == 200

    def _drop(self, *names: str) -> None:
        with MongoClient[dict[str, Any]](self.served.mongodb.uri) as client:
            for name in names:
                client[DB].drop_collection(name)

    def confirm(self) -> None:
        self.command("confirm", self.suspect)

    def back_up_beside_the_server(self) -> None:
        self.command("backup", "main")

    def prune_beside_the_server(self) -> None:
        self.command("prune")

    def command(self, *arguments: str) -> None:
        ended = subprocess.run(
            [sys.executable, "-m", "sidecar", *arguments],
            env=self.served.environment,
            capture_output=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert ended.returncode == 0, ended.stderr

    def pin(self) -> None:
        assert self.served.call("PUT", f"{BACKUPS}/{self.file().stem}/pin", {}).status < 300

    def unpin(self) -> None:
        assert self.served.call("DELETE", f"{BACKUPS}/{self.file().stem}/pin").status < 300

    def delete_one(self) -> None:
        assert self.served.call("DELETE", f"{BACKUPS}/{self.file(1).stem}").status < 300

    def be_ahead(self) -> None:
        """A backup by a clock that is an hour fast, and right again."""
        (self.faults / "clock").write_text(str(FAST_SECONDS))
        assert self.trigger() == 200
        (self.faults / "clock").unlink()

    def delete_what_is_ahead(self) -> None:
        assert self.served.call("DELETE", f"{BACKUPS}/{self.file().stem}").status < 300

    def find_backups_of_no_set_and_be_asked_for_a_test(self) -> None:
        for suffix in (".json", ".meta.json"):
            (self.served.directory / f"old_backup_20240101_000000{suffix}").write_text("{}")
        self.command("alert-test", "--severity", "critical")
        self._look_everywhere()

    def lose_them_again(self) -> None:
        for suffix in (".json", ".meta.json"):
            (self.served.directory / f"old_backup_20240101_000000{suffix}").unlink()
        self.command("alert-test", "--minutes", "0")
        self._look_everywhere()

    def be_read_only_for_a_while(self) -> None:
        subprocess.run(["mount", "--bind", "-o", "ro", str(self.disk), str(self.disk)], check=True)
        try:
            self.look()
            found = truth.of_files(self.sets[0], self.shown()["clock_timestamp_seconds"], 0)
            assert self.shown()['directory_writable{set="main"}'] == found['directory_writable{set="main"}'] == 0
        finally:
            subprocess.run(["umount", "--lazy", str(self.disk)], check=True)

    def be_away_for_a_while(self) -> None:
        away = self.served.directory.rename(self.disk / "away")
        self.look()
        shown = self.shown()
        away.rename(self.served.directory)
        gone = ("storage_up", 'restorable_backups{set="main"}', 'valid{set="main"}', 'directory_writable{set="main"}')
        assert [shown[name] for name in gone] == [0, 0, 0, 0]

    def verify(self) -> None:
        assert self.served.post(f"{BACKUPS}/verify/{self.file().stem}?deep=true").status == 200

    def restore_beside(self) -> None:
        target = {"target_db": "copy", "confirm": "copy"}
        assert self.served.post(f"{BACKUPS}/{self.file().stem}/restore", target).status == 200
        self.assert_told_at_once()

    def restore(self) -> None:
        answer = self.served.post(f"{BACKUPS}/{self.file().stem}/restore", {"confirm": DB})
        assert answer.status == 200, answer.body

    def fail_to_restore(self) -> None:
        self.served.lab(labFault="insert", action="error", times=-1, code=6)
        assert self.served.post(f"{BACKUPS}/{self.file().stem}/restore", {"confirm": DB}).status >= 500
        self.assert_told_at_once()
        self.served.lab(labReset=1)

    def rehearse(self) -> None:
        assert self.served.post(f"{BACKUPS}/drill?backup_type=main").status == 200

    def fail_to_rehearse(self) -> None:
        self.served.lab(labFault="insert", action="error", times=-1, code=6)
        assert self.served.post(f"{BACKUPS}/drill?backup_type=main").status >= 500
        self.assert_told_at_once()
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
        self.assert_told_at_once()
        self._look_everywhere()

    def find_it_again(self) -> None:
        self.served.mongodb.start()
        seed(self.served.mongodb.uri, DB, {"users": PEOPLE, "buses": BUSES, "attendance": BUSES})
        self._look_everywhere()

    def _look_everywhere(self) -> None:
        """At once, as a start does, and not within a quarter of a minute."""
        assert self.served.stop() == 0
        self.served.start()


EVERYDAY: tuple[Callable[[Truth], None], ...] = (
    Truth.back_up_two_sets,
    Truth.rotate,
    Truth.flip_a_bit_of_the_newest,
    Truth.fail,
    Truth.fill_the_disk,
    Truth.pause,
    Truth.be_killed_in_a_run,
    Truth.lose_documents,
    Truth.restore,
    Truth.lose_metadata,
    Truth.be_ahead,
    Truth.lose_the_database,
)
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
    Truth.be_called_off,
    Truth.be_refused,
    Truth.lose_every_cursor,
    Truth.be_called_off,
    Truth.back_up_two_sets,
    Truth.read_collection_by_collection,
    Truth.verify,
    Truth.pin,
    Truth.rotate,
    Truth.be_read_only_for_a_while,
    Truth.be_away_for_a_while,
    Truth.lose_every_document,
    Truth.confirm,
    Truth.get_the_documents_back,
    Truth.unpin,
    Truth.lose_a_collection,
    Truth.fill_the_disk,
    Truth.get_the_documents_back,
    Truth.delete_one,
    Truth.be_ahead,
    Truth.back_up_two_sets,
    Truth.delete_what_is_ahead,
    Truth.find_backups_of_no_set_and_be_asked_for_a_test,
    Truth.back_up_beside_the_server,
    Truth.lose_them_again,
    Truth.prune_beside_the_server,
    Truth.restore_beside,
    Truth.rehearse,
    Truth.lose_the_database,
    Truth.be_away_for_a_while,
    Truth.find_it_again,
    Truth.rotate,
)


@pytest.fixture
def told(exact: ServerProcess, tmp_path: Path) -> Iterator[Truth]:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES, "attendance": BUSES})
    faults = tmp_path / "faults"
    faults.mkdir()
    variables = VARIABLES | {"FAULTS": str(faults), "PYTHONPATH": str(Path(__file__).parents[1])}
    with (
        small_disk(tmp_path / "disk", "48m") as disk,
        Served(exact, disk / "backups", variables, tmp_path / "log", "support.faulty_sidecar") as served,
    ):
        yield Truth(served, disk, faults)


def test_the_metrics_are_the_truth_after_every_fault_and_the_same_after_kill_9(told: Truth) -> None:
    carry_out(told, EVERYDAY, restart_every=len(EVERYDAY))
    assert_every_gauge_was_reckoned(told)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_the_metrics_are_the_truth_after_each_of_sixty_events(told: Truth) -> None:
    assert len(CAMPAIGN) == 60
    carry_out(told, CAMPAIGN, restart_every=2)


def carry_out(told: Truth, events: Sequence[Callable[[Truth], None]], restart_every: int) -> None:
    for step, happens in enumerate(events, 1):
        happens(told)
        before = told.assert_told_after_a_look()
        if step % restart_every == 0:
            told.served.kill()
            told.served.start()
            after = told.assert_told_after_a_look()
            assert after == before | {"storage_free_bytes": after["storage_free_bytes"]}, happens


def assert_every_gauge_was_reckoned(told: Truth) -> None:
    reckoned = {name.partition("{")[0] for name in told.assert_told_after_a_look()}
    left = reckoned | OF_THE_MOMENT | OF_NO_SCHEDULE | OF_THE_PROCESS | OF_MORE_THAN_IS_CONFIGURED | set(OF_REASONS)
    assert {family.name for family in CATALOGUE} - left == set()
