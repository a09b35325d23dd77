"""How a value is written and coloured: units, value mappings and thresholds of a panel or a column."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

COLOURS: Final = {
    "green": "#73bf69",
    "orange": "#ff9830",
    "red": "#f2495c",
    "blue": "#5794f2",
    "purple": "#b877d9",
    "yellow": "#fade2a",
    "cyan": "#5ac4d6",
    "text": "#ccccdc",
}
_DAY: Final = 86400
_KIBI: Final = 1024


@dataclass(frozen=True)
class Look:
    """The settings of a field, and the time (unix seconds) that it is looked at."""

    settings: Mapping[str, Any]
    now: float

    def text(self, value: float) -> str:
        word = self._word(value)
        return (
            str(word["text"])
            if word
            else written(value, self.settings["unit"], self.now, self.settings.get("decimals"))
        )

    def colour(self, value: float) -> str:
        word = self._word(value)
        return COLOURS[word["color"] if word else self._step(value)]

    def limits(self) -> list[tuple[float, str]]:
        """The thresholds with a value, to be drawn as lines."""
        return [(step["value"], COLOURS[step["color"]]) for step in self._steps if step["value"] is not None]

    @property
    def _steps(self) -> Sequence[Mapping[str, Any]]:
        return list(self.settings.get("thresholds", {}).get("steps", ()))

    def _step(self, value: float) -> str:
        reached = [step["color"] for step in self._steps if step["value"] is None or value >= step["value"]]
        return str(reached[-1]) if reached else "text"

    def _word(self, value: float) -> Mapping[str, Any] | None:
        for mapping in self.settings.get("mappings", ()):
            options = mapping["options"]
            if mapping["type"] == "value" and f"{value:g}" in options:
                return dict(options[f"{value:g}"])
            if mapping["type"] == "range" and value >= options["from"]:
                return dict(options["result"])
        return None


def look_of(panel: Mapping[str, Any], now: float, *fields: str) -> Look:
    """The look of a panel's values, or of the field that has one of these names."""
    settings = dict(panel["fieldConfig"]["defaults"])
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] in fields:
            settings |= {one["id"]: one["value"] for one in override["properties"]}
    return Look(settings, now)


def written(value: float, unit: str, now: float, decimals: int | None = None) -> str:
    """A value in its unit, about as Grafana writes it."""
    if math.isinf(value) or math.isnan(value):
        return "∞" if value > 0 else "–"
    match unit:
        case "s":
            return duration(value)
        case "bytes":
            return size(value)
        case "percentunit":
            if decimals is not None:
                return f"{value * 100:,.{decimals}f} %"
            return f"{value * 100:,.0f} %" if abs(value) >= 10 else f"{value * 100:.3g} %"
        case "x":
            return f"{value:,.0f} ×" if value >= 100 else f"{value:.3g} ×"
        case "reqps":
            return f"{value:.3g} req/s"
        case "dateTimeFromNow":
            return since(now - value / 1000)
        case _:
            return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"


def duration(seconds: float) -> str:
    for length, name in ((_DAY, "days"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.3g} {name}"
    return f"{seconds:.3g} s" if seconds >= 1 or seconds == 0 else f"{seconds * 1000:.3g} ms"


def size(number: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < _KIBI:
            return f"{number:.3g} {unit}"
        number /= _KIBI
    return f"{number:.3g} TiB"


def since(seconds: float) -> str:
    length = duration(round(abs(seconds)))
    return f"{length} ago" if seconds >= 0 else f"in {length}"
