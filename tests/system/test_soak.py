"""A backup every second while everything around it breaks: in the end nothing is missing, false, or has grown."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from sidecar.history.record import History
from sidecar.model import VERIFIED, BackupSet, BackupState, Kind, Outcome
from sidecar.store.catalog import Catalog
from sidecar.store.deep import verify_deep
from sidecar.store.local import LocalStore
from support.command import small_disk
from support.rig import BUSES, CODEC, DB, PEOPLE
from support.served import BACKUPS, Served
from support.servers import ServerProcess, seed

SECOND = "0.0002777777778"  # hours
VARIABLES = {
    "SIDECAR_MAIN_SCHEDULE": "",
    "SEED_INTERVAL_HOURS": SECOND,
    "BACKUP_LIMIT": "4",
    "MIN_STORAGE_MB": "4",
    "SIDECAR_STALL_TIMEOUT_SECONDS": "3",
    "SIDECAR_LOG_LEVEL": "warning",
}


@dataclass
class Soak:
    """Turns between disturbances until the time is over; each has its own rhythm."""

    served: Served
    disk: Path
    seconds: float
    restart_seconds: float
    random: Random = field(default_factory=lambda: Random(20261124))
    resident: list[int] = field(default_factory=list)  # bytes, of each process just before its end
    files: list[int] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def run(self) -> None:
        end = time.monotonic() + self.seconds
        rhythms: dict[Callable[[], None], tuple[float, float]] = {
            self.restart: (self.restart_seconds, self.restart_seconds),
            self.toggle_mongodb: (1.0, 8.0),
            self.toggle_disk: (0.5, 6.0),
            self.request: (0.05, 0.3),
        }
        due = {act: time.monotonic() + self.random.uniform(*rhythm) for act, rhythm in rhythms.items()}
        while time.monotonic() < end:
            act = min(due, key=lambda one: due[one])
            time.sleep(max(due[act] - time.monotonic(), 0))
            act()
            self.counts[act.__name__] = self.counts.get(act.__name__, 0) + 1
            due[act] = time.monotonic() + self.random.uniform(*rhythms[act])
        self._repair()

    def restart(self) -> None:
        process = self.served.process
        assert process is not None
        assert process.poll() is None, self.served.log_path.read_text()[-4000:]
        self.resident.append(int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4096)
        self.files.append(len(list(Path(f"/proc/{process.pid}/fd").iterdir())))
        if self.random.random() < 0.5:
            assert self.served.stop() == 0
        else:
            self.served.kill()
        self.served.start()

    def toggle_mongodb(self) -> None:
        if self.served.mongodb.is_running:
            self.served.mongodb.kill()
        else:
            self.served.mongodb.start()
            seed(self.served.mongodb.uri, DB, {"users": PEOPLE, "buses": BUSES})

    @property
    def _filler(self) -> Path:
        return self.disk / "filler"

    def toggle_disk(self) -> None:
        if self._filler.exists():
            self._filler.unlink()
            return
        with self._filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                pass

    def request(self) -> None:
        path = self.random.choice(["/status", "/list", "/health"])
        assert self.served.get(BACKUPS + path).status == 200
        if self.random.random() < 0.1:
            self.served.post(f"{BACKUPS}/trigger?backup_type=main&wait=0")

    def _repair(self) -> None:
        if self._filler.exists():
            self.toggle_disk()
        if not self.served.mongodb.is_running:
            self.toggle_mongodb()
        since = self.served.metrics()['last_success_timestamp_seconds{set="main"}']
        while self.served.metrics()['last_success_timestamp_seconds{set="main"}'] <= since + 2:
            time.sleep(0.1)
        self.served.post("/api/admin/schedule/pause")
        while self.served.metrics()['running{set="main"}']:
            time.sleep(0.1)


@pytest.fixture
def soaked(exact: ServerProcess, tmp_path: Path) -> Iterator[Callable[[float, float], Soak]]:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    with (
        small_disk(tmp_path / "disk", "48m") as disk,
        Served(exact, disk / "backups", VARIABLES, log_at=tmp_path / "log") as served,
    ):

        def soak(seconds: float, restart_seconds: float) -> Soak:
            soak = Soak(served, disk, seconds, restart_seconds)
            soak.run()
            return soak

        yield soak


def assert_nothing_missing_false_or_grown(soak: Soak) -> None:
    store = LocalStore(
        soak.served.directory, BackupSet(name="main", collections=("users", "buses"), prefix="seed_backup")
    )
    _metrics_equal_the_disk(soak.served, store)
    assert soak.served.stop() == 0
    stored = Catalog({"main": store}).backups("main")
    assert stored
    for one in stored:
        assert one.verdict == VERIFIED
        assert verify_deep(store, one.id, CODEC) == VERIFIED
    outcomes = _outcomes(soak.served.directory)
    dues = sorted(outcomes)
    assert dues[0] - soak.began < timedelta(seconds=3)
    assert {after - before for before, after in pairwise(dues)} == {timedelta(seconds=1)}
    assert None not in outcomes.values()
    assert dues[-1] > datetime.now(UTC) - timedelta(seconds=20)
    assert {Outcome.SUCCEEDED, Outcome.FAILED} <= set(outcomes.values())
    assert max(soak.files) < 80
    assert max(soak.resident) < 160 << 20


def _outcomes(directory: Path) -> dict[datetime, Outcome | None]:
    with History(directory / ".history", lambda: (), datetime.now(UTC)) as history:
        assert history.recovered is None
        return history.outcomes(Kind.BACKUP, "main")


def _metrics_equal_the_disk(served: Served, store: LocalStore) -> None:
    served.get(f"{BACKUPS}/status")  # looks at the disk again
    stored = Catalog({"main": store}).backups("main")
    shown = served.metrics()
    assert shown['stored_bytes{set="main"}'] == sum(one.size_bytes for one in stored)
    for state in BackupState:
        assert shown[f'backups{{set="main",state="{state}"}}'] == sum(one.verdict.state is state for one in stored)


def test_half_a_minute_of_trouble(soaked: Callable[[float, float], Soak]) -> None:
    assert_nothing_missing_false_or_grown(soaked(30, 6))


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_ten_minutes_of_trouble(soaked: Callable[[float, float], Soak]) -> None:
    soak = soaked(600, 20)
    assert_nothing_missing_false_or_grown(soak)
    early, late = soak.resident[: len(soak.resident) // 2], soak.resident[len(soak.resident) // 2 :]
    outcomes = list(_outcomes(soak.served.directory).values())
    print({outcome: outcomes.count(outcome) for outcome in Outcome}, soak.counts)  # noqa: T201 - figures for the docs
    print("MB resident:", max(early) >> 20, max(late) >> 20, "open files:", max(soak.files))  # noqa: T201 - figures for the docs
    assert max(late) - max(early) < 12 << 20
