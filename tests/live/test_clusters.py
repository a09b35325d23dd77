"""Two jobs in two clusters, a leader group in each, on one Prometheus and Alertmanager: who is told what.

The sidecars of one cluster are called like those of the other, and in the one the first leads, in the other the second.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.monitoring import Monitoring
from support.patience import wait_for
from support.patients import fill
from support.served import BACKUPS, Served
from support.servers import ServerProcess, exact_server

pytestmark = [pytest.mark.alerts, pytest.mark.timeout(900)]

INTERVAL_SECONDS = 30
LATER = {
    "MongoBackupErrorBudgetSpent",
    "MongoBackupTooFew",
}  # they follow from what is told; here in seconds, perhaps before
VARIABLES = {
    "SIDECAR_LEADER_GROUP": "night",
    "SIDECAR_LEASE_SECONDS": "6",
    "SIDECAR_LOG_LEVEL": "warning",
    "SIDECAR_MAIN_SCHEDULE": "",
    "SEED_INTERVAL_HOURS": str(INTERVAL_SECONDS / 3600),
}


@dataclass
class Group:
    """The sidecars of one job in one cluster; the first of them was started first."""

    cluster: str
    job: str
    mongodb: ServerProcess
    sidecars: dict[str, Served]  # by their names
    since: int = 0  # how much had been told when something began to happen
    silent: set[str] = field(default_factory=set)  # what was ever inhibited since

    @property
    def leader(self) -> Served:
        return next(iter(self.sidecars.values()))

    def start(self, monitoring: Monitoring) -> None:
        for name, served in self.sidecars.items():
            served.start()
            if served is self.leader:
                wait_for(lambda: self.leader.metrics()["leader"], self.leader.log_path.read_text)
                self.back_up()
            monitoring.watch(self.job, served.port, cluster=self.cluster, instance=name)

    def back_up(self) -> None:
        for name in ("main", "attendance"):
            assert self.leader.post(f"{BACKUPS}/trigger?backup_type={name}").status in (200, 409)

    def told(self, monitoring: Monitoring) -> set[str]:
        """What was told of it, to whom and of which of its sidecars."""
        return {
            f"{one.receiver}: {one.name.removeprefix('MongoBackup')} {one.labels.get('instance', '')}".strip()
            for one in monitoring.receiver.told[self.since :]
            if one.labels.get("job") == self.job
            and one.labels["cluster"] == self.cluster
            and one.status == "firing"
            and one.name not in LATER
        }

    def kept(self, monitoring: Monitoring) -> set[str]:
        found = monitoring.inhibited(self.job, cluster=self.cluster) - LATER
        self.silent |= {one.removeprefix("MongoBackup") for one in found}
        return self.silent


@pytest.fixture
def groups(watching: Monitoring, tmp_path: Path) -> Iterator[dict[tuple[str, str], Group]]:
    with ExitStack() as stack:
        found = {}
        for cluster, names in (("west", ("a", "b")), ("east", ("b", "a"))):
            for job in ("school", "college"):
                mongodb = stack.enter_context(exact_server())
                fill(mongodb)
                sidecars = {
                    name: Served(mongodb, tmp_path / cluster / job / name / "backups", VARIABLES) for name in names
                }
                for served in sidecars.values():
                    served.directory.parent.mkdir(parents=True)
                    stack.callback(served.kill)
                found[cluster, job] = Group(cluster, job, mongodb, sidecars)
                stack.callback(watching.forget, job)
        for group in found.values():
            group.start(watching)
        yield found


def test_who_is_told_what_of_two_jobs_in_two_clusters(
    groups: dict[tuple[str, str], Group], watching: Monitoring
) -> None:
    up = 'count(count_over_time(mongobackup_build_info{job=~"school|college"}[30s]) >= 2) == 8'
    wait_for(lambda: watching.query(up), lambda: "not all are scraped")
    calm = f'ALERTS{{alertname!~"{"|".join(LATER)}",job=~"school|college"}}'
    wait_for(lambda: not watching.query(calm), lambda: watching.query(calm))
    for group in groups.values():
        group.since = len(watching.receiver.told)
    gone, paused, failing, dead = (
        groups[one] for one in (("west", "school"), ("west", "college"), ("east", "school"), ("east", "college"))
    )

    directory = gone.leader.directory
    away = directory.rename(directory.with_name("away"))
    directory.touch()
    assert paused.leader.post("/api/admin/schedule/pause").status == 200
    failing.leader.lab(labFault="listCollections", action="error", times=-1, code=6)
    assert failing.leader.post(f"{BACKUPS}/trigger?backup_type=main").status in (409, 502)
    wait_for(lambda: any("RunFailed" in one for one in failing.told(watching)), lambda: failing.told(watching))
    for _ in range(2):
        assert failing.leader.post(f"{BACKUPS}/trigger?backup_type=main").status in (409, 502)
    for served in dead.sidecars.values():
        served.kill()

    def table() -> dict[tuple[str, str], tuple[set[str], set[str]]]:
        return {key: (group.told(watching), group.kept(watching)) for key, group in groups.items()}

    told = {
        ("west", "school"): {"pager: StorageUnavailable a"},
        ("west", "college"): {"daytime: PausedTooLong a", "pager: TooOld a"},
        ("east", "school"): {"daytime: RunFailed b", "daytime: FailingRepeatedly b", "pager: TooOld b"},
        ("east", "college"): {"pager: TargetDown a", "pager: TargetDown b"},
    }
    kept = {
        ("west", "school"): {"RunFailed"},
        ("west", "college"): set(),
        ("east", "school"): {"RunFailed"},  # three in a row are told instead
        ("east", "college"): {"MetricsMissing"},
    }
    wait_for(lambda: all(told[key] <= found[0] and kept[key] <= found[1] for key, found in table().items()), table)
    seen = table()
    print(*(f"\n| {' | '.join(key)} | {sorted(one)} | {sorted(rest)} |" for key, (one, rest) in seen.items()))  # noqa: T201 - for docs/monitoring.md
    # Here every patience is a second, so that what is kept quiet for the directory may have been told just before.
    early = {one for one in seen["west", "school"][0] if set(re.split("[: ]+", one)) & seen["west", "school"][1]}
    assert {key: found[0] - early for key, found in seen.items()} == told

    directory.unlink()
    away.rename(directory)
    assert paused.leader.post("/api/admin/schedule/resume").status == 200
    failing.leader.lab(labReset=1)
    for served in dead.sidecars.values():
        served.start()
    for key, found in told.items():
        for one in found:
            receiver, alert, instance = one.replace(":", "").split()
            labels = {"cluster": key[0], "instance": instance}
            ended = watching.resolves(key[1], f"MongoBackup{alert}", **labels)
            assert ended.receiver == receiver
