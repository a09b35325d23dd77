"""The real process under a clock that jumps: nothing good goes by its age, and what is told is right with the clock."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from support.patience import wait_for
from support.processes import Nursery
from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, Answer, Served
from support.servers import ServerProcess, seed

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), Path("/usr/lib/faketime/libfaketime.so.1"))
JUMPS = int(os.environ.get("JUMPS", "300"))
LIMIT = 5
BUSY = 409
GRACE = timedelta(minutes=5)
SMALL = (1, -1, 3600, -3600, 86400, -86400, 299, -299, 301, -301)
LARGE = 400 * 86400


@dataclass
class Campaign:
    """What is done to one server, and what must hold after it."""

    served: Served
    control: Path
    random: Random
    ahead_by: int = 0
    made: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def set_clock(self, ahead_by: int) -> None:
        self.ahead_by = ahead_by
        self.control.write_text(f"{ahead_by:+d}")

    def jump(self) -> None:
        by = self.random.choice([self.random.choice(SMALL), self.random.randint(-LARGE, LARGE), -self.ahead_by])
        self.set_clock(max(min(self.ahead_by + by, LARGE), -LARGE))

    def happen(self) -> None:
        what = self.random.choice(["run", "run", "prune", "restart", "kill"])
        self.counts[what] = self.counts.get(what, 0) + 1
        match what:
            case "run":
                answer = self.when_free(f"{BACKUPS}/trigger?backup_type=main").json["main"]
                assert answer["success"], answer
                self.made.append(answer["metadata"]["backup_id"])
            case "prune":
                assert self.when_free("/api/admin/retention/prune?backup_type=main").status == 200
            case "restart":
                assert self.served.stop() == 0
                self.served.start()
            case "kill":
                self.served.kill()
                self.served.start()

    def when_free(self, path: str) -> Answer:
        """What it answers once the set is not in use: a jump over a due time begins a run by itself."""
        answer = wait_for(lambda: found if (found := self.served.post(path)).status != BUSY else None)
        assert answer is not None
        return answer

    def check(self) -> None:
        listed: list[dict[str, Any]] = self.served.get(f"{BACKUPS}/list?backup_type=main&limit=200").json["main"]
        held = [one["backup_id"] for one in listed]
        assert len(held) >= min(LIMIT, len(self.made)), (held, self.made)
        now = datetime.now(UTC) + timedelta(seconds=self.ahead_by)
        for one in listed:
            assert one["is_ahead"] == (datetime.fromisoformat(one["timestamp"]) > now + GRACE), (one, now)
        status = self.served.get(f"{BACKUPS}/status?backup_type=main").json["main"]
        newest = status["last_backup"]
        counted = [one["backup_id"] for one in listed if not one["is_ahead"]]
        assert (newest["backup_id"] if newest else None) == (counted[0] if counted else None)
        if not counted:
            assert status["health"] == "critical"

    def reasons(self) -> set[str]:
        """Why something was deleted, by the log."""
        lines = self.served.log_path.read_text().splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return {one["reason"] for one in events if one.get("event") == "backup.deleted"}


@pytest.fixture
def campaign(exact: ServerProcess, tmp_path: Path) -> Iterator[Campaign]:
    assert FAKETIME.exists(), "expected libfaketime: apt-get install faketime"
    seed(exact.uri, DB, {"users": PEOPLE[:20], "buses": BUSES})
    control = tmp_path / "clock"
    control.write_text("+0")
    clock = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(control),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    variables = clock | {
        "BACKUP_LIMIT": str(LIMIT),
        "SIDECAR_VERIFY_SCHEDULE": "",
        "SIDECAR_DRILL_SCHEDULE": "",
        "SIDECAR_LOG_FORMAT": "json",
    }
    with (
        Nursery(tmp_path / "nursery", clock) as nursery,
        Served(exact, tmp_path / "backups", variables, nursery=nursery) as served,
    ):
        yield Campaign(served, control, Random(20261128))


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_no_jump_of_the_clock_deletes_a_good_backup_by_its_age_or_is_taken_for_news(campaign: Campaign) -> None:
    for _ in range(JUMPS):
        campaign.jump()
        campaign.happen()
        campaign.check()
    campaign.set_clock(0)
    campaign.check()
    assert {reason for reason in campaign.reasons() if "number" not in reason} == set()
    print(f"{JUMPS} jumps, {campaign.counts}, {len(campaign.made)} backups made")  # noqa: T201 - the figures of the campaign
