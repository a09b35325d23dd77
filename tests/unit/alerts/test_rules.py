"""The alert rules by promtool's judgement, and that every alert is tested, explained and worth its noise."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alerts import build
from support.alert_rules import ALERTMANAGER, ALERTS, ROOT, RULES, UNIT_TESTS, alerts, load, rules, unit_tests
from support.patience import PATIENCE_SECONDS
from support.promtool import every_group, promtools, write_tests

GRAVITY = ["info", "warning", "critical"]
ON_REQUEST = "{{ $labels.severity }}"  # of the alert that is only a test


def run(*command: str | Path) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_promtool_finds_nothing_in_the_rules() -> None:
    assert "SUCCESS" in run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *RULES)


@pytest.mark.parametrize("major", promtools())
@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_promtool_agrees_with_the_unit_tests(path: Path, major: str, tmp_path: Path) -> None:
    """Of each major that is here: 2 always, 3 after `make promtool-3`."""
    files = write_tests(tmp_path, load(path)["tests"], every_group())
    run(promtools()[major], "test", "rules", *files)


def checks_of(alert: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """What the unit tests of an alert are called after its name, and every expectation in them."""
    return [
        (test["name"].removeprefix(alert), check["exp_alerts"])
        for test in unit_tests()
        for check in test.get("alert_rule_test", [])
        if check["alertname"] == alert and test["name"].startswith(f"{alert} ")
    ]


@pytest.mark.parametrize("alert", alerts())
def test_every_alert_is_seen_to_fire_to_stay_quiet_and_to_stay_quiet_just_below_its_threshold(alert: str) -> None:
    checks = checks_of(alert)
    assert {words.split()[0] for words, _ in checks} == {"fires", "just", "stays"}
    assert all(bool(expected) is words.startswith(" fires") for words, expected in checks)


@pytest.mark.parametrize("alert", alerts())
def test_every_alert_says_how_grave_it_is_what_happened_and_where_to_read_on(alert: str) -> None:
    rule = alerts()[alert]
    assert set(rule["labels"]) == {"severity", "component"}
    assert rule["labels"]["severity"] in [*GRAVITY, ON_REQUEST]
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert "{{" not in build.bare(rule["annotations"]["summary"])
    assert rule["annotations"]["runbook_url"].endswith(f"/{alert}")


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_on_a_counter_needs_no_second_failure(alert: str) -> None:
    """`increase(x[5m]) > 0` for five minutes never fires for one failure."""
    rule = alerts()[alert]
    windows = re.findall(r"increase\([^\[]*\[(\d+)m\]", rule["expr"])
    assert not ("for" in rule and re.search(r"increase\(.*\) > 0$", rule["expr"]))
    assert all(int(window) > int(rule.get("for", "0m")[:-1]) for window in windows)


def test_the_object_for_the_operator_is_the_one_that_is_built(tmp_path: Path) -> None:
    run(sys.executable, ALERTS / "build.py", tmp_path)
    built = (tmp_path / "prometheusrule.yaml").read_text()
    assert built == (ALERTS / "prometheusrule.yaml").read_text()
    groups = load(ALERTS / "prometheusrule.yaml")["spec"]["groups"]
    assert [_without_runbook(rule) for group in groups for rule in group["rules"]] == list(
        map(_without_runbook, rules())
    )
    urls = {
        rule["alert"]: rule["annotations"]["runbook_url"]
        for group in groups
        for rule in group["rules"]
        if "alert" in rule
    }
    assert urls == {alert: f"{build.FORWARDED}{alert}" for alert in alerts()}


def _without_runbook(rule: dict[str, Any]) -> dict[str, Any]:
    return rule | {"annotations": rule.get("annotations", {}) | {"runbook_url": ""}}


def test_the_table_of_the_alerts_is_that_of_the_rules() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    assert text == build.page(text, [path.read_text() for path in RULES])


def test_the_runbooks_can_be_anywhere(tmp_path: Path) -> None:
    run(sys.executable, ALERTS / "build.py", "--runbooks", "https://wiki.example.com/", tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_text().count("runbook_url: https://wiki.example.com/MongoBackup") > 0
        assert not re.search("runbook_url: .*/runbooks/", path.read_text())


# -- the Alertmanager's example ----------------------------------------------------------------------------------------


def test_amtool_finds_nothing_in_the_example() -> None:
    assert "SUCCESS" in run("amtool", "check-config", ALERTMANAGER)


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "pager"), ("warning", "daytime"), ("info", "log")])
def test_every_severity_goes_where_it_should(severity: str, receiver: str) -> None:
    labels = [f"severity={severity}", "component=mongobackup"]
    assert run("amtool", "config", "routes", "test", "--config.file", ALERTMANAGER, *labels).strip() == receiver


def matched(matchers: list[str]) -> set[str]:
    """The alerts that a rule's matchers on the name take."""
    found = set(alerts())
    for matcher in matchers:
        name, operator, pattern = re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', matcher).groups()  # type: ignore[union-attr] # every matcher has this form
        if name == "alertname":
            takes = operator[0] == "="
            found = {one for one in found if bool(re.fullmatch(pattern, one)) is takes}
    return found


