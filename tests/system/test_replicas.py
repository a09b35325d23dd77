"""Three sidecars on one database, killed and put to sleep at random: one at a time makes backups, and soon there is one again."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from pymongo import MongoClient

from sidecar.history.record import History
from sidecar.history.rows import JobFilter
from sidecar.model import VERIFIED, BackupSet, Kind, Outcome, Run
from sidecar.rules.names import LEASES
from sidecar.store.deep import verify_deep
from sidecar.store.local import LocalStore
from sidecar.store.verify import read_manifest
from support.command import files
from support.patience import PATIENCE_SECONDS, lateness
from support.reigns import Reigns
from support.rig import BUSES, CODEC, DB
from support.served import Served
from support.servers import ServerProcess, seed

LEASE_SECONDS = 4.0
SLACK_SECONDS = 2.0  # a heartbeat and an answer
STRAY_SECONDS = 1.0  # within which one that wakes up has noticed
TURNS = 10  # of the processor that both need; a busy machine makes each wait
SECOND = "0.0002777777778"  # hours
VARIABLES = {
    "SIDECAR_LEADER_GROUP": "school",
    "SIDECAR_LEASE_SECONDS": str(LEASE_SECONDS),
    "SIDECAR_MAIN_SCHEDULE": "",
    "SEED_INTERVAL_HOURS": SECOND,
    "SIDECAR_VERIFY_SCHEDULE": "",
    "SIDECAR_DRILL_SCHEDULE": "",
    "SIDECAR_MAX_READ_MB_S": "0.1",
    "BACKUP_LIMIT": "1000000",
}
FREE = {"_id": "schedules of school", "owner": None, "term": 0, "beats": 0}


@dataclass
class Replica:
    """One of the sidecars, and when it was well."""

    served: Served
    name: str
    well: list[list[float]] = field(default_factory=list)  # from, until
    woken: list[float] = field(default_factory=list)

    def start(self) -> None:
        self.served.start()
        self.well.append([time.time(), float("inf")])

    def kill(self) -> None:
        self.well[-1][1] = time.time()
        self.served.kill()

    def sleep(self, seconds: float) -> None:
        assert self.served.process is not None
        self.well[-1][1] = time.time()
        self.served.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.woken.append(time.time())
        self.served.process.send_signal(signal.SIGCONT)
        self.well.append([time.time(), float("inf")])

    @property
    def store(self) -> LocalStore:
        return LocalStore(
            self.served.directory, BackupSet(name="main", collections=("users", "buses"), prefix="seed_backup")
        )

    def published(self) -> list[tuple[float, float]]:
        """When each backup was begun, and when it appeared."""
        found = [(self.served.directory / one.id.metadata_name, one.id) for one in self.store.scan()]
        return [(read_manifest(self.store, a).timestamp.timestamp(), path.stat().st_mtime) for path, a in found]

    def runs(self) -> list[Run]:
        with History(self.served.directory / ".history", lambda: (), datetime.now(UTC)) as history:
            assert history.recovered is None
            jobs = history.jobs(JobFilter(kind=Kind.BACKUP, set_name="main"), 100_000, 0)
            return [run for job in jobs for run in job]


@dataclass(frozen=True)
class Fault:
    """A kill, or a sleep that is longer than the lease, of the one that leads or of any."""

    strikes_leader: bool
    kills: bool


@dataclass
class Campaign:
    """Faults, one after the other."""

    mongodb: ServerProcess
    replicas: list[Replica]
    random: Random
    reigns: Reigns = field(default_factory=lambda: Reigns(dict(FREE)))
    faults: Counter[str] = field(default_factory=Counter)
    late: Callable[[], float] = lambda: 0.0

    def run(self, faults: Iterable[Fault]) -> None:
        for replica in self.replicas:
            replica.start()
        self.until(lambda: bool(self.reigns.reads))
        for fault in faults:
            time.sleep(self.random.uniform(0.1, 2.5))
            self.listen()
            self._strike(fault)
        since = time.time()
        self.until(lambda: any(read.at > since for read in self.reigns.reads))

    def _strike(self, fault: Fault) -> None:
        leader = next(one for one in self.replicas if one.name == self.reigns.holder)
        victim = leader if fault.strikes_leader else self.random.choice(self.replicas)
        who = "leader" if victim is leader else "follower"
        if fault.kills:
            self.faults[f"{who} killed"] += 1
            victim.kill()
            victim.start()
        else:
            self.faults[f"{who} asleep"] += 1
            victim.sleep(LEASE_SECONDS * self.random.uniform(1.1, 2.0))

    def listen(self) -> None:
        with MongoClient[dict[str, object]](self.mongodb.uri) as client:
            self.reigns.hear(client[DB].command({"labCommands": 1})["commands"])

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.1)
            self.listen()

    @property
    def longest_without_a_leader(self) -> float:
        """The longest time between two signs of life of any leader during which some one sidecar was well throughout."""
        gaps = [(before.at, after.at) for before, after in pairwise(self.reigns.writes)]
        return max(
            min(until, end) - max(since, start)
            for start, end in gaps
            for replica in self.replicas
            for since, until in replica.well
        )


@pytest.fixture
def campaign(exact: ServerProcess, tmp_path: Path) -> Iterator[Campaign]:
    users = [{"_id": number, "text": "x" * 180} for number in range(200)]
    seed(exact.uri, DB, {"users": users, "buses": BUSES[:20], LEASES: [FREE]})
    with ExitStack() as stack:
        replicas = []
        for name in ("first", "second", "third"):
            served = Served(exact, tmp_path / name, VARIABLES | {"MONGO_URL": f"{exact.uri}&appName={name}"})
            stack.callback(served.kill)
            replicas.append(Replica(served, name))
        yield Campaign(exact, replicas, Random(20261125), late=stack.enter_context(lateness()))


def assert_one_at_a_time(campaign: Campaign) -> None:
    reigns = campaign.reigns
    # As the server saw it: who reads for a backup holds the lease, but for what is on its way when one wakes up.
    woken = {one.name: one.woken for one in campaign.replicas}
    strangers = [read for read in reigns.reads if read.application != read.holder]
    stray = STRAY_SECONDS + TURNS * campaign.late()
    assert [read for read in strangers if not any(0 <= read.at - at < stray for at in woken[read.application])] == []
    assert reigns.shortest_silence() >= LEASE_SECONDS
    # As the directories show it: no two backups overlap, and each appeared while its maker held the lease.
    published = sorted((begun, at, one.name) for one in campaign.replicas for begun, at in one.published())
    assert [pair for pair in pairwise(published) if pair[0][1] > pair[1][0]] == []
    assert [(at, name) for _, at, name in published if reigns.holder_at(at) != name] == []
    # As the records have it: every due time has an outcome with somebody, and no two successes.
    runs = [run for one in campaign.replicas for run in one.runs()]
    succeeded = Counter(run.due_at for run in runs if run.outcome is Outcome.SUCCEEDED)
    assert max(succeeded.values()) == 1
    dues = sorted({run.due_at for run in runs if run.due_at})
    assert {after - before for before, after in pairwise(dues)} == {timedelta(seconds=1)}
    aborted = Counter(run.code for run in runs if run.outcome is Outcome.ABORTED)
    assert set(aborted) <= {"lease_lost", "process_died", "stopped"}  # the last by the SIGTERM at the end


def assert_soon_one_again(campaign: Campaign) -> None:
    assert campaign.longest_without_a_leader < LEASE_SECONDS + SLACK_SECONDS + TURNS * campaign.late()


def assert_they_agree_in_the_end(campaign: Campaign) -> None:
    def said() -> tuple[list[float], set[str], list[str], set[bool]]:
        shown = [one.served.get("/api/admin/schedule").json["leadership"] for one in campaign.replicas]
        ready = [one.served.get("/readyz").json for one in campaign.replicas]
        return (
            sorted(one.served.metrics()["leader"] for one in campaign.replicas),
            {one["leader"] for one in shown},
            sorted(one["role"] for one in ready),
            {one["is_ready"] for one in ready},
        )

    campaign.until(lambda: len(said()[1]) == 1)
    leaders, (leader,), roles, ready = said()
    assert (leaders, roles, ready) == ([0, 0, 1], ["follower", "follower", "leader"], {True})
    assert leader is not None


def assert_nothing_half_made(campaign: Campaign) -> None:
    for replica in campaign.replicas:
        assert replica.served.stop() == 0
        stored = list(replica.store.scan())
        assert {verify_deep(replica.store, one.id, CODEC) for one in stored} <= {VERIFIED}
        assert {name for name in files(replica.served.directory) if ".history" not in name} == {
            name for one in stored for name in (one.id.data_name, one.id.metadata_name)
        }


def assert_all(campaign: Campaign) -> None:
    assert_they_agree_in_the_end(campaign)
    assert_nothing_half_made(campaign)
    campaign.listen()
    assert_one_at_a_time(campaign)
    assert_soon_one_again(campaign)


def test_a_few_faults(campaign: Campaign) -> None:
    campaign.run(Fault(strikes_leader=True, kills=kills) for kills in (False, True, False))
    assert_all(campaign)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_a_hundred_faults(campaign: Campaign) -> None:
    random = campaign.random
    campaign.run(Fault(strikes_leader=random.random() < 0.7, kills=random.random() < 0.5) for _ in range(100))
    assert_all(campaign)
    outcomes = Counter(f"{run.outcome} {run.code or ''}" for one in campaign.replicas for run in one.runs())
    print(dict(campaign.faults), dict(outcomes), "terms:", campaign.reigns.writes[-1].term)  # noqa: T201 - figures for the docs
    strangers = sum(read.application != read.holder for read in campaign.reigns.reads)
    print(f"{len(campaign.reigns.reads)} collections read, {strangers} begun as one woke up")  # noqa: T201 - figures for the docs
    print(f"longest without a leader: {campaign.longest_without_a_leader:.2f} s, lease {LEASE_SECONDS} s")  # noqa: T201 - figures for the docs
