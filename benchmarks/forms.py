"""What a backup costs in each of the four forms, and how large it is, on the same server, one form after the other.

As in `pipeline.py` a replay server stands in for MongoDB, in a process of its own that is not counted. Where `mongodump` is
installed it dumps the same collection with `--gzip`.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.pipeline import STAGES, TABLE_WIDTH, server
from sidecar.archive.keys import new_identity
from sidecar.model import Form

RECIPIENTS = ",".join(str(new_identity().to_public()) for _ in range(2))


def main() -> None:
    parser = argparse.ArgumentParser(description="The table of forms in docs/performance.md.")
    parser.add_argument("--sizes-gb", default="0.2,4", help="sizes of the collection")
    parser.add_argument("--nested", action="store_true", help="documents of 1.8 KB with arrays, not flat ones of 284 B")
    options = parser.parse_args()
    for size in map(float, options.sizes_gb.split(",")):
        with server(round(size * 1000), ["--documents", "nested"] if options.nested else []) as uri:
            _show(size, uri)


def _show(size_gb: float, uri: str) -> None:
    table = Table(title=f"{size_gb:g} GB of BSON", title_justify="left")
    table.add_column("form", no_wrap=True)
    for column in ("CPU s/GB", "MB/s", "peak RSS MB", "stored MB", "stored ÷ BSON"):
        table.add_column(column, justify="right")
    for form in Form:
        table.add_row(str(form), *_backup(form, uri))
    if shutil.which("mongodump"):
        table.add_row("mongodump --gzip", *_dump(uri, size_gb * 1e9))
    Console(width=TABLE_WIDTH).print(table)


def _backup(form: Form, uri: str) -> Iterator[str]:
    chosen = {
        "SIDECAR_COMPRESSION": "zstd" if form.is_compressed else "none",
        "SIDECAR_RECIPIENTS": RECIPIENTS if form.is_encrypted else "",
    }
    with tempfile.TemporaryDirectory(prefix="bench_") as directory:
        command = [sys.executable, str(STAGES), "backup", uri, directory]
        ended = subprocess.run(command, env=os.environ | chosen, stdout=subprocess.PIPE, check=True)
        (data,) = Path(directory).glob(f"*[0-9]{form}")
        stored = data.stat().st_size
    cost = json.loads(ended.stdout)
    yield from _figures(cost["bson_bytes"], cost["cpu_seconds"], cost["wall_seconds"], cost["peak_rss_bytes"], stored)


def _dump(uri: str, bson_bytes: float) -> Iterator[str]:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="bench_") as directory:
        archive = Path(directory) / "dump.gz"
        command = ["mongodump", "--quiet", "--gzip", f"--uri={uri}", f"--archive={archive}", "--db=bench"]
        subprocess.run(command, check=True)
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        stored = archive.stat().st_size
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    yield from _figures(bson_bytes, cpu, seconds, after.ru_maxrss * 1024, stored)


def _figures(bson_bytes: float, cpu_seconds: float, wall_seconds: float, rss_bytes: int, stored: int) -> Iterator[str]:
    """MB and GB are decimal; rates are of BSON."""
    yield f"{cpu_seconds / (bson_bytes / 1e9):.1f}"
    yield f"{bson_bytes / 1e6 / wall_seconds:.1f}"
    yield f"{rss_bytes / 1e6:.0f}"
    yield f"{stored / 1e6:.0f}"
    yield f"{100 * stored / bson_bytes:.0f} %"


if __name__ == "__main__":
    main()
