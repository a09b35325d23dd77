"""The worked examples of the page on retention, asked of the rules themselves."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sidecar.model import BackupId
from sidecar.rules import suspicion
from sidecar.rules.reach import left
from sidecar.rules.retention import Candidate, Policy, judge
from sidecar.rules.tiers import HOUR

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "retention.md").read_text(encoding="utf-8")
PREFIX = "seed_backup"
KINDS = {"valid", "invalid", "pinned", "suspect", "before a restore", "being read"}
EXAMPLE = re.compile(
    r"`BACKUP_LIMIT=(?P<limit>\d+)`, `BACKUP_RETENTION_DAYS=(?P<days>\d+)`(?P<tiers>(, `SIDECAR_KEEP_\w+=\d+`)*)"
    r", and it is (?P<now>[\d: -]+):\n\n(?P<table>(\|.*\n)+)"
)
TIER = re.compile(r"SIDECAR_KEEP_(\w+)=(\d+)")
SUSPICION = re.compile(r"\| collection \| had \| has \| suspect \|\n(?P<table>(\|.*\n)+)")

Row = list[str]


def rows(table: str) -> Iterator[Row]:
    """Those below the heading and the line under it."""
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] != "taken" and not cells[0].startswith("---"):
            yield cells


def line_of(found: re.Match[str]) -> int:
    return PAGE[: found.start()].count("\n") + 1


def moment(text: str) -> datetime:
    return datetime.strptime(text.strip(), "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def candidate(row: Row) -> Candidate:
    what = set(row[1].split(", "))
    assert what <= KINDS
    return Candidate(
        id=BackupId(moment(row[0]), PREFIX),
        is_valid="valid" in what,
        is_pinned="pinned" in what,
        is_in_use="being read" in what,
        is_safety="before a restore" in what,
        is_suspect="suspect" in what,
    )


def test_there_are_examples_of_every_kind_of_backup() -> None:
    found = [row for example in EXAMPLE.finditer(PAGE) for row in rows(example["table"])]
    assert {kind for row in found for kind in row[1].split(", ")} == KINDS
    assert len(found) > 20


@pytest.mark.parametrize("example", list(EXAMPLE.finditer(PAGE)), ids=lambda found: f"line {line_of(found)}")
def test_the_rules_say_what_the_page_says(example: re.Match[str]) -> None:
    shown = list(rows(example["table"]))
    tiers = {f"keep_{name.lower()}": int(count) for name, count in TIER.findall(example["tiers"])}
    policy = Policy(int(example["limit"]), int(example["days"])).but(**tiers)
    decided = judge(map(candidate, shown), policy, moment(example["now"]))
    told = [
        [
            f"{one.id.taken_at:%Y-%m-%d %H:%M}",
            "keep" if one.keep else "delete",
            one.reason.replace(f"{PREFIX}_", ""),
            f"{one.expires_at:%Y-%m-%d}" if one.expires_at else "–",
        ]
        for one in decided
    ]
    assert told == [[taken, *verdict] for taken, _, *verdict in shown]


def test_the_picture_shows_what_is_left_of_a_year() -> None:
    drawn = re.findall(r"<title>(.{16}) UTC: ", (DOCS / "images" / "retention-year.svg").read_text(encoding="utf-8"))
    end = max(moment(one) for one in drawn)
    policy = Policy(5, 30, 24, 7, 4, 6, zone=ZoneInfo("Europe/Berlin"))
    told = left(policy, HOUR, end)
    assert {moment(one) for one in drawn} == {end - HOUR * age for age in (*range(told.newest), *told.older)}
    assert f"leave {len(drawn)} backups" in PAGE


def test_a_backup_is_suspect_when_the_page_says_so() -> None:
    (found,) = SUSPICION.finditer(PAGE)
    shown = list(rows(found["table"]))
    told = [bool(suspicion.losses({name: int(had)}, {name: int(has)})) for name, had, has, _ in shown]
    assert told == [suspect == "yes" for *_, suspect in shown]
    assert len(told) > 5
    assert (suspicion.RECENT, suspicion.KEPT_SHARE) == (5, 0.5)
