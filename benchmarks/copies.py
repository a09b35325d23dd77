"""What a copy costs: sending to an S3 server and reading back there, and the event loop beside it. Figures of docs/copies.md.

python benchmarks/copies.py [MEGABYTES …]
"""

import asyncio
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from sidecar.events import nobody
from sidecar.runtime.threads import in_thread
from support import versitygw
from support.copying import Site, bucket_of

MB = 1 << 20


async def lags(over: asyncio.Event, found: list[float]) -> None:
    while not over.is_set():
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        found.append(time.perf_counter() - began - 0.005)


async def measure(megabytes: int) -> None:
    with tempfile.TemporaryDirectory() as directory, versitygw.gateway(Path(directory)) as server:
        site = Site(Path(directory) / "backups", bucket_of(server))
        block = os.urandom(MB)
        with site.store.locked("benchmark"):
            pass
        site.make_large(block, megabytes)
        over, found = asyncio.Event(), list[float]()
        watching = asyncio.create_task(lags(over, found))
        for name, work in (
            ("nothing for 5 s", lambda: time.sleep(5)),
            ("send and read back", site.sync),
            ("read back", lambda: site.mirror.scrub(nobody)),
        ):
            found.clear()
            cpu, began = time.process_time(), time.perf_counter()
            await in_thread(work)
            spent, took = time.process_time() - cpu, time.perf_counter() - began
            late = sorted(found)[int(len(found) * 0.99)] * 1000
            rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{megabytes} MB, {name}: {spent / megabytes * 1000:.2f} CPU s/GB, {megabytes / took:.0f} MB/s, "
                f"{rss:.0f} MB RSS, loop p99 {late:.1f} ms"
            )
        over.set()
        await watching


if __name__ == "__main__":
    for size in map(int, sys.argv[1:] or ["200", "4000"]):
        asyncio.run(measure(size))
