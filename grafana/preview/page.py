"""A dashboard as one HTML page: its panels in their places, with what Prometheus answered to their queries."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

from grafana.preview.asking import Dashboard, Panel, Series, Viewer
from grafana.preview.drawing import Canvas, Mark, Style, graph, legend, timeline
from grafana.preview.values import COLOURS, look_of

WIDTH: Final = 1440
UNIT: Final = 30  # pixels of a row of the grid, as in Grafana
GAP: Final = 8
STYLE: Final = Path(__file__).with_name("page.css").read_text(encoding="utf-8")


def page(dashboard: Dashboard, viewer: Viewer) -> str:
    """The whole page. Raises Refused where Prometheus refuses a query."""
    marks = _annotations(dashboard, viewer)
    inside = "".join(_placed(panel, viewer, marks) for panel in dashboard["panels"])
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


def _placed(panel: Panel, viewer: Viewer, marks: Sequence[Mark]) -> str:
    place = {"x": 0, **panel["gridPos"]}
    where = f"grid-column:{place['x'] + 1}/span {place['w']};grid-row:{place['y'] + 1}/span {place['h']}"
    if panel["type"] == "row":
        return f'<h2 style="{where}">{escape(panel["title"])}</h2>'
    asked = [(target, viewer.answer(target)) for target in panel["targets"]]
    empty = escape(panel["fieldConfig"]["defaults"]["noValue"])
    shown = f'<div class="empty">{empty}</div>'
    if any(series for _, series in asked):
        shown = _DRAWN[panel["type"]](panel, asked, viewer, marks)
    return f'<section style="{where}"><h3>{escape(panel["title"])}</h3>{shown}</section>'


Asked = Sequence[tuple[Mapping[str, Any], list[Series]]]


def _number(panel: Panel, asked: Asked, viewer: Viewer, _unused: Sequence[Mark]) -> str:
    look = look_of(panel, viewer.end)
    values = _named(asked)
    where = "background" if panel["options"]["colorMode"] == "background" else "color"
    boxes = [
        f'<div class="value {where}" style="{where}:{look.colour(series.last)}">'
        f"<b>{escape(look.text(series.last))}</b>{f'<small>{escape(name)}</small>' if len(values) > 1 else ''}</div>"
        for name, series in values.items()
    ]
    return f'<div class="values">{"".join(boxes)}</div>'


def _graph(panel: Panel, asked: Asked, viewer: Viewer, marks: Sequence[Mark]) -> str:
    lines = _named(asked)
    custom = panel["fieldConfig"]["defaults"]["custom"]
    fixed = {name: look_of(panel, viewer.end, name).settings.get("color", {}) for name in lines}
    style = Style(
        bars=custom.get("drawStyle") == "bars",
        limits=custom["thresholdsStyle"]["mode"] != "off",
        fixed={name: COLOURS[colour["fixedColor"]] for name, colour in fixed.items() if "fixedColor" in colour},
    )
    canvas = _canvas(panel, viewer, less=24)
    return graph(canvas, lines, look_of(panel, viewer.end), style, marks) + legend(lines, style)


def _timeline(panel: Panel, asked: Asked, viewer: Viewer, _unused: Sequence[Mark]) -> str:
    lines = _named(asked)
    left = 16 + max(len(name) for name in lines) * 7
    return timeline(_canvas(panel, viewer, left=left), lines, look_of(panel, viewer.end))


def _table(panel: Panel, asked: Asked, viewer: Viewer, _unused: Sequence[Mark]) -> str:
    places: Mapping[str, int] = panel["transformations"][-1]["options"]["indexByName"]
    names = [f"Value #{target['refId']}" for target, _ in asked] if len(asked) > 1 else ["Value"]
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    labels = [name for name in sorted(places, key=lambda name: places[name]) if name not in names]
    for name, (_, answer) in zip(names, asked, strict=True):
        look = look_of(panel, viewer.end, name)
        for series in answer:
            key = tuple(series.labels.get(label, "") for label in labels)
            colour = look.colour(series.last) if "custom.cellOptions" in look.settings else COLOURS["text"]
            cell = f'<td style="color:{colour}">{escape(look.text(series.last))}</td>'
            lines.setdefault(key, {})[name] = cell
    used = [at for at, _ in enumerate(labels) if any(key[at] for key in lines)]
    heads = [look_of(panel, viewer.end, labels[at]) for at in used] + [look_of(panel, viewer.end, one) for one in names]
    head = "".join(f"<th>{escape(str(look.settings['displayName']))}</th>" for look in heads)
    body = [
        "".join(f"<td{_link(panel, labels[at])}>{escape(key[at])}</td>" for at in used)
        + "".join(cells.get(name, "<td></td>") for name in names)
        for key, cells in sorted(lines.items())
    ]
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in body)}</table>"


def _link(panel: Panel, label: str) -> str:
    return " class=link" if "links" in look_of(panel, 0, label).settings else ""


def _named(asked: Asked) -> dict[str, Series]:
    return {series.named(target.get("legendFormat", "")): series for target, answer in asked for series in answer}


def _canvas(panel: Panel, viewer: Viewer, less: int = 0, left: int = 62) -> Canvas:
    place = panel["gridPos"]
    column = (WIDTH - 2 * 16 + GAP) / 24
    height = place["h"] * (UNIT + GAP) - GAP - 30 - less
    return Canvas(int(place["w"] * column - GAP - 4), height, viewer.start, viewer.end, left)


_DRAWN: Final = {"stat": _number, "timeseries": _graph, "state-timeline": _timeline, "table": _table}
