"""What a backup and a restore cost, stage by stage and as a whole, beside the plain driver on the same server.

A replay server stands in for MongoDB, in a process of its own that is not counted. Each stage runs in a process of its
own too, so that CPU time and peak memory are that stage's. The stages are run in turn, `--rounds` times: a figure is the
median, and a ratio is the median of those of each round, with the lowest and the highest. MongoDB's own tools are measured as
well where they are on PATH.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
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
PARTS = ("encode", "decode", "digest", "write", "read-back", "bsonjs", "json-util")
TOOLS: Mapping[str, Sequence[str]] = {
    "mongodump": ("mongodump", "--quiet", "--db=bench", "--out={directory}/dump"),
    "mongodump --gzip": ("mongodump", "--quiet", "--gzip", "--db=bench", "--out={directory}/gzip"),
    "mongoexport": (
        "mongoexport",
        "--quiet",
        "--db=bench",
        "--collection=attendance",
        "--jsonFormat=canonical",
        "--jsonArray",
        "--out={directory}/e",
    ),
    "mongorestore": ("mongorestore", "--quiet", "--nsFrom=bench.*", "--nsTo=tools.*", "{directory}/dump"),
    "mongoimport": (
        "mongoimport",
        "--quiet",
        "--db=tools",
        "--collection=imported",
        "--jsonArray",
        "--file={directory}/e",
    ),
}
AGAINST = (
    ("backup", "mongoexport"),
    ("backup", "mongodump --gzip"),
    ("restore", "mongorestore"),
    ("restore", "mongoimport"),
)
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
    "bsonjs": "bsonjs, unchecked, per document",
    "json-util": "json_util, canonical, per document",
    **{name: name for name in TOOLS},
}


@dataclass(frozen=True)
class Cost:
    """What a stage of `stages.py` printed."""

    bson_bytes: int
    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int


Costs = Mapping[str, Cost]
Rounds = Sequence[Costs]


def main() -> None:
    options = _options()
    console = Console(width=TABLE_WIDTH)
    console.print(_machine(), highlight=False)
    for kind in options.documents:
        for number, size_gb in enumerate(options.sizes_gb):
            whole = (
                WHOLE[:2]
                if options.backup_only
                else (*WHOLE, *(name for name in TOOLS if shutil.which(TOOLS[name][0])))
            )
            names = whole if number else (*whole, *PARTS)
            rounds = _measure(size_gb, names, kind, options.rounds, console)
            console.print(_table(f"{size_gb:g} GB of BSON, {kind} documents, {len(rounds)} rounds", rounds))
            for line in _against_tools(rounds):
                console.print(line, highlight=False)


def _machine() -> str:
    """Which processor, and whether it computes SHA-256 by itself: without, that costs seven times as much."""
    facts = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
    facts = {name.strip(): value for name, value in facts.items()}
    sha = "with" if "sha_ni" in facts.get("flags", "") else "without"
    return (
        f"{os.cpu_count()} x {facts.get('model name', 'unknown').strip()}, {sha} SHA-NI, load {os.getloadavg()[0]:.1f}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Figures of docs/performance.md.")
    parser.add_argument(
        "--sizes-gb", type=_sizes, default="0.1,1", help="sizes of the collection; the stages run at the first one"
    )
    parser.add_argument(
        "--documents", type=lambda text: text.split(","), default=["small"], help="small,nested,numeric,large"
    )
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--backup-only", action="store_true", help="without insert_many and the whole restore")
    return parser.parse_args()


def _sizes(text: str) -> list[float]:
    return [float(size) for size in text.split(",")]


def _measure(size_gb: float, names: Sequence[str], kind: str, rounds: int, console: Console) -> Rounds:
    measured = []
    with server(round(size_gb * 1000), ["--documents", kind]) as uri:
        for number in range(rounds):
            costs: dict[str, Cost] = {}
            with tempfile.TemporaryDirectory(prefix="bench_") as directory:
                for name in names:
                    with console.status(f"{size_gb:g} GB, {kind}, round {number + 1}: {NAMES[name]}"):
                        if name in TOOLS:
                            costs[name] = _run_tool(name, uri, directory, costs)
                        else:
                            costs[name] = run_stage(name, uri, directory)
            measured.append(costs)
    return measured


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


def run_stage(name: str, uri: str, directory: str) -> Cost:
    command = [sys.executable, str(STAGES), name, uri, directory]
    return Cost(**json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))


def _run_tool(name: str, uri: str, directory: str, so_far: Costs) -> Cost:
    """Its CPU time and peak memory as the kernel tells them when it ends."""
    program, *options = TOOLS[name]
    began = time.perf_counter()
    process = subprocess.Popen([program, f"--uri={uri}", *(one.format(directory=directory) for one in options)])
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    if code := os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"{name} ended with {code}")
    return Cost(so_far[READ].bson_bytes, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _against_tools(rounds: Rounds) -> Iterator[str]:
    """What a whole backup and a whole restore cost of what the standard tools do."""
    for ours, theirs in AGAINST:
        if theirs in rounds[0]:
            ratios = [_cpu_per_gb(one[ours]) / _cpu_per_gb(one[theirs]) for one in rounds]
            yield f"CPU of {NAMES[ours]} ÷ {theirs}: {_spread(ratios)}"


def _table(title: str, rounds: Rounds) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("stage", no_wrap=True)
    for column in ("MB/s", "CPU s/GB", "CPU ÷ plain read", "wall ÷ plain read", "peak RSS MB"):
        table.add_column(column, justify="right")
    for name in (name for name in NAMES if name in rounds[0]):
        table.add_row(NAMES[name], *_figures(name, rounds))
    return table


def _figures(name: str, rounds: Rounds) -> Iterator[str]:
    """MB and GB are decimal, and always of BSON, also where a stage moves the longer text."""
    costs = [costs[name] for costs in rounds]
    yield f"{statistics.median(cost.bson_bytes / 1e6 / cost.wall_seconds for cost in costs):.1f}"
    yield f"{statistics.median(_cpu_per_gb(cost) for cost in costs):.1f}"
    yield _spread([_cpu_per_gb(one[name]) / _cpu_per_gb(one[READ]) for one in rounds])
    yield _spread([_wall_per_gb(one[name]) / _wall_per_gb(one[READ]) for one in rounds])
    yield f"{max(cost.peak_rss_bytes for cost in costs) / 1e6:.0f}"


def _cpu_per_gb(cost: Cost) -> float:
    return cost.cpu_seconds / (cost.bson_bytes / 1e9)


def _wall_per_gb(cost: Cost) -> float:
    return cost.wall_seconds / (cost.bson_bytes / 1e9)


def _spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


if __name__ == "__main__":
    main()
