"""What both dashboards have around their panels: variables, annotations, links."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.models import dashboard as model

from grafana.panels import DATASOURCE, RUNBOOKS
from grafana.queries import SIDECAR, milliseconds, of_set

OVERVIEW_UID: Final = "mongobackup-overview"
SET_UID: Final = "mongobackup-set"
TAG: Final = "mongobackup"
RUNBOOKS_URL: Final = (
    "http://localhost:8001/runbooks"  # after a port-forward, as the admin page; see docs/dashboards.md
)
ADMIN: Final = "http://localhost:8001"

_EVERYTHING: Final = (
    ".*"  # also where there is no such label; of jobs "All" is those that report sidecars, and no other target
)


def empty_dashboard(title: str, uid: str, says: str, *, one_set: bool) -> dashboard.Dashboard:
    """A dashboard without panels. `one_set`: it shows one set, which has to be chosen; else all of them are chosen."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(f"{says} Made by grafana/build.py: change it there.")
        .tags([TAG, "backup"])
        .readonly()
        .timezone("browser")
        .time("now-24h", "now")
        .refresh("1m")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
    )
    for variable in _variables(one_set=one_set):
        made.with_variable(variable)
    for annotation in _annotations():
        made.annotation(annotation)
    for link in _links(one_set=one_set):
        made.link(link)
    return made


def _variables(
    *, one_set: bool
) -> list[dashboard.DatasourceVariable | dashboard.QueryVariable | dashboard.ConstantVariable]:
    there = 'mongobackup_build_info{job=~"$job"}'
    here = 'mongobackup_build_info{job=~"$job", cluster=~"$cluster"}'
    sidecars = 'mongobackup_build_info{job=~"$job", cluster=~"$cluster", namespace=~"$namespace"}'
    sets = f"mongobackup_age_seconds{{{SIDECAR}}}"
    return [
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _labels_of("job", "Job", "mongobackup_build_info", everything=None),
        _labels_of("cluster", "Cluster", there),
        _labels_of("namespace", "Namespace", here),
        _labels_of("instance", "Instance", sidecars),
        _labels_of("set", "Set", sets, several=not one_set),
        dashboard.ConstantVariable("runbooks").label("Runbooks").value(RUNBOOKS_URL),
        dashboard.ConstantVariable("admin").label("Admin page").value(ADMIN),
    ]


def _labels_of(
    name: str, label: str, metric: str, *, several: bool = True, everything: str | None = _EVERYTHING
) -> dashboard.QueryVariable:
    variable = (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(f"label_values({metric}, {name})")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )
    if not several:
        return variable
    chosen = model.VariableOption(selected=True, text=["All"], value=["$__all"])
    variable.multi(True).include_all(True).current(chosen)
    return variable if everything is None else variable.all_value(everything)


def _annotations() -> list[dashboard.AnnotationQuery]:
    ended = of_set("last_run_timestamp_seconds")
    good, bad = f"{of_set('last_run_success')} == 1", f"{of_set('last_run_success')} == 0"
    return [
        _at_its_time("Backups", "green", f"{milliseconds(ended)} and {good}", "{{set}}: backup made", shown=False),
        _at_its_time("Failures", "red", f"{milliseconds(f'({ended} > 0)')} and {bad}", "{{set}}: run failed"),
        # Nothing says when a restore ended: it shows as the five minutes after it.
        _annotation("Restores", "purple", f"changes({of_set('restores_total')}[5m]) > 0", "{{set}}: restored"),
    ]


def _at_its_time(name: str, colour: str, expr: str, title: str, *, shown: bool = True) -> dashboard.AnnotationQuery:
    """Its query gives the time (ms) it happened at."""
    return _annotation(name, colour, expr, title).use_value_for_time(True).enable(shown)


def _annotation(name: str, colour: str, expr: str, title: str) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .icon_color(colour)
        .enable(True)
        .expr(expr)
        .step("60s")
        .title_format(title)
        .tag_keys("set,job,cluster,namespace")
        .target(prometheus.Dataquery().datasource(DATASOURCE).expr(expr).ref_id("Anno").interval("60s"))
    )


def _links(*, one_set: bool) -> list[dashboard.DashboardLink]:
    # The set is left out: one cannot show all of them, the other should.
    kept = "&".join(f"${{{name}:queryparam}}" for name in ("datasource", "job", "cluster", "namespace", "instance"))
    title, uid = ("Overview", OVERVIEW_UID) if one_set else ("One set", SET_UID)
    other = _to(title, f"/d/{uid}?{kept}").icon("dashboard").target_blank(False).keep_time(True)
    return [other, _to("Admin page", "${admin}/"), _to("Runbooks", RUNBOOKS)]


def _to(title: str, url: str) -> dashboard.DashboardLink:
    link = dashboard.DashboardLink(title).type(model.DashboardLinkType.LINK).url(url)
    return link.icon("external link").target_blank(True)
