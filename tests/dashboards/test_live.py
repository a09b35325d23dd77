"""Every query of every dashboard, asked of a real Prometheus that scrapes a real sidecar."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grafana.build import HERE, dashboards
from grafana.preview.asking import Viewer, panels, variables
from grafana.preview.page import page
from support.prometheus import Prometheus
from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, Served
from support.servers import ServerProcess, exact_server, seed

RULES = sorted((HERE.parent / "alerts").glob("*.rules.yaml"))
TITLES = [(name, panel["title"]) for name, text in dashboards().items() for panel in panels(json.loads(text))]

# What has nothing to show here, and why.
NO_RULES = "no recording rules in this tree"
EMPTY = {("overview.json", "Free space in 24 hours"): "there is no hour of history"} | {
    ("overview.json", title): NO_RULES
    for title in ("Fresh in the last 30 days", "Error budget left", "Fresh backup there")
    if not RULES
}
PERHAPS = {
    ("overview.json", title): "an alert may be pending or firing so early, or not"
    for title in ("Alerts, and what to do", "Alerts firing")
} | {("set.json", "Why the last run failed"): "the failure may lie between two points of the graph"}


def load(name: str) -> Any:
    return json.loads((HERE / name).read_text())


def quick(rules: Path, folder: Path) -> Path:
    """The rules, evaluated every second."""
    made = folder / rules.name
    made.write_text(re.sub(r"interval: \S+", "interval: 1s", rules.read_text()))
    return made


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    """Somebody who looks at two sidecars: one made backups, failed, rehearsed, verified and restored; one did nothing yet."""
    folder = tmp_path_factory.mktemp("live")
    with exact_server() as mongodb:
        seed(mongodb.uri, DB, {"users": PEOPLE, "buses": BUSES})
        rules = [quick(one, folder) for one in RULES]
        (folder / "nas").mkdir()
        configuration = folder / "sidecar.toml"
        configuration.write_text(f'[copies.nas]\nurl = "file://{folder}/nas"\nsets = ["main"]\n')
        with (
            Served(mongodb, folder / "backups", {"SIDECAR_CONFIG": str(configuration)}) as served,
            Served(mongodb, folder / "others") as other,
            Prometheus(folder / "prometheus", {"mongobackup": [served.port, other.port]}, rules) as prometheus,
        ):
            began = time.time()
            live(served, prometheus)
            prometheus.wait_until(lambda: prometheus.query("rate(mongobackup_http_requests_total[4s]) > 0"))
            if RULES:
                prometheus.wait_until(lambda: prometheus.query("mongobackup:error_budget_remaining:ratio_30d"))
            prometheus.wait_until(lambda: prometheus.query("up == 1"), 2)
            after = time.time() + 1  # a second, so that the last point of a graph is not before the last sample
            yield Viewer(prometheus.url, began, after, scrape_seconds=2, choices={"set": "main"})


def live(served: Served, prometheus: Prometheus) -> None:
    """A day in the life of a sidecar, in seconds."""
    success = f'mongobackup_last_run_success{{set="main", instance="127.0.0.1:{served.port}"}}'
    backup_id = served.back_up()["backup_id"]
    assert served.post(f"{BACKUPS}/verify/{backup_id}?deep=true").status == 200
    assert served.post(f"{BACKUPS}/drill?backup_type=main").status == 200
    assert served.post(f"{BACKUPS}/{backup_id}/restore", {"confirm": DB}).status == 200
    served.lab(labFault="find", action="error", times=-1, code=6)
    assert served.post(f"{BACKUPS}/trigger?backup_type=main").status >= 500
    prometheus.wait_until(lambda: prometheus.query(f"{success} == 0"))
    served.lab(labReset=1)
    assert served.get(f"{BACKUPS}/status", token="not-the-token").status == 401
    served.back_up()
    prometheus.wait_until(lambda: prometheus.query(f"{success} == 1"))
    prometheus.wait_until(lambda: prometheus.query('mongobackup_copy_lag_backups{copy="nas"} == 0'))


@pytest.mark.parametrize(("name", "title"), TITLES)
def test_every_query_of_every_panel_is_answered(viewer: Viewer, name: str, title: str) -> None:
    panel = next(one for one in panels(load(name)) if one["title"] == title)
    answers = {target["refId"]: viewer.answer(target) for target in panel["targets"]}
    empty = [ref for ref, series in answers.items() if not series]
    assert (name, title) in PERHAPS or bool(empty) == ((name, title) in EMPTY), answers


def test_the_trend_of_the_free_space_is_one_number(viewer: Viewer) -> None:
    panel = next(one for one in panels(load("overview.json")) if one["title"] == "Free space in 24 hours")
    (target,) = panel["targets"]
    assert "offset 1h" in target["expr"]
    assert len(viewer.instant(target["expr"].replace("offset 1h", "offset 1s"))) == 1


@pytest.mark.parametrize("name", dashboards())
def test_every_variable_offers_something_but_what_prometheus_does_not_know(viewer: Viewer, name: str) -> None:
    offers = {variable["name"]: viewer.choices_of(variable) for variable in variables(load(name))}
    assert len(offers.pop("instance")) == 2
    assert offers == {"job": ["mongobackup"], "cluster": [], "namespace": [], "set": ["attendance", "main"]}


def test_all_jobs_are_those_of_sidecars(viewer: Viewer) -> None:
    assert viewer.put_in('up{job=~"$job"}') == 'up{job=~"(mongobackup)"}'


@pytest.mark.parametrize("name", dashboards())
def test_annotations_mark_backups_failures_and_restores_at_their_times(viewer: Viewer, name: str) -> None:
    closely = replace(viewer, scrape_seconds=1)  # the failure did not last long
    marks = {one["name"]: closely.over_time(one["target"]["expr"]) for one in load(name)["annotations"]["list"]}
    assert set(marks) == {"Backups", "Failures", "Restores"}
    times = {kind: sorted({value / 1000 for one in marks[kind] for _, value in one.points}) for kind in marks}
    (failed,) = (one for one in times["Failures"] if one > viewer.start)
    assert any(viewer.start < one < failed for one in times["Backups"])
    assert any(failed < one <= viewer.end for one in times["Backups"])
    assert marks["Restores"]


@pytest.mark.parametrize("name", dashboards())
def test_the_stand_in_draws_every_panel(viewer: Viewer, name: str) -> None:
    drawn = page(load(name), viewer)
    assert drawn.count("<section") == len(list(panels(load(name))))
    assert "nan" not in drawn
    empty = {title for one, title in EMPTY if one == name}
    assert len(re.findall('class="empty"', drawn)) in range(len(empty), len(empty) + len(PERHAPS) + 1)


def shown(viewer: Viewer, name: str, title: str) -> str | None:
    """The word that a panel of one number with words shows; None: what it says where there is nothing."""
    panel = next(one for one in panels(load(name)) if one["title"] == title)
    words = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    series = viewer.answer(panel["targets"][0])
    return str(words[f"{series[0].last:g}"]["text"]) if series else None


def test_a_restorable_set_is_said_to_be_restorable_and_one_without_backups_is_not(viewer: Viewer) -> None:
    (good,) = viewer.instant('mongobackup_valid{set="main"} == 1')
    here = {"instance": good.labels["instance"]}
    question = ("set.json", "Can it be restored?")
    answers = [shown(replace(viewer, choices={**here, "set": name}), *question) for name in ("main", "attendance")]
    assert answers == ["yes", "no valid backup"]
    everything = replace(viewer, choices={})  # the worst of all
    assert shown(everything, "overview.json", "Can every set be restored?") == "no valid backup"


def test_a_sidecar_that_vanishes_takes_its_success_with_it(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    with (
        Served(exact, tmp_path / "backups") as served,
        Prometheus(tmp_path / "prometheus", {"mongobackup": [served.port]}) as prometheus,
    ):
        served.back_up()
        question = "overview.json", "Can every set be restored?"
        prometheus.wait_until(lambda: prometheus.query('mongobackup_valid{set="main"} == 1'))
        assert shown(Viewer(prometheus.url, 0, time.time(), choices={"set": "main"}), *question) == "yes"
        served.kill()
        prometheus.wait_until(lambda: prometheus.query("up == 0"))
        later = Viewer(prometheus.url, 0, time.time() + 1)
        assert shown(later, *question) is None
        trouble = next(one for one in panels(load("overview.json")) if one["title"] == "What is not as it should be")
        (unseen,) = (one for one in trouble["targets"] if one["legendFormat"] == "sidecars not scraped")
        assert [series.last for series in later.answer(unseen)] == [1]
