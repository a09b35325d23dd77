"""How long a running server takes to answer with 10 to 10,000 stored backups: `python benchmarks/answers.py`.

The data files are tiny and the metadata is that of ten collections. Milliseconds of wall time, over one connection.
`--signed` is with signatures beside the metadata and a ledger, which takes minutes to write for 10,000.
"""

import argparse
import gzip
import http.client
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.catalogue import COUNTS, add
from sidecar.archive.signing import UNSIGNED, Signing
from sidecar.model import BackupId, BackupSet
from sidecar.store.local import LocalStore
from support.keys import KEY, Key
from support.served import ADMIN, Served
from support.servers import replay_server

API = "/api/admin"
ROUTES = {
    "status": f"{API}/backups/status",
    "health": f"{API}/backups/health",
    "list?limit=50": f"{API}/backups/list?limit=50",
    "list?limit=50&state=valid": f"{API}/backups/list?limit=50&state=valid",
    "list, the last 50": f"{API}/backups/list?limit=50&backup_type=main&offset=%(last_page)s",
    "one backup": f"{API}/backups/%(newest)s",
    "retention": f"{API}/retention",
    "schedule": f"{API}/schedule",
    "copies": f"{API}/copies",
    "/metrics": "/metrics",
    "/readyz": "/readyz",
}


def fill(directory: Path, count: int, signing: Signing = UNSIGNED) -> dict[str, str]:
    store = LocalStore(directory, BackupSet(name="main", collections=("*",), prefix="seed_backup"), signing=signing)
    store.volume.claim()
    newest = datetime.now(UTC) - timedelta(minutes=10)
    for number in range(count):
        add(store, backup_id := BackupId.at("seed_backup", newest - timedelta(minutes=number)))
        if signature := signing.sign(store.read_metadata(backup_id)):
            (directory / backup_id.signature_name).write_bytes(signature)
    if signing.is_on:
        store.seal.ledger.accept([one.id for one in store.scan()], "made by the benchmark")
    return {"newest": str(BackupId.at("seed_backup", newest)), "last_page": str(max(count - 50, 0))}


def times(served: Served, path: str, repeats: int) -> tuple[list[float], int]:
    """Milliseconds of each answer, and how long it is."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    headers, found, size = {"Authorization": f"Bearer {ADMIN}", "Accept-Encoding": "gzip"}, [], 0
    for _ in range(repeats):
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        found.append(1000 * (time.perf_counter() - began))
        assert answer.status == 200, (path, answer.status, body)
        size = len(gzip.decompress(body) if answer.headers.get("Content-Encoding") == "gzip" else body)
    connection.close()
    return found, size


def measure(count: int, repeats: int, key: Key | None) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder, replay_server(1) as mongodb:
        directory = Path(folder) / "backups"
        names = fill(directory, count, key.signing if key else UNSIGNED)
        variables = {"DB_NAME": "bench", "SIDECAR_LOG_LEVEL": "warning", "BACKUP_LIMIT": str(count)}
        if key is not None:
            (file := Path(folder) / "key.pem").write_bytes(key.private)
            variables["SIDECAR_SIGNING_KEY_FILE"] = str(file)
        found = {}
        with Served(mongodb, directory, variables) as served:
            times(served, ROUTES["status"], 5)
            for route, path in ROUTES.items():
                taken, size = times(served, path % names, repeats)
                p99 = statistics.quantiles(taken, n=100)[98]
                found[route] = f"{statistics.median(taken):.1f} / {p99:.1f} ({size / 1000:,.1f} kB)"
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=lambda text: [int(one) for one in text.split(",")], default=list(COUNTS))
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--signed", action="store_true")
    options = parser.parse_args()
    columns = [measure(count, options.repeats, KEY if options.signed else None) for count in options.counts]
    print("| median / p99 ms (length) | " + " | ".join(f"{count:,}" for count in options.counts) + " |")
    print("|---|" + "--:|" * len(columns))
    for route in ROUTES:
        print(f"| `{route}` | " + " | ".join(column[route] for column in columns) + " |")


if __name__ == "__main__":
    main()
