"""A dashboard as one HTML page: its panels in their places, with what Prometheus answered to their queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Final

from grafana.preview.asking import Asked, Dashboard, Panel, Series, Viewer
from grafana.preview.drawing import Canvas, Mark, Style, graph, legend, timeline
from grafana.preview.table import table
from grafana.preview.values import COLOURS, look_of

WIDTH: Final = 1440
UNIT: Final = 30  # pixels of a row of the grid, as in Grafana
GAP: Final = 8
STYLE: Final = Path(__file__).with_name("page.css").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Scene:
    """Who looks, and what the annotations mark."""

    viewer: Viewer
    marks: Sequence[Mark]


def page(dashboard: Dashboard, viewer: Viewer) -> str:
    """The whole page. Raises Refused where Prometheus refuses a query."""
    scene = Scene(viewer, _annotations(dashboard, viewer))
    inside = "".join(_placed(panel, scene) for panel in dashboard["panels"])
    head = _head(dashboard, viewer)
    return f"<!doctype html><meta charset=utf-8><title>{head}</title><style>{STYLE}</style>{head}<main>{inside}</main>"


def _head(dashboard: Dashboard, viewer: Viewer) -> str:
    window = " – ".join(
        datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S") for moment in (viewer.start, viewer.end)
    )
    chosen = " · ".join(f"{name}: {viewer.choices.get(name, 'All')}" for name in ("job", "instance", "set"))
    note = "drawn by the stand-in of grafana/preview, not by Grafana"
    return f"<header><b>{escape(dashboard['title'])}</b><span>{escape(chosen)} · {window} UTC</span><em>{note}</em></header>"


def _annotations(dashboard: Dashboard, viewer: Viewer) -> list[Mark]:
    marks: list[Mark] = []
    for annotation in dashboard["annotations"]["list"]:
        if not annotation["enable"]:
            continue
        colour = COLOURS[annotation["iconColor"]]
        exact = annotation.get("useValueForTime")
        for found in viewer.over_time(annotation["target"]["expr"]):
            times = {value / 1000 for _, value in found.points} if exact else {found.points[0][0]}
            marks += [Mark(moment, colour) for moment in times]
    return marks


def _placed(panel: Panel, scene: Scene) -> str:
    place = {"x": 0, **panel["gridPos"]}
    where = f"grid-column:{place['x'] + 1}/span {place['w']};grid-row:{place['y'] + 1}/span {place['h']}"
    if panel["type"] == "row":
        return f'<h2 style="{where}">{escape(panel["title"])}</h2>'
    asked = [(target, scene.viewer.answer(target)) for target in panel["targets"]]
    empty = escape(panel["fieldConfig"]["defaults"]["noValue"])
    shown = f'<div class="empty">{empty}</div>'
    if any(series for _, series in asked):
        shown = _DRAWN[panel["type"]](panel, asked, scene)
    return f'<section style="{where}"><h3>{escape(panel["title"])}</h3>{shown}</section>'


def _number(panel: Panel, asked: Asked, scene: Scene) -> str:
    look = look_of(panel, scene.viewer.end)
    values = _named(asked)
    where = "background" if panel["options"]["colorMode"] == "background" else "color"
    boxes = [
        f'<div class="value {where}" style="{where}:{look.colour(series.last)}">'
        f"<b>{escape(look.text(series.last))}</b>{f'<small>{escape(name)}</small>' if len(values) > 1 else ''}</div>"
        for name, series in values.items()
    ]
    return f'<div class="values">{"".join(boxes)}</div>'


def _graph(panel: Panel, asked: Asked, scene: Scene) -> str:
    lines = _named(asked)
    custom = panel["fieldConfig"]["defaults"]["custom"]
    fixed = {name: look_of(panel, scene.viewer.end, name).settings.get("color", {}) for name in lines}
    style = Style(
        bars=custom.get("drawStyle") == "bars",
        limits=custom["thresholdsStyle"]["mode"] != "off",
        fixed={name: COLOURS[colour["fixedColor"]] for name, colour in fixed.items() if "fixedColor" in colour},
    )
    canvas = _canvas(panel, scene.viewer, less=24)
    return graph(canvas, lines, look_of(panel, scene.viewer.end), style, scene.marks) + legend(lines, style)


def _timeline(panel: Panel, asked: Asked, scene: Scene) -> str:
    lines = _named(asked)
    left = 16 + max(len(name) for name in lines) * 7
    return timeline(_canvas(panel, scene.viewer, left=left), lines, look_of(panel, scene.viewer.end))


def _table(panel: Panel, asked: Asked, scene: Scene) -> str:
    return table(panel, asked, scene.viewer.end)


def _named(asked: Asked) -> dict[str, Series]:
    return {series.named(target.get("legendFormat", "")): series for target, answer in asked for series in answer}


def _canvas(panel: Panel, viewer: Viewer, less: int = 0, left: int = 62) -> Canvas:
    place = panel["gridPos"]
    column = (WIDTH - 2 * 16 + GAP) / 24
    height = place["h"] * (UNIT + GAP) - GAP - 30 - less
    return Canvas(int(place["w"] * column - GAP - 4), height, viewer.start, viewer.end, left)


_DRAWN: Final = {"stat": _number, "timeseries": _graph, "state-timeline": _timeline, "table": _table}
