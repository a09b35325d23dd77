"""Each rule changed a little: its unit tests notice another threshold, patience, direction or label set."""

import copy
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.alert_rules import alerts, unit_tests
from support.patience import PATIENCE_SECONDS
from support.promtool import every_group, promtools, write_tests

Rule = dict[str, Any]
DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> int:
    return int(text[:-1]) * DURATIONS[text[-1]]


def mutants(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """What is changed, and the rule that it makes."""
    if "for" in rule:
        yield "for shorter", rule | {"for": f"{seconds(rule['for']) - 60}s"}
        yield "for longer", rule | {"for": f"{seconds(rule['for']) * 2}s"}
    expr = rule["expr"]
    for found in re.finditer(r"(?<![=!])(>=|<=|>|<)(?!=)(?! bool)", expr):
        turned = found[0].translate(str.maketrans("<>", "><"))
        yield f"turned {found[0]} at {found.start()}", rule | {"expr": _put(expr, found.span(), turned)}
    for found in re.finditer(r"(?<=[><=] )\d+(?:\.\d+)?(?![\d\w])", expr):
        if float(found[0]) > 1:
            for factor in (0.5, 1.5):
                changed = f"{float(found[0]) * factor:g}"
                yield f"{found[0]} is {changed}", rule | {"expr": _put(expr, found.span(), changed)}
    for found in re.finditer(r"\b(on|by) \(([^)]*)\)", expr):
        names = found[2].split(", ")
        for name in names:
            fewer = ", ".join(one for one in names if one != name)
            yield (
                f"without {name} at {found.start()}",
                rule | {"expr": _put(expr, found.span(), f"{found[1]} ({fewer})")},
            )


def _put(text: str, span: tuple[int, int], new: str) -> str:
    return text[: span[0]] + new + text[span[1] :]


# What changes nothing, and why.
SAME = {
    ("MongoBackupErrorBudgetSpent", "for shorter"): "its group is evaluated every five minutes",
}


def of_alert(alert: str) -> list[dict[str, Any]]:
    """Those of the unit tests that speak of it, without what they say of others."""
    found = []
    for test in copy.deepcopy(list(unit_tests())):
        test["alert_rule_test"] = [one for one in test.get("alert_rule_test", []) if one["alertname"] == alert]
        test["promql_expr_test"] = [one for one in test.get("promql_expr_test", []) if f'"{alert}"' in one["expr"]]
        if test["alert_rule_test"] or test["promql_expr_test"]:
            found.append(test)
    return found


def passes(folder: Path, alert: str, rule: Rule) -> bool:
    others = [group | {"rules": [one for one in group["rules"] if "record" in one]} for group in every_group()]
    files = write_tests(folder, of_alert(alert), [*others, {"name": "one", "rules": [rule]}])
    ended = subprocess.run(
        [promtools()["2"], "test", "rules", *files], capture_output=True, check=False, timeout=PATIENCE_SECONDS
    )
    return ended.returncode == 0


@pytest.mark.alerts  # two minutes: `make alerts-mutants`
@pytest.mark.parametrize("alert", alerts())
def test_the_unit_tests_of_an_alert_notice_every_mutant_of_it(alert: str, tmp_path: Path) -> None:
    rule = alerts()[alert]
    assert passes(tmp_path, alert, rule)
    unnoticed = [what for what, mutant in mutants(rule) if passes(tmp_path, alert, mutant)]
    assert [one for one in unnoticed if (alert, one.partition(" at ")[0]) not in SAME] == []
