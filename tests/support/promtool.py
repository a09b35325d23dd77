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

_BUILT: Final = Path(__file__).parents[2] / ".venv" / "bin" / "promtool-3"  # by `make promtool-3`


def promtools() -> dict[str, str]:
    """The programs by the major of the Prometheus that each is of."""
    found = [one for one in (shutil.which("promtool"), shutil.which(_BUILT)) if one]
    return {_major(one): one for one in found}


def _major(program: str) -> str:
    ended = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS)
    version = re.search(r"version v?(\d+)\.(\d+)", ended.stdout + ended.stderr)
    assert version is not None, ended.stdout
    return "3" if version[1] == "0" else version[1]  # the Go module of 3.16 is v0.316


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
    """The alerts, and `record` where something that is recorded is asked for."""
    asked = " ".join(one["expr"] for one in test.get("promql_expr_test", []))
    names = {one["alertname"] for one in test.get("alert_rule_test", [])} | set(re.findall(r'alertname="(\w+)"', asked))
    return names | ({"record"} if "mongobackup:" in asked else set())


def _only(groups: list[Rule], names: set[str]) -> Iterator[Rule]:
    """The groups with these alerts, and with all recordings if one of them needs any."""
    chosen = [rule for group in groups for rule in group["rules"] if rule.get("alert") in names]
    needs_recordings = "record" in names or any("mongobackup:" in rule["expr"] for rule in chosen)
    for group in groups:
        kept = [rule for rule in group["rules"] if rule in chosen or (needs_recordings and "record" in rule)]
        if kept:
            yield group | {"rules": kept}


def every_group() -> list[Rule]:
    return [group for path in RULES for group in load(path)["groups"]]
