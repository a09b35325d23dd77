"""The alert rules, their unit tests and the Alertmanager's example, as data."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
ALERTS: Final = ROOT / "alerts"
RULES: Final = (ALERTS / "mongobackup.rules.yaml", ALERTS / "objective.rules.yaml")
RUNBOOKS: Final = ROOT / "docs" / "runbooks"
DASHBOARDS: Final = ROOT / "grafana"
UNIT_TESTS: Final = tuple(sorted((ALERTS / "tests").glob("*.yaml")))
ALERTMANAGER: Final = ALERTS / "alertmanager.example.yml"


@cache
def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def rules() -> Iterator[dict[str, Any]]:
    """Every rule of every file, alerts and recordings."""
    for path in RULES:
        for group in load(path)["groups"]:
            yield from group["rules"]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def unit_tests() -> Iterator[dict[str, Any]]:
    for path in UNIT_TESTS:
        yield from load(path)["tests"]
