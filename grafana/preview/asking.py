"""The queries of a dashboard, with its variables put in as Grafana does, and the Prometheus that answers them."""

import json
import math
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Panel = Mapping[str, Any]
Dashboard = Mapping[str, Any]

EVERYTHING: Final = ".*"
_LABEL_VALUES: Final = re.compile(r"label_values\((?P<metric>.*), (?P<label>\w+)\)")
_ANSWER_SECONDS: Final = 30


class Refused(Exception):
    """Prometheus could not answer; the text is its own."""


@dataclass(frozen=True)
class Series:
    """Labels, and points of (unix time, value)."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def last(self) -> float:
        return self.points[-1][1]

    def named(self, legend: str) -> str:
        """The legend with the labels put in; a label that is not there leaves nothing."""
        text = re.sub(r"\{\{(\w+)\}\}", lambda found: self.labels.get(found[1], ""), legend)
        return " ".join(text.split())


Asked = Sequence[tuple[Mapping[str, Any], list[Series]]]  # a panel's queries with their answers


@dataclass(frozen=True)
class Viewer:
    """Somebody who looks at a dashboard: at which Prometheus, at which time, with which choices.

    `choices` holds the value of each variable where not everything is chosen; times are unix seconds.
    """

    prometheus: str
    start: float
    end: float
    scrape_seconds: int = 1
    points: int = 300  # of a graph, at most
    choices: Mapping[str, str] = field(default_factory=dict)

    @property
    def step(self) -> int:
        return max(math.ceil((self.end - self.start) / self.points), self.scrape_seconds)

    def put_in(self, expr: str) -> str:
        """Replace `$variables`."""
        values = {
            "__rate_interval": f"{max(self.step + self.scrape_seconds, 4 * self.scrape_seconds)}s",
            "__interval": f"{self.step}s",
            "__range": f"{math.ceil(self.end - self.start)}s",
            **dict.fromkeys(("cluster", "namespace", "instance", "set"), EVERYTHING),
            "job": self._every_job(),
            **self.choices,
        }
        return re.sub(r"\$(\w+)", lambda found: values[found[1]], expr)

    def _every_job(self) -> str:
        """What "All" stands for: the jobs of sidecars."""
        window = {"match[]": "mongobackup_build_info", "start": self.start, "end": self.end}
        return f"({'|'.join(self._ask('label/job/values', **window))})"

    def instant(self, expr: str) -> list[Series]:
        found = self._ask("query", query=self.put_in(expr), time=self.end)
        return [Series(one["metric"], (_point(one["value"]),)) for one in found]

    def over_time(self, expr: str) -> list[Series]:
        found = self._ask("query_range", query=self.put_in(expr), start=self.start, end=self.end, step=self.step)
        return [Series(one["metric"], tuple(_point(point) for point in one["values"])) for one in found]

    def answer(self, target: Mapping[str, Any]) -> list[Series]:
        """A query of a panel, at an instant or over time as it says itself."""
        return self.instant(target["expr"]) if target.get("instant") else self.over_time(target["expr"])

    def choices_of(self, variable: Mapping[str, Any]) -> list[str]:
        """What a variable offers; its query must be `label_values(METRIC, LABEL)`."""
        asked = _LABEL_VALUES.fullmatch(variable["query"])
        if asked is None:
            raise Refused(f"{variable['query']!r} is not label_values(METRIC, LABEL)")
        window = {"match[]": self.put_in(asked["metric"]), "start": self.start, "end": self.end}
        return [str(value) for value in self._ask(f"label/{asked['label']}/values", **window)]

    def _ask(self, what: str, **parameters: Any) -> list[Any]:
        url = f"{self.prometheus}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 # http, ours
                data = json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise Refused(f"{json.load(error)['error']}: {parameters}") from error
        return list(data if isinstance(data, list) else data["result"])


def panels(dashboard: Dashboard) -> Iterator[Panel]:
    """All panels that ask something."""
    return (panel for panel in dashboard["panels"] if panel["type"] != "row")


def variables(dashboard: Dashboard) -> Iterator[Mapping[str, Any]]:
    """The variables that ask something."""
    return (variable for variable in dashboard["templating"]["list"] if variable["type"] == "query")


def _point(pair: tuple[float, str]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])
