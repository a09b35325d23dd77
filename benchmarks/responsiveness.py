"""How long the server takes to answer while it backs up, verifies, restores or drills, beside how long when it does nothing.

`GET /healthz` looks at nothing: its time is how late the event loop is, plus one round trip of the loopback interface.
"""

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.replay_server import DOCUMENTS
from support.served import BACKUPS, Served
from support.servers import replay_server

EVERY_SECONDS = 0.01
COPY = "bench_restored"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mb", type=int, default=200, help="BSON that is backed up")
    parser.add_argument("--documents", choices=DOCUMENTS, default="small")
    parser.add_argument("--idle-seconds", type=float, default=10)
    options = parser.parse_args()
    title = f"GET /healthz, {options.size_mb} MB of BSON, {options.documents} documents"
    table = Table("", "requests", "p50 ms", "p99 ms", "max ms", title=title)
    with (
        tempfile.TemporaryDirectory() as directory,
        replay_server(options.size_mb, "--documents", options.documents) as mongodb,
    ):
        configuration = Path(directory) / "sidecar.toml"
        configuration.write_text('[sets.everything]\ncollections = ["*"]\n')
        variables = {"SIDECAR_CONFIG": str(configuration), "DB_NAME": "bench", "SIDECAR_LOG_LEVEL": "warning"}
        with Served(mongodb, Path(directory) / "backups", variables) as served:
            until = time.monotonic() + options.idle_seconds
            _add(table, "nothing else to do", _times(served, lambda: time.monotonic() < until))
            for name, job in _work(served):
                _add(table, name, _times(served, partial(_is_running, served, job)))
                ended = served.get(job).json
                assert ended["state"] == "succeeded", ended
    Console(width=100).print(table)


def _work(served: Served) -> Iterator[tuple[str, str]]:
    """What a row is called, and the job to wait for; each needs the one before it."""
    yield "a backup", _begun(served, "trigger?backup_type=everything&wait=0")
    (backup,) = served.get(f"{BACKUPS}/list?backup_type=everything").json["everything"]
    name = backup["backup_id"]
    yield "a deep verification", _begun(served, f"verify/{name}?deep=true&wait=0")
    yield "a restore", _begun(served, f"{name}/restore?wait=0", {"target_db": COPY, "confirm": COPY})
    yield "a drill", _begun(served, "drill?backup_type=everything&wait=0")


def _begun(served: Served, path: str, body: Mapping[str, Any] | None = None) -> str:
    return str(served.post(f"{BACKUPS}/{path}", body).headers["Location"])


def _is_running(served: Served, job: str) -> bool:
    return bool(served.get(job).json["state"] == "running")


def _times(served: Served, goes_on: Callable[[], bool]) -> list[float]:
    """Milliseconds of each answer, over one connection; whether it goes on is asked every hundred requests."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    times: list[float] = []
    while len(times) % 100 or goes_on():
        began = time.perf_counter()
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        assert json.loads(answer.read())["status"] == "ok"
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(EVERY_SECONDS)
    connection.close()
    return times


def _add(table: Table, name: str, times: list[float]) -> None:
    ordered = sorted(times)
    figures = (statistics.median(ordered), ordered[int(len(ordered) * 0.99)], ordered[-1])
    table.add_row(name, str(len(times)), *(f"{figure:.1f}" for figure in figures))


if __name__ == "__main__":
    main()
