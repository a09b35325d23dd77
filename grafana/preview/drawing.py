"""Graphs and timelines as SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from typing import Final

from grafana.preview.asking import Series
from grafana.preview.values import COLOURS, Look

PALETTE: Final = [COLOURS[name] for name in ("green", "yellow", "blue", "orange", "red", "purple", "cyan")]
GRID: Final = "#2c3037"
FAINT: Final = "#8e8e9c"
LEFT: Final = 62  # of the axis
BOTTOM: Final = 20
TIMES: Final = 5
VALUES: Final = 4

Lines = Mapping[str, Series]


@dataclass(frozen=True)
class Canvas:
    """Where things are drawn: pixels, and the time from left to right in unix seconds."""

    width: int
    height: int
    start: float
    end: float
    left: int = LEFT

    def x(self, moment: float) -> float:
        return self.left + (moment - self.start) / (self.end - self.start) * (self.width - self.left - 6)

    @property
    def floor(self) -> int:
        return self.height - BOTTOM

    def y(self, value: float, top: float) -> float:
        return self.floor - value / top * (self.floor - 8)

    def svg(self, parts: Sequence[str]) -> str:
        inside = "".join(parts)
        return f'<svg width="{self.width}" height="{self.height}" font-size="11" fill="{FAINT}">{inside}</svg>'


@dataclass(frozen=True)
class Mark:
    """An annotation."""

    moment: float
    colour: str


@dataclass(frozen=True)
class Style:
    """Stacked bars instead of lines; thresholds drawn as lines."""

    bars: bool
    limits: bool
    fixed: Mapping[str, str]  # colours of lines by their legend


def graph(canvas: Canvas, lines: Lines, look: Look, style: Style, marks: Sequence[Mark]) -> str:
    """Lines, or stacked bars, over axes that begin at 0."""
    drawn = look.limits() if style.limits else []
    top = _round_up(max([_highest(lines, stacked=style.bars), *(value for value, _ in drawn), 1e-9]))
    parts = _axes(canvas, look, top)
    parts += [_mark(canvas, mark) for mark in marks if canvas.start <= mark.moment <= canvas.end]
    parts += [_level(canvas, value, top, colour) for value, colour in drawn]
    below: dict[float, float] = {}
    for colour, series in zip(colours(lines, style), lines.values(), strict=True):
        parts.append(_bars(canvas, series, top, colour, below) if style.bars else _line(canvas, series, top, colour))
    return canvas.svg(parts)


def timeline(canvas: Canvas, lines: Lines, look: Look) -> str:
    """A band per series, coloured by state."""
    band = (canvas.floor - 4) / len(lines)
    parts = _times(canvas)
    for row, (name, series) in enumerate(lines.items()):
        top = 4 + row * band
        parts.append(_text(canvas.left - 8, top + band / 2 + 4, name, "end"))
        parts += _states(canvas, series, look, top + band * 0.1, band * 0.8)
    return canvas.svg(parts)


def legend(lines: Lines, style: Style) -> str:
    entries = [
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
        for name, colour in zip(lines, colours(lines, style), strict=True)
    ]
    return f'<div class="legend">{"".join(entries)}</div>'


def colours(lines: Lines, style: Style) -> list[str]:
    """The colour of each line: its own, or the next of the palette."""
    return [style.fixed.get(name, PALETTE[index % len(PALETTE)]) for index, name in enumerate(lines)]


def _highest(lines: Lines, *, stacked: bool) -> float:
    at: dict[float, float] = {}
    for series in lines.values():
        for moment, value in series.points:
            if math.isfinite(value):
                at[moment] = at.get(moment, 0) + value if stacked else max(at.get(moment, 0), value)
    return max(at.values(), default=0)


def _round_up(value: float) -> float:
    unit: float = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if step * unit >= value * 0.999999)


def _axes(canvas: Canvas, look: Look, top: float) -> list[str]:
    whole = top < VALUES and look.settings.get("decimals") == 0
    levels = range(int(top) + 1) if whole else [top * step / VALUES for step in range(VALUES + 1)]
    parts = _times(canvas)
    for value in levels:
        height = canvas.y(value, top)
        parts.append(f'<path d="M{canvas.left} {height:.1f}H{canvas.width - 6}" stroke="{GRID}"/>')
        parts.append(_text(canvas.left - 6, height + 4, look.text(value) if value else "0", "end"))
    return parts


def _times(canvas: Canvas) -> list[str]:
    parts = []
    for step in range(TIMES):
        moment = canvas.start + (canvas.end - canvas.start) * (step + 0.5) / TIMES
        word = datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S")
        parts.append(f'<path d="M{canvas.x(moment):.1f} 4V{canvas.floor}" stroke="{GRID}"/>')
        parts.append(_text(canvas.x(moment), canvas.height - 5, word, "middle"))
    return parts


def _text(x: float, y: float, words: str, anchor: str, colour: str = FAINT) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _mark(canvas: Canvas, mark: Mark) -> str:
    x = canvas.x(mark.moment)
    dash = 'stroke-dasharray="4 3"'
    foot = f"M{x - 4:.1f} {canvas.floor + 6}h8l-4 -6z"
    return f'<path d="M{x:.1f} 4V{canvas.floor}" stroke="{mark.colour}" {dash}/><path d="{foot}" fill="{mark.colour}"/>'


def _level(canvas: Canvas, value: float, top: float, colour: str) -> str:
    height = canvas.y(value, top)
    return f'<path d="M{canvas.left} {height:.1f}H{canvas.width - 6}" stroke="{colour}" stroke-dasharray="7 5"/>'


def _line(canvas: Canvas, series: Series, top: float, colour: str) -> str:
    known = [(canvas.x(moment), canvas.y(value, top)) for moment, value in series.points if math.isfinite(value)]
    if not known:
        return ""
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in known)
    area = f"{line}V{canvas.floor}H{known[0][0]:.1f}z"
    return f'<path d="{area}" fill="{colour}" opacity=".08"/><path d="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _bars(canvas: Canvas, series: Series, top: float, colour: str, below: dict[float, float]) -> str:
    parts = []
    for moment, value in series.points:
        if value > 0:
            base = below.get(moment, 0.0)
            below[moment] = base + value
            high, low = canvas.y(base + value, top), canvas.y(base, top)
            parts.append(f"M{canvas.x(moment) - 2:.1f} {high:.1f}h4V{low:.1f}h-4z")
    return f'<path d="{"".join(parts)}" fill="{colour}" opacity=".85"/>'


def _states(canvas: Canvas, series: Series, look: Look, top: float, height: float) -> list[str]:
    parts = []
    for value, points in groupby(series.points, key=lambda point: point[1]):
        times = [moment for moment, _ in points]
        begin = canvas.x(times[0])
        step = (canvas.end - canvas.start) / 300
        wide = max(canvas.x(min(times[-1] + step, canvas.end)) - begin, 2)
        shape = f'x="{begin:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{height:.1f}"'
        parts.append(f'<rect {shape} fill="{look.colour(value)}" opacity=".8"/>')
        word = look.text(value)
        if wide > 8 * len(word):
            parts.append(_text(begin + 6, top + height / 2 + 4, word, "start", "#111217"))
    return parts
