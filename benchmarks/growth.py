"""What a read, a backup and a restore take as the data grows: docs/images/growth.svg, and the figures as a table.

CPU seconds and peak memory are those of each stage's own process, so that a busy machine changes little. Takes 2 GB of disk
per GB of the largest size.
"""

import argparse
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.pipeline import Cost, run_stage, server

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "growth.svg"
LINES = (  # stage, its name, its colour on white and on black
    ("plain-read", "plain read", "#57606a", "#9aa4af"),
    ("backup", "backup", "#0b5cad", "#79b8ff"),
    ("restore", "restore", "#9a3412", "#ffa657"),
)
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 300, 52, 12, 34, 58
PANEL = WIDTH // 2

Measured = Mapping[str, Sequence[Cost]]  # by stage, in the order of the sizes


def measured(sizes_gb: Sequence[float], kind: str) -> Measured:
    found: dict[str, list[Cost]] = {stage: [] for stage, *_ in LINES}
    for size_gb in sizes_gb:
        with server(round(size_gb * 1000), ["--documents", kind]) as uri, tempfile.TemporaryDirectory() as directory:
            for stage, *_ in LINES:
                found[stage].append(run_stage(stage, uri, directory))
    return found


def picture(costs: Measured, kind: str) -> str:
    """CPU seconds per GB at the left and peak memory at the right, over the size of the data."""
    about = f"CPU seconds per GB and peak memory of a plain read, a backup and a restore of {kind} documents, by size"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{about}">',
        "<style>",
        "text { font: 13px system-ui, sans-serif; fill: #6e7781; } line { stroke: #8c959f; stroke-opacity: 0.4; }",
        "polyline { fill: none; stroke-width: 2; }",
        *_colours(),
        "</style>",
        *_panel(
            0, "CPU seconds per GB", {name: [_cpu_per_gb(one) for one in row] for name, row in costs.items()}, costs
        ),
        *_panel(
            PANEL,
            "peak memory, MB",
            {name: [one.peak_rss_bytes / 1e6 for one in row] for name, row in costs.items()},
            costs,
        ),
        *_legend(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _cpu_per_gb(cost: Cost) -> float:
    return cost.cpu_seconds / cost.bson_bytes * 1e9


def _colours() -> Iterator[str]:
    for name, _, light, dark in LINES:
        for scheme, colour in (("light", light), ("dark", dark)):
            rule = f".{name} {{ fill: {colour}; }} polyline.{name} {{ fill: none; stroke: {colour}; }}"
            yield f"@media (prefers-color-scheme: {scheme}) {{ {rule} }}"


def _panel(left: int, title: str, values: Mapping[str, Sequence[float]], costs: Measured) -> Iterator[str]:
    step = _step(max(max(row) for row in values.values()))
    top = step * 5
    yield f'<text x="{left + LEFT}" y="18">{title}</text>'
    for value in (step * number for number in range(6)):
        y = _y(value, top)
        yield f'<line x1="{left + LEFT}" x2="{left + PANEL - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{left + LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    sizes = [cost.bson_bytes for cost in costs[LINES[0][0]]]
    for size in sizes:
        words = f"{size / 1e9:.2g} GB"
        yield f'<text x="{left + _x(size, sizes):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{words}</text>'
    for name, row in values.items():
        points = [(left + _x(size, sizes), _y(value, top)) for size, value in zip(sizes, row, strict=True)]
        yield f'<polyline class="{name}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
        for (x, y), value in zip(points, row, strict=True):
            yield f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{name}: {value:.1f}</title></circle>'


def _legend() -> Iterator[str]:
    for number, (name, words, *_) in enumerate(LINES):
        x = LEFT + 130 * number
        yield f'<circle class="{name}" cx="{x + 5}" cy="{HEIGHT - 16}" r="4"/>'
        yield f'<text x="{x + 16}" y="{HEIGHT - 12}">{words}</text>'


def _step(most: float) -> float:
    """A fifth of the scale: 1, 2, 2.5 or 5 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(most / 5))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor * 5 >= most)


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top


def _x(size: float, sizes: Sequence[int]) -> float:
    """On a logarithmic scale from the smallest to the largest."""
    share = math.log(size / sizes[0]) / math.log(sizes[-1] / sizes[0])
    return LEFT + 28 + (PANEL - LEFT - RIGHT - 60) * share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sizes-gb", type=lambda text: [float(size) for size in text.split(",")], default=[0.01, 0.1, 1, 10]
    )
    parser.add_argument("--documents", default="small", help="small, nested, numeric or large")
    options = parser.parse_args()
    costs = measured(options.sizes_gb, options.documents)
    PICTURE.write_text(picture(costs, options.documents), encoding="utf-8")
    print(
        f"| GB of {options.documents} documents | "
        + " | ".join(f"{words}, CPU s/GB | peak RSS MB" for _, words, *_ in LINES)
        + " |"
    )
    for number, size_gb in enumerate(options.sizes_gb):
        row = [costs[stage][number] for stage, *_ in LINES]
        print(
            f"| {size_gb:g} | "
            + " | ".join(f"{_cpu_per_gb(one):.1f} | {one.peak_rss_bytes / 1e6:.0f}" for one in row)
            + " |"
        )


if __name__ == "__main__":
    main()
