"""What an answer costs with 10 to 10,000 stored backups: `python benchmarks/catalogue.py`.

The data files are tiny and the metadata is that of ten collections: what is measured is the looking, not the hashing.
"""

import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sidecar.archive.manifest import to_bytes
from sidecar.model import BackupId, BackupSet, CollectionDetails, Manifest
from sidecar.rules.policy import Policy
from sidecar.status.reports import entry, set_status
from sidecar.status.stocks import Stocks
from sidecar.store.catalog import Catalog
from sidecar.store.findings import Findings
from sidecar.store.keeping import Keeping
from sidecar.store.local import LocalStore

COUNTS = (10, 200, 2_000, 10_000)
REPEATS = 11
STILL_SECONDS = 2.1  # for so long files and directories must have been still to be trusted
DATA = b"{}"
NAMES = [f"collection_{number}" for number in range(10)]
DETAILS = CollectionDetails(documents=1000, bson_bytes=300_000, fingerprint="0" * 64, escaped_documents=0)


def manifest_of(backup_id: BackupId) -> bytes:
    return to_bytes(
        Manifest(
            backup_id=str(backup_id),
            backup_type="main",
            filename=backup_id.data_name,
            timestamp=backup_id.taken_at,
            checksum=hashlib.sha256(DATA).hexdigest(),
            checksum_algorithm="SHA256",
            file_size_bytes=len(DATA),
            file_size_mb=0.0,
            collections=dict.fromkeys(NAMES, 1000),
            mongo_url="localhost:27017",
            db_name="bus_tracker",
            version="3.0",
            format_version=1,
            collection_details=dict.fromkeys(NAMES, DETAILS),
        )
    )


def add(store: LocalStore, backup_id: BackupId) -> None:
    (store.directory / backup_id.data_name).write_bytes(DATA)
    (store.directory / backup_id.metadata_name).write_bytes(manifest_of(backup_id))


def milliseconds(work: Callable[[], object]) -> float:
    """The median."""
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        taken.append(1000 * (time.process_time() - began))
    return statistics.median(taken)


def measure(root: Path, count: int) -> list[float]:
    rules = BackupSet(name="main", collections=("*",), prefix="seed_backup", limit=count)
    store = LocalStore(root, rules)
    store.volume.claim()
    now = datetime.now(UTC)
    for number in range(count):
        add(store, BackupId.at("seed_backup", now - timedelta(minutes=10 + number)))
    time.sleep(STILL_SECONDS)
    Catalog({"main": store}, Findings(root)).backups("main")  # reads and remembers all
    time.sleep(STILL_SECONDS)
    catalog = Catalog({"main": store}, Findings(root))
    began = time.process_time()
    catalog.backups("main")
    first = 1000 * (time.process_time() - began)
    look = milliseconds(lambda: catalog.backups("main"))
    every = milliseconds(lambda: catalog.refresh("main"))
    stocks = Stocks()
    status = milliseconds(
        lambda: set_status(rules, Policy.of(rules), stocks.of("main", catalog.backups("main"), now), now)
    )
    page = milliseconds(lambda: [entry(one, now) for one in catalog.backups("main")[:50]])
    keeping = Keeping(catalog)
    decisions = milliseconds(lambda: keeping.decisions("main"))
    return [first, look, every, status, page, decisions]


def main() -> None:
    print("| backups | first look, remembered | a look | all files again | status | a page of 50 | retention |")
    print("|---|---|---|---|---|---|---|")
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(Path(folder) / "backups", count)
        print(f"| {count:,} | " + " | ".join(f"{one:.1f} ms" for one in figures) + " |", flush=True)


if __name__ == "__main__":
    main()
