"""The registry of this process: the catalogue, computed at each scrape, and what is counted as it happens."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar.logger import Logger
from sidecar.metrics.catalogue import CATALOGUE
from sidecar.metrics.family import Family, Labelled, Type
from sidecar.metrics.state import State

PREFIX = "mongobackup_"
UNITS = ("seconds", "bytes")
LEVELS = ("debug", "info", "warning", "error", "critical")
HEADLINES = (  # of which the README speaks
    "age_seconds",
    "valid",
    "size_bytes",
    "restorable_backups",
    "newest_backup_timestamp_seconds",
    "max_age_seconds",
    "last_run_success",
    "consecutive_run_failures",
    "run_failures_total",
    "restore_drill_success",
    "restore_drill_duration_seconds",
    "storage_free_bytes",
    "storage_required_bytes",
    "mongodb_up",
    "scheduler_running",
)
_REQUEST = ("method", "route", "code")
_COUNTED = (  # name, type, labels, meaning
    ("log_messages_total", "counter", ("level",), "Log messages."),
    ("http_requests_total", "counter", _REQUEST, "HTTP requests answered."),
    ("http_request_duration_seconds", "histogram", _REQUEST, "Time to answer an HTTP request."),
    ("metrics_errors_total", "counter", (), "Metrics that could not be computed."),
)

log = Logger(__name__)


class Telemetry:
    """Counts requests and log messages; `register` adds the catalogue."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library's own lack
        self.registry = CollectorRegistry()
        (messages, _, levels, said), (requests, _, labels, meaning), (durations, _, _, time), _ = _COUNTED
        self._messages = Counter(PREFIX + messages, said, levels, registry=self.registry)
        self._requests = Counter(PREFIX + requests, meaning, labels, registry=self.registry)
        self._durations = Histogram(PREFIX + durations, time, labels, unit=_unit(durations), registry=self.registry)
        for level in LEVELS:
            self._messages.labels(level)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def hear(self, event: Mapping[str, Any]) -> None:
        """Count what is logged: a tap of the logging."""
        level = str(event.get("level"))
        self._messages.labels(level if level in LEVELS else "info").inc()

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. `route` is a template, never a path."""
        self._requests.labels(method, route, str(status)).inc()
        self._durations.labels(method, route, str(status)).observe(seconds)

    def register(self, state: State) -> None:
        self.registry.register(_StateCollector(state))


class _StateCollector(Collector):
    """Computes the catalogue. A family that cannot be computed is left out and counted, and takes no other with it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._errors = 0

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        for family in CATALOGUE:
            try:
                yield _metric(family, family.samples(self._state))
            except Exception:  # a bad state must never be hidden by a defect beside it
                self._errors += 1
                log.exception("metrics.broken", family=family.name)
        name, _, _, meaning = _COUNTED[-1]
        yield CounterMetricFamily(PREFIX + name.removesuffix("_total"), meaning, value=self._errors)


def _metric(family: Family, samples: Labelled) -> Metric:
    kind = CounterMetricFamily if family.type is Type.COUNTER else GaugeMetricFamily
    name = PREFIX + family.name.removesuffix("_total")
    metric = kind(name, family.meaning, labels=family.labels, unit=_unit(name))
    for labels, value in samples:
        metric.add_metric(labels, float(value))
    return metric


def _unit(name: str) -> str:
    """As OpenMetrics has it: the last word of the name, where that is one."""
    return next((unit for unit in UNITS if name.endswith(f"_{unit}")), "")


def every_name() -> tuple[str, ...]:
    """The names of all families, with the prefix."""
    return tuple(PREFIX + name for name, *_ in _rows())


def reference_table(only: Collection[str] = ()) -> str:
    """The catalogue, or the families of these names, as a Markdown table for the documentation."""
    lines = [
        f"| `{PREFIX}{name}` | {kind} | {', '.join(labels) or '–'} | {meaning} |"
        for name, kind, labels, meaning in _rows()
        if not only or name in only
    ]
    return "\n".join(["| metric | type | labels | meaning |", "|---|---|---|---|", *lines]) + "\n"


def _rows() -> list[tuple[str, str, tuple[str, ...], str]]:
    """Name, type, labels and meaning of all families."""
    return [*((one.name, one.type.value, one.labels, one.meaning) for one in CATALOGUE), *_COUNTED]
