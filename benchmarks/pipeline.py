"""What a backup and a restore cost, stage by stage and as a whole, beside the plain driver on the same server.

A replay server stands in for MongoDB, in a process of its own that is not counted. Each stage runs in a process of its
own too, so that CPU time and peak memory are that stage's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
STAGES = Path(__file__).with_name("stages.py")
TABLE_WIDTH = 120  # also where the output is a file

READ, INSERT = "plain-read", "insert-many"  # the peers
WHOLE = (READ, "backup", INSERT, "restore")  # in an order in which each finds what it reads
PARTS = ("encode", "decode", "digest", "write", "read-back")
NAMES = {
    READ: "plain read (Motor, raw batches)",
    INSERT: "insert_many (PyMongo, raw documents)",
    "encode": "encode",
    "decode": "decode",
    "digest": "digest (SHA-256, fingerprint)",
    "write": "write and fsync",
    "read-back": "read back and SHA-256",
    "backup": "whole backup",
    "restore": "whole restore",
}


@dataclass(frozen=True)
class Cost:
    """What a stage of `stages.py` printed."""

    bson_bytes: int
    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int


Costs = Mapping[str, Cost]


def main() -> None:
    options = _options()
    console = Console(width=TABLE_WIDTH)
    for number, size_gb in enumerate(options.sizes_gb):
        whole = WHOLE[:2] if options.backup_only else WHOLE
        names = whole if number else (*whole, *PARTS)
        costs = _measure(size_gb, names, ["--nested"] if options.nested else [], console)
        kind = "nested documents of 1.8 KB" if options.nested else "flat documents of 284 B"
        console.print(_table(f"{size_gb:g} GB of BSON, {kind}", costs))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Figures of docs/performance.md.")
    parser.add_argument(
        "--sizes-gb", type=_sizes, default="0.1,1", help="sizes of the collection; the stages run at the first one"
    )
    parser.add_argument("--nested", action="store_true", help="documents of 1.8 KB with arrays, not flat ones of 284 B")
    parser.add_argument("--backup-only", action="store_true", help="without insert_many and the whole restore")
    return parser.parse_args()


def _sizes(text: str) -> list[float]:
    return [float(size) for size in text.split(",")]


def _measure(size_gb: float, names: tuple[str, ...], flags: list[str], console: Console) -> Costs:
    costs = {}
    with server(round(size_gb * 1000), flags) as uri, tempfile.TemporaryDirectory(prefix="bench_") as directory:
        for name in names:
            with console.status(f"{size_gb:g} GB: {NAMES[name]}"):
                costs[name] = _run(name, uri, directory)
    return costs


@contextmanager
def server(total_mb: int, flags: list[str]) -> Iterator[str]:
    """The URI of a replay server that holds so many MB of BSON."""
    with subprocess.Popen(
        [sys.executable, "-m", "support.replay_server", "0", str(total_mb), *flags],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests")},
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            if words[:1] != ["ready"]:
                raise RuntimeError("the replay server did not start; its own words are on stderr")
            yield f"mongodb://127.0.0.1:{words[1]}"
        finally:
            process.kill()


def _run(name: str, uri: str, directory: str) -> Cost:
    command = [sys.executable, str(STAGES), name, uri, directory]
    return Cost(**json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))


def _table(title: str, costs: Costs) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("stage", no_wrap=True)
    for column in ("seconds", "MB/s", "CPU s/GB", "wall ÷ plain read", "wall ÷ insert_many", "peak RSS MB"):
        table.add_column(column, justify="right")
    for name in (name for name in NAMES if name in costs):
        table.add_row(NAMES[name], *_figures(name, costs))
    return table


def _figures(name: str, costs: Costs) -> Iterator[str]:
    """MB and GB are decimal, and always of BSON, also where a stage moves the longer text."""
    cost = costs[name]
    yield f"{cost.wall_seconds:.1f}"
    yield f"{cost.bson_bytes / 1e6 / cost.wall_seconds:.1f}"
    yield f"{cost.cpu_seconds / (cost.bson_bytes / 1e9):.1f}"
    yield f"{cost.wall_seconds / costs[READ].wall_seconds:.2f}"
    yield f"{cost.wall_seconds / costs[INSERT].wall_seconds:.2f}" if name in {INSERT, "restore"} else "–"
    yield f"{cost.peak_rss_bytes / 1e6:.0f}"


if __name__ == "__main__":
    main()
