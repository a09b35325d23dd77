"""Metrics by name: what rules, dashboards and documents speak of exists, and what exists is spoken of."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.metrics import every_name
from support.alert_rules import ALERTS, DASHBOARDS, ROOT, RULES

SUFFIXES = ("_bucket", "_count", "_sum", "")  # of a histogram's series
REASONS = ROOT / "docs" / "metrics.md"
TEXTS = [*RULES, *sorted((ALERTS / "tests").glob("*.yaml")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]


def dashboards() -> list[Path]:
    return sorted(DASHBOARDS.glob("*.json"))


def named_in(text: str) -> Iterator[str]:
    """Metrics by their whole names; the names of rules, `mongobackup:…`, and patterns are none."""
    return (found[0] for found in re.finditer(r"\bmongobackup_[a-z_]+\b(?![*{]?\*)", text))


def is_known(name: str) -> bool:
    return any(name.removesuffix(suffix) in every_name() for suffix in SUFFIXES)


@pytest.mark.parametrize("path", [*TEXTS, *dashboards()], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_metric_that_is_named_anywhere_exists(path: Path) -> None:
    assert {name for name in named_in(path.read_text()) if not is_known(name)} == set()


def test_every_metric_is_used_by_a_rule_or_a_dashboard_or_says_why_it_exists() -> None:
    used = {name for path in (*RULES, *dashboards()) for name in named_in(path.read_text())}
    used |= {name.removesuffix(suffix) for name in used for suffix in SUFFIXES}
    _, _, reasons = REASONS.read_text().partition("## Why there are metrics that no alert")
    said = re.findall(r"^\| `(\w+)` \| \w", reasons, re.MULTILINE)
    assert set(every_name()) - used - set(said) == set()
    assert set(said) <= set(every_name())


def test_what_is_recorded_is_recorded_before_it_is_read() -> None:
    text = "".join(path.read_text() for path in RULES)
    recorded = set(re.findall(r"record: (mongobackup:[\w:]+)", text))
    files = [*RULES, *dashboards(), ROOT / "docs" / "monitoring.md"]
    read = {name for path in files for name in re.findall(r"\bmongobackup:[\w:]+", path.read_text())}
    assert read == recorded
