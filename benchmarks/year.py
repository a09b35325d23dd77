"""One year of hourly backups and what retention leaves of them: figures, and docs/images/retention-year.svg.

The picture is of fixed dates, so that it changes with the rules only.
"""

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sidecar.model import BackupId
from sidecar.rules.policy import Policy
from sidecar.rules.retention import Candidate, Decision, judge
from sidecar.rules.tiers import Rule

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "retention-year.svg"
HOUR = timedelta(hours=1)
END = datetime(2026, 11, 28, 17, 0, tzinfo=UTC)
POLICY = Policy(
    5, 30, keep_hourly=24, keep_daily=7, keep_weekly=4, keep_monthly=6, zone=ZoneInfo("Europe/Berlin"), every=HOUR
)

WIDTH, LEFT, RIGHT, LANE, TOP = 760, 110, 20, 34, 20
LANES = (
    ((Rule.NEWEST,), "Newest", "#24292f", "#e6edf3"),
    ((Rule.LAST, Rule.HOURLY), "24 hours", "#0b5cad", "#79b8ff"),
    ((Rule.DAILY,), "7 days", "#116329", "#56d364"),
    ((Rule.WEEKLY,), "4 weeks", "#7a5200", "#e3b341"),
    ((Rule.MONTHLY,), "6 months", "#9a3412", "#ffa657"),
)
MARKS = ((1, "1 hour"), (24, "1 day"), (24 * 7, "1 week"), (24 * 30.4, "1 month"), (24 * 182.5, "half a year"))


def lived(hours: int) -> list[Decision]:
    """So many hourly runs, each followed by retention; the verdicts after the last."""
    there: list[BackupId] = []
    decided: list[Decision] = []
    for number in range(hours, -1, -1):
        now = END - HOUR * number
        there.append(BackupId.at("seed_backup", now))
        decided = judge([Candidate(one, is_valid=True, is_pinned=False, is_in_use=False) for one in there], POLICY, now)
        there = [one.id for one in decided if one.keep]
    return [one for one in decided if one.keep]


def picture(kept: list[Decision]) -> str:
    """A lane for each rule, a dot for each backup, the newest at the right; each step to the left is longer ago."""
    height = TOP + LANE * len(LANES) + 30
    about = f"{len(kept)} backups that are left of a year, by the rule that keeps each"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{about}">',
        "<style>",
        "text { font: 13px system-ui, sans-serif; } line { stroke: #8c959f; stroke-opacity: 0.4; }",
        ".m { fill: #6e7781; text-anchor: middle; }",
        *_colours(),
        "</style>",
        *_lanes(kept),
        *_marks(height),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _colours() -> Iterator[str]:
    for number, (_, _, light, dark) in enumerate(LANES):
        yield f".l{number} {{ fill: {light}; }}"
        yield f"@media (prefers-color-scheme: dark) {{ .l{number} {{ fill: {dark}; }} }}"


def _lanes(kept: list[Decision]) -> Iterator[str]:
    for number, (rules, name, *_) in enumerate(LANES):
        y = TOP + LANE * number + LANE // 2
        yield f'<text class="l{number}" x="8" y="{y + 4}">{name}</text>'
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        for one in kept:
            if one.rules[-1] in rules:
                x = _x((END - one.id.taken_at) / HOUR)
                title = f"<title>{one.id.taken_at:%Y-%m-%d %H:%M} UTC: {one.reason}</title>"
                yield f'<circle class="l{number}" cx="{x:.1f}" cy="{y}" r="4.5">{title}</circle>'


def _marks(height: int) -> Iterator[str]:
    for hours, words in ((0, "now"), *MARKS):
        yield f'<text class="m" x="{_x(hours):.1f}" y="{height - 8}">{words}</text>'


def _x(hours: float) -> float:
    longest = math.log1p(24 * 200)
    return WIDTH - RIGHT - 10 - (WIDTH - LEFT - RIGHT - 20) * math.log1p(hours) / longest


def main() -> None:
    began = time.process_time()
    kept = lived(365 * 24)
    seconds = time.process_time() - began
    PICTURE.write_text(picture(kept), encoding="utf-8")
    oldest = (END - kept[-1].id.taken_at) / timedelta(days=1)
    print(f"{365 * 24 + 1:,} runs leave {len(kept)} backups, the oldest {oldest:.0f} days old; {seconds:.1f} CPU s")
    for rules, name, *_ in LANES:
        print(f"| {name} | {sum(one.rules[-1] in rules for one in kept)} |")


if __name__ == "__main__":
    main()
