"""Thousands of requests made from the OpenAPI document against the real server, and what it looks like afterwards."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.rig import DB, PEOPLE
from support.served import ADMIN, Served
from support.servers import seed

CONFIGURATION = """
[[operations]]
include-name = "POST /api/admin/backups/trigger"  # 422: the same Idempotency-Key with another request
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "422", "5xx"]

[[operations]]
include-name = "POST /api/admin/backups/{{backup_id}}/restore"  # 422: not confirmed, or a collection that it does not hold
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "422", "5xx"]
checks.negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "413", "415", "422"]  # 413: over 64 KiB

[[operations]]
include-name = "GET /api/admin/backups/{{backup_id}}/documents"  # 422: both of `id` and `where`, or none
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "422", "5xx"]

[[operations]]
include-path-regex = "^/api/admin/backups/{{backup_id}}/(download|pin)$"  # half of all requests are about one that exists
parameters = {{ "path.backup_id" = "{backup_id}" }}
"""


@pytest.mark.parametrize(("examples", "least"), [(10, 1000), pytest.param(100, 2000, marks=pytest.mark.chaos)])
def test_generated_requests_find_nothing_that_is_not_documented(
    served: Served, tmp_path: Path, examples: int, least: int
) -> None:
    """No 5xx that is not documented, no status, body or header that is not as it says, no way around the token."""
    seed(served.mongodb.uri, DB, {"attendance": PEOPLE})
    backup_id = served.back_up()["backup_id"]
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION.format(backup_id=backup_id))
    repeatable = ["--generation-deterministic"] if "CI" in os.environ else ["--generation-database", "none"]
    ended = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            *("run", f"http://127.0.0.1:{served.port}/openapi.json", "--header", f"Authorization: Bearer {ADMIN}"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", str(examples), "--workers", "2", *repeatable),
            *("--suppress-health-check", "all", "--no-color"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ended.returncode == 0, ended.stdout[-20000:]
    counted = re.search(r"(\d+) generated", ended.stdout)
    assert counted is not None
    assert int(counted[1]) >= least, ended.stdout[-3000:]
    assert [line for line in served.log() if line["event"] in ("http.unexpected", "task.died", "run.broken")] == []
    assert served.metrics()["metrics_errors_total"] == 0
    assert served.metrics()["scheduler_running"] == 1