WAITS = (
    "MongoBackupMongoDBUnreachable",
    "MongoBackupDrillFailed",
)  # a drill that MongoDB broke off is told when it is back


def test_nothing_is_silenced_by_what_is_less_grave() -> None:
    def gravity(alert: str) -> int:
        return GRAVITY.index(alerts()[alert]["labels"]["severity"])

    for rule in load(ALERTMANAGER)["inhibit_rules"]:
        sources, targets = matched(rule["source_matchers"]), matched(rule["target_matchers"])
        assert sources, rule
        assert targets, rule
        assert not sources & targets, rule
        wrong = {
            (source, target)
            for source in sources
            for target in targets - {"MongoBackupTest"}
            if gravity(source) < gravity(target)
        }
        assert wrong <= {WAITS}, rule


# Labels that an alert has lost on its way, since it is said of several sidecars or sets at once.
LOST = {
    "MongoBackupNoLeader": {"instance", "set"},
    "MongoBackupMetricsMissing": {"instance", "set"},
    "MongoBackupErrorBudgetSpent": {"instance"},
}


def test_every_inhibition_is_of_one_cluster_and_can_take_effect() -> None:
    """Both sides carry what has to be equal, or neither does: else it never silences anything."""
    for rule in load(ALERTMANAGER)["inhibit_rules"]:
        assert rule["equal"][:3] == ["cluster", "namespace", "job"], rule
        for name in matched(rule["source_matchers"]) | matched(rule["target_matchers"]):
            assert not LOST.get(name, set()) & set(rule["equal"]), (name, rule)


NOT_KEPT = {  # what a restart ends, or what is told of a time and not of a state
    "MongoBackupErrorBudgetSpent",  # of a recording rule, which outlives the sidecar
    "MongoBackupLoginAttack",
    "MongoBackupMetricsBroken",
    "MongoBackupMetricsMissing",
    "MongoBackupNoLeader",
    "MongoBackupNotificationsFailing",
    "MongoBackupOverdue",
    "MongoBackupRestoreFailed",
    "MongoBackupRetentionFailing",
    "MongoBackupRunStuck",
    "MongoBackupSchedulerDown",
    "MongoBackupStateStale",
    "MongoBackupTargetDown",
    "MongoBackupTargetNeverUp",
    "MongoBackupTest",
}


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_goes_on_through_a_restart_unless_that_ends_its_cause(alert: str) -> None:
    assert ("keep_firing_for" in alerts()[alert]) is (alert not in NOT_KEPT)


def test_labels_are_named_and_never_all_but_some() -> None:
    """`without (pod)` keeps whatever else a relabelling adds: each rollout would look like another sidecar."""
    for rule in rules():
        assert " without " not in rule["expr"], rule
        for kept in re.findall(r"\b(?:on|by) \(([^)]*)\)", rule["expr"]):
            assert kept.startswith("cluster, namespace, job"), rule
