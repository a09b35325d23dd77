"""The dashboards as files: what the program builds, in a form that Grafana takes, about metrics that exist."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard as Model

from grafana.build import HERE, dashboards
from grafana.preview.asking import panels, variables
from sidecar import metrics

ROOT = HERE.parent
RULES = sorted((ROOT / "alerts").glob("*.rules.yaml"))
NAMES = tuple(dashboards())
# Prometheus' own series, and those of the client library's collectors.
FOREIGN = {
    "ALERTS",
    "ALERTS_FOR_STATE",
    "up",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
}
COLUMNS = 24
VERDICT = "(/|bool) mongobackup_max_age_seconds|restore_drill_success|last_run_success|consecutive_run_failures"

Json = Mapping[str, Any]


@pytest.fixture(params=NAMES)
def dashboard(request: pytest.FixtureRequest) -> Json:
    """Each file in its turn."""
    return dict(json.loads((HERE / request.param).read_text()))


def everywhere() -> list[Json]:
    return [json.loads((HERE / name).read_text()) for name in NAMES]


def expressions(dashboard: Json) -> Iterator[str]:
    yield from (target["expr"] for panel in panels(dashboard) for target in panel["targets"])
    yield from (annotation["target"]["expr"] for annotation in dashboard["annotations"]["list"])
    yield from (variable["query"] for variable in variables(dashboard))


def metric_names(expr: str) -> set[str]:
    """Every name that stands before a selector or whose label is asked for, and ours anywhere."""
    before_selector = re.findall(r"([A-Za-z_:][\w:]*)\{", expr)
    return {*before_selector, *re.findall(r"\bmongobackup[\w:]+", expr), *re.findall(r"label_values\((\w+)", expr)}


def catalogue() -> set[str]:
    names = re.findall(r"^\| `(\w+)`", metrics.reference_table(), re.MULTILINE)
    return {*names, *(f"{name}_bucket" for name in names if name.endswith("_duration_seconds"))}


def rules() -> Iterator[Json]:
    for file in RULES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


def linked_alerts() -> set[str]:
    text = "\n".join((HERE / name).read_text() for name in NAMES)
    return set(re.findall(r"\$\{runbooks\}/(\w+)", text))


def test_the_files_are_what_the_program_builds() -> None:
    assert {name: (HERE / name).read_text() for name in NAMES} == dashboards()


def test_nothing_is_lost_when_the_sdk_reads_a_dashboard_and_writes_it_again(dashboard: Json) -> None:
    register_default_plugins()
    assert json.loads(JSONEncoder().encode(Model.from_json(dict(dashboard)))) == dashboard


def test_it_is_a_classic_dashboard_that_is_changed_in_the_program_only(dashboard: Json) -> None:
    assert (dashboard["schemaVersion"], dashboard["editable"]) == (42, False)
    assert "grafana/build.py" in dashboard["description"]


def test_every_panel_says_what_it_shows_and_what_nothing_means(dashboard: Json) -> None:
    for panel in panels(dashboard):
        shown = panel["fieldConfig"]["defaults"]
        assert all((panel["title"], panel["description"], shown["unit"], shown["noValue"])), panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["targets"], panel["title"]


def test_titles_and_the_names_of_queries_are_unique(dashboard: Json) -> None:
    titles = [panel["title"] for panel in panels(dashboard)]
    assert sorted(set(titles)) == sorted(titles)
    for panel in panels(dashboard):
        names = [target["refId"] for target in panel["targets"]]
        assert sorted(set(names)) == sorted(names), panel["title"]


def test_everything_is_asked_of_the_chosen_data_source(dashboard: Json) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    asked = [
        *(target for panel in panels(dashboard) for target in (panel, *panel["targets"])),
        *dashboard["annotations"]["list"],
        *variables(dashboard),
    ]
    assert [one["datasource"] for one in asked] == [chosen] * len(asked)


def test_every_selector_keeps_to_the_chosen_sidecars(dashboard: Json) -> None:
    for expr in (target["expr"] for panel in panels(dashboard) for target in panel["targets"]):
        for name, selector in re.findall(r"([\w:]+)\{([^{}]*)\}", expr):
            for label in (
                "cluster",
                "job",
                "namespace",
                "set" if ":" in name else "instance",
            ):  # rules sum up over instances
                assert re.search(rf'\b{label}=~"\${label}\|?"', selector), expr


def test_the_variables_are_there_and_everything_is_chosen_at_first(dashboard: Json) -> None:
    names = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert names == ["datasource", "job", "cluster", "namespace", "instance", "set", "runbooks", "admin"]
    everything = [one["name"] for one in variables(dashboard) if one.get("allValue") == ".*"]
    assert everything == [  # and not the job: `.*` would count every target of that Prometheus as one of ours
        "cluster",
        "namespace",
        "instance",
        *(["set"] if dashboard["uid"] == "mongobackup-overview" else []),
    ]


def test_a_verdict_on_a_set_is_none_on_followers_which_do_nothing_by_themselves(dashboard: Json) -> None:
    for expr in (target["expr"] for panel in panels(dashboard) for target in panel["targets"]):
        if re.search(VERDICT, expr):
            assert "unless on (cluster, namespace, job, instance) mongobackup_leader{" in expr


def test_no_panel_lies_over_another_or_leaves_the_grid(dashboard: Json) -> None:
    places = [one["gridPos"] for one in dashboard["panels"]]
    for place in places:
        assert place["w"] > 0, place
        assert place.get("x", 0) + place["w"] <= COLUMNS, place
    for one, other in combinations(places, 2):
        beside = _apart(one, other, "x", "w") or _apart(one, other, "y", "h")
        assert beside, (one, other)


def _apart(one: Json, other: Json, start: str, length: str) -> bool:
    begin, again = one.get(start, 0), other.get(start, 0)
    return bool(begin + one[length] <= again or again + other[length] <= begin)


def test_ids_of_panels_are_unique(dashboard: Json) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert sorted(set(ids)) == sorted(ids)


def test_there_are_links_to_the_other_dashboard_the_admin_page_and_the_runbooks(dashboard: Json) -> None:
    title, uid = ("One set", "set") if dashboard["uid"] == "mongobackup-overview" else ("Overview", "overview")
    chosen = "${datasource:queryparam}&${job:queryparam}&${cluster:queryparam}&${namespace:queryparam}&${instance:queryparam}"
    assert {link["title"]: link["url"] for link in dashboard["links"]} == {
        title: f"/d/mongobackup-{uid}?{chosen}",
        "Admin page": "${admin}/",
        "Runbooks": "${runbooks}",
    }


def test_thresholds_of_ages_and_space_are_shares_of_what_the_metrics_say(dashboard: Json) -> None:
    for panel in panels(dashboard):
        shown = panel["fieldConfig"]["defaults"]
        steps = [step["value"] for step in shown["thresholds"]["steps"] if step["value"] is not None]
        assert not steps or shown["unit"] in {"none", "percentunit", "x"}, panel["title"]


def test_every_metric_of_a_dashboard_exists() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = set().union(*(metric_names(expr) for one in everywhere() for expr in expressions(one)))
    assert {name for name in used if ":" not in name} - catalogue() - FOREIGN == set()
    assert not recorded or {name for name in used if ":" in name} - recorded == set()


def test_every_metric_of_the_catalogue_is_on_a_dashboard_or_in_a_rule_or_says_why_it_is_not() -> None:
    asked = [expr for one in everywhere() for expr in expressions(one)] + [rule["expr"] for rule in rules()]
    used = set().union(*(metric_names(expr) for expr in asked))
    reasons = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    missing = {name for name in catalogue() if not name.endswith("_seconds_bucket")} - used - {*reasons}
    assert missing <= {"mongobackup_http_request_duration_seconds"}  # shown by its buckets


def test_every_runbook_that_a_panel_leads_to_is_that_of_an_alert() -> None:
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert not alerts or linked_alerts() - alerts == set()
