"""promtool of each major that is here, and unit tests beside those rules only that they speak of.

promtool reckons every rule that it is given at every minute of every test.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import yaml

from support.alert_rules import RULES, load
from support.patience import PATIENCE_SECONDS

Rule = dict[str, Any]
Test = dict[str, Any]

_BUILT: Final = Path.home() / "go" / "bin" / "promtool-3"  # by `make promtool-3`, which outlives a work tree


def promtools() -> dict[str, str]:
    """The programs by the major of the Prometheus that each is of."""
    installed = shutil.which("promtool")
    found = {_major(installed): installed} if installed else {}
    return found | ({"3": str(_BUILT)} if _BUILT.exists() else {})


def _major(program: str) -> str:
    ended = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS)
    found = re.search(r"version v?(\d+)\.", ended.stdout + ended.stderr)
    assert found is not None, ended.stdout
    return found[1]


def write_tests(folder: Path, tests: Iterable[Test], groups: Iterable[Rule]) -> list[Path]:
    """Files for promtool, each with the tests that speak of the same rules, beside these rules."""

    def spoken_of(test: Test) -> list[str]:
        return sorted(_spoken_of(test))

    groups = list(groups)
    found = []
    for number, (names, same) in enumerate(groupby(sorted(tests, key=spoken_of), spoken_of)):
        rules = folder / f"{number}.rules.yaml"
        rules.write_text(yaml.safe_dump({"groups": list(_only(groups, set(names)))}))
        path = folder / f"{number}.yaml"
        asked = {"rule_files": [rules.name], "evaluation_interval": "1m", "tests": list(same)}
        path.write_text(yaml.safe_dump(asked))
        found.append(path)
    return found


def _spoken_of(test: Test) -> set[str]:
    """Alerts and recordings by their names."""
    asked = " ".join(one["expr"] for one in test.get("promql_expr_test", []))
    alerts = {one["alertname"] for one in test.get("alert_rule_test", [])}
    return alerts | set(re.findall(r'alertname="(\w+)"', asked)) | _recordings_in(asked)


def _recordings_in(expr: str) -> set[str]:
    return set(re.findall(r"\bmongobackup:[\w:]+", expr))


def _only(groups: list[Rule], names: set[str]) -> Iterator[Rule]:
    """The groups with the rules of these names, and with the recordings that they need."""
    rules = {rule.get("alert") or rule["record"]: rule for group in groups for rule in group["rules"]}
    needed: set[str] = set()
    while more := names - needed:
        needed |= more
        names = names.union(*(_recordings_in(rules[name]["expr"]) for name in more))
    for group in groups:
        kept = [rule for rule in group["rules"] if (rule.get("alert") or rule["record"]) in needed]
        if kept:
            yield group | {"rules": kept}


def every_group() -> list[Rule]:
    return [group for path in RULES for group in load(path)["groups"]]
