"""Panels as this project wants them: title, description, unit, an empty state, and the datasource of the dashboard."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import count
from typing import Any, Final, TypeVar

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common as look
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.queries import FAILED, FRESH, GOOD, INSTANCE, NEVER, NONE, OLD

DATASOURCE: Final = look.DataSourceRef(type_val="prometheus", uid="${datasource}")
NO_DATA: Final = "no data: is the sidecar scraped?"
NO_FAILURE: Final = "no failed run, if the sidecar is scraped"
RUNBOOKS: Final = "${runbooks}"

Builder = TypeVar("Builder", stat.Panel, timeseries.Panel, statetimeline.Panel, table.Panel)
Panels = Iterable[stat.Panel | timeseries.Panel | statetimeline.Panel | table.Panel]
Steps = Sequence[tuple[float | None, str]]
Words = Mapping[float, tuple[str, str]]  # value: text and colour

NEUTRAL: Final[Steps] = ((None, "text"),)
ANY_IS_BAD: Final[Steps] = ((None, "green"), (1, "red"))
SHARE_OF_LIMIT: Final[Steps] = ((None, "green"), (0.8, "orange"), (1, "red"))
HEADROOM: Final[Steps] = ((None, "red"), (1, "orange"), (2, "green"))
GONE_IS_BAD: Final[Steps] = ((None, "red"), (0, "orange"), (0.25, "green"))

OUTCOME: Final[Words] = {NEVER: ("never", "orange"), FAILED: ("failed", "red"), GOOD: ("good", "green")}
RESTORABLE: Final[Words] = {
    NONE: ("no valid backup", "red"),
    OLD: ("yes, but too old", "orange"),
    FRESH: ("yes", "green"),
}
YES_OR_NO: Final[Words] = {0: ("no", "red"), 1: ("yes", "green")}
LAST_FAILURE: Final[Words] = {1: ("the last run failed so", "red")}
CONSISTENCY: Final[Words] = {0: ("collection by collection", "orange"), 1: ("of one moment", "green")}
LEADS: Final[Words] = {0: ("follows", "blue"), 1: ("leads", "green")}
ENABLED: Final[Words] = {0: ("paused", "orange"), 1: ("on", "green")}
PAUSED: Final[Words] = {0: ("paused", "orange")}
NEVER_YET: Final[Words] = {0: ("never", "orange")}
EVERYTHING_IS_LOST: Final[Words] = {0: ("everything", "red")}
AGE: Final[Words] = {math.inf: ("no backup", "red")}
NOT_MEASURED: Final[Words] = {0: ("not measured", "orange")}


@dataclass(frozen=True)
class Ask:
    """One query of a panel. The legend is a text with `{{label}}`; it is not shown where there is one value only."""

    expr: str
    legend: str = INSTANCE


@dataclass(frozen=True)
class Frame:
    """What every panel has.

    `alerts` are those whose runbooks it links to, `colours` those of lines by their legend; sizes are in units of the grid.
    """

    title: str
    says: str
    unit: str
    _: KW_ONLY
    width: int
    height: int = 8
    empty: str = NO_DATA
    steps: Steps = NEUTRAL
    words: Words | None = None
    colours: Mapping[str, str] = field(default_factory=dict)
    alerts: tuple[str, ...] = ()


def add_rows(to: dashboard.Dashboard, rows_by_title: Mapping[str, Panels]) -> None:
    """Panels under their headings, laid out from left to right and from top to bottom."""
    ids = count(1)
    for title, panels in rows_by_title.items():
        to.with_row(dashboard.Row(title).id(next(ids)))
        for panel in panels:
            to.with_panel(panel.id(next(ids)))


def number(frame: Frame, *asks: Ask) -> stat.Panel:
    """The value of now, in colour; with several queries, or series, side by side."""
    panel = _framed(stat.Panel(), frame)
    for ref, ask in zip(_REFS, asks, strict=False):
        panel.with_target(_query(ask, ref).instant())
    name = look.BigValueTextMode.VALUE_AND_NAME if len(asks) > 1 else look.BigValueTextMode.AUTO
    return (
        panel.graph_mode(look.BigValueGraphMode.NONE)
        .text_mode(name)
        .color_mode(look.BigValueColorMode.BACKGROUND if _is_verdict(frame) else look.BigValueColorMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def lines(frame: Frame, *asks: Ask) -> timeseries.Panel:
    """Values over time. Thresholds other than the neutral one are drawn as lines."""
    style = look.GraphThresholdsStyleMode.OFF if frame.steps is NEUTRAL else look.GraphThresholdsStyleMode.DASHED
    panel = _over_time(timeseries.Panel(), frame, asks)
    return (
        panel.min(0)
        .line_width(2)
        .fill_opacity(8)
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC))
        .thresholds_style(common.GraphThresholdsStyleConfig().mode(style))
        .legend(_LEGEND)
        .tooltip(common.VizTooltipOptions().mode(look.TooltipDisplayMode.MULTI).sort(look.SortOrder.DESCENDING))
    )


def bars(frame: Frame, *asks: Ask) -> timeseries.Panel:
    """How often something happened in each step of the graph, stacked."""
    return (
        lines(frame, *asks)
        .draw_style(look.GraphDrawStyle.BARS)
        .fill_opacity(80)
        .decimals(0)
        .stacking(common.StackingConfig().mode(look.StackingMode.NORMAL))
    )


def states(frame: Frame, *asks: Ask) -> statetimeline.Panel:
    """A band per series in the colour and with the word of its state."""
    return (
        _over_time(statetimeline.Panel(), frame, asks)
        .merge_values(True)
        .show_value(look.VisibilityMode.AUTO)
        .row_height(0.8)
        .legend(common.VizLegendOptions().show_legend(False).placement(look.LegendPlacement.BOTTOM))
    )


@dataclass(frozen=True)
class Column:
    """One column of a table: its query, and how its values are shown."""

    name: str
    expr: str
    unit: str
    steps: Steps | None = None
    words: Words | None = None


def rows(frame: Frame, labels: Mapping[str, str], *columns: Column) -> table.Panel:
    """A line per combination of `labels` (name: heading), with a column per query."""
    panel = _framed(table.Panel(), frame).cell_height(look.TableCellHeight.SM).show_header(True)
    values = [f"Value #{ref}" for ref in _REFS[: len(columns)]] if len(columns) > 1 else ["Value"]  # Grafana's names
    for label, heading in labels.items():
        panel.override_by_name(label, [model.DynamicConfigValue(id_val="displayName", value=heading)])
    for ref, value, column in zip(_REFS, values, columns, strict=False):
        panel.with_target(_query(Ask(column.expr), ref).instant().format(PromQueryFormat.TABLE))
        panel.override_by_name(value, _column(column))
    order = {name: place for place, name in enumerate([*labels, *values])}
    shown = {
        "excludeByName": {"Time": True},
        "includeByName": dict.fromkeys(order, True),
        "indexByName": order,
        "renameByName": {},
    }
    panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    return panel.with_transformation(model.DataTransformerConfig(id_val="organize", options=shown))


def linked(panel: table.Panel, column: str, title: str, url: str) -> table.Panel:
    """Make the cells of a column lead somewhere."""
    link = {"title": title, "url": url}
    return panel.override_by_name(column, [model.DynamicConfigValue(id_val="links", value=[link])])


_ENDLESS: Final = 1e9  # from here on a mapping takes a value for +Inf, which it cannot name
_REFS: Final = "ABCDEFGHIJKLMNOP"
_LEGEND: Final = (
    common.VizLegendOptions()
    .display_mode(look.LegendDisplayMode.LIST)
    .placement(look.LegendPlacement.BOTTOM)
    .show_legend(True)
)


def _is_verdict(frame: Frame) -> bool:
    """Whether the panel says good or bad; else it only says how much or when."""
    return frame.steps is not NEUTRAL or any(colour == "green" for _, colour in (frame.words or {}).values())


def _framed(panel: Builder, frame: Frame) -> Builder:
    panel.title(frame.title).description(frame.says).datasource(DATASOURCE)
    panel.span(frame.width).height(frame.height).unit(frame.unit).no_value(frame.empty)
    panel.thresholds(_thresholds(frame.steps)).mappings(_mappings(frame.words))
    return panel.links([_runbook(alert) for alert in frame.alerts]) if frame.alerts else panel


def _over_time(panel: Builder, frame: Frame, asks: Sequence[Ask]) -> Builder:
    _framed(panel, frame)
    for ref, ask in zip(_REFS, asks, strict=False):
        panel.with_target(_query(ask, ref).range())
    for legend, colour in frame.colours.items():
        fixed = {"mode": model.FieldColorModeId.FIXED, "fixedColor": colour}
        panel.override_by_name(legend, [model.DynamicConfigValue(id_val="color", value=fixed)])
    return panel


def _query(ask: Ask, ref: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().datasource(DATASOURCE).expr(ask.expr).legend_format(ask.legend).ref_id(ref)


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    made = [model.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def _mappings(words: Words | None) -> list[model.ValueMapping]:
    if words is None:
        return []
    exact = {
        f"{value:g}": model.ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, (text, colour)) in enumerate(words.items())
        if math.isfinite(value)
    }
    endless = [
        model.RangeMap(
            options=model.DashboardRangeMapOptions(
                from_val=_ENDLESS, result=model.ValueMappingResult(text=text, color=colour, index=len(exact))
            )
        )
        for value, (text, colour) in words.items()
        if math.isinf(value)
    ]
    return [*([model.ValueMap(options=exact)] if exact else []), *endless]


def _column(column: Column) -> list[model.DynamicConfigValue]:
    properties: dict[str, Any] = {"displayName": column.name, "unit": column.unit}
    if column.words is not None:
        properties["mappings"] = _mappings(column.words)
    if column.steps is not None:
        properties["thresholds"] = _thresholds(column.steps).build()
    if column.words is not None or column.steps is not None:
        properties["custom.cellOptions"] = {"type": "color-text"}
    return [model.DynamicConfigValue(id_val=name, value=value) for name, value in properties.items()]


def _runbook(alert: str) -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink(f"Runbook: {alert}")
        .type(model.DashboardLinkType.LINK)
        .url(f"{RUNBOOKS}/{alert}")
        .target_blank(True)
    )
