"""A table panel: a line per combination of labels, a column per query."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from grafana.preview.asking import Asked, Panel
from grafana.preview.values import COLOURS, Look, look_of

Key = tuple[str, ...]  # values of the labels
Cells = Mapping[str, str]  # by the name of their column


def table(panel: Panel, asked: Asked, now: float) -> str:
    """HTML; columns of labels that no series has are left out."""
    values = [f"Value #{target['refId']}" for target, _ in asked] if len(asked) > 1 else ["Value"]
    labels = _labels(panel, values)
    lines = _lines(asked, labels, {value: look_of(panel, now, value) for value in values})
    used = [at for at, _ in enumerate(labels) if any(key[at] for key in lines)]
    columns = [
        *(look_of(panel, now, labels[at]).settings for at in used),
        *(look_of(panel, now, v).settings for v in values),
    ]
    head = "".join(f"<th>{escape(column['displayName'])}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(_label(key[at], column) for at, column in zip(used, columns, strict=False))}"
        f"{''.join(cells.get(value, '<td></td>') for value in values)}</tr>"
        for key, cells in sorted(lines.items())
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _labels(panel: Panel, values: Sequence[str]) -> list[str]:
    places: Mapping[str, int] = panel["transformations"][-1]["options"]["indexByName"]
    return [name for name in sorted(places, key=lambda name: places[name]) if name not in values]


def _lines(asked: Asked, labels: Sequence[str], looks: Mapping[str, Look]) -> dict[Key, Cells]:
    lines: dict[Key, dict[str, str]] = {}
    for (_, answer), (value, look) in zip(asked, looks.items(), strict=True):
        for series in answer:
            key = tuple(series.labels.get(label, "") for label in labels)
            lines.setdefault(key, {})[value] = _value(series.last, look)
    return dict(lines)


def _value(value: float, look: Look) -> str:
    colour = look.colour(value) if "custom.cellOptions" in look.settings else COLOURS["text"]
    return f'<td style="color:{colour}">{escape(look.text(value))}</td>'


def _label(text: str, column: Mapping[str, Any]) -> str:
    return f"<td{' class=link' if 'links' in column else ''}>{escape(text)}</td>"
