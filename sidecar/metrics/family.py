"""What a metric family is, and the three kinds that most of them are of."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sidecar.metrics.state import One, State
from sidecar.model import Outcome, Run

Labelled = Iterable[tuple[tuple[str, ...], float]]


class Type(StrEnum):
    """As Prometheus has them."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family, without the prefix."""

    name: str
    type: Type
    labels: tuple[str, ...]
    meaning: str
    samples: Callable[[State], Labelled]


def of_set(name: str, meaning: str, value: Callable[[One], float]) -> Family:
    return Family(name, _type(name), ("set",), meaning, lambda state: [((s.name,), value(s)) for s in state.each_set()])


def by(label: str, name: str, meaning: str, values: Callable[[One], Mapping[str, float]]) -> Family:
    def samples(state: State) -> Labelled:
        return [((one.name, key), value) for one in state.each_set() for key, value in values(one).items()]

    return Family(name, _type(name), ("set", label), meaning, samples)


def of_process(name: str, meaning: str, value: Callable[[State], float]) -> Family:
    return Family(name, _type(name), (), meaning, lambda state: [((), value(state))])


def _type(name: str) -> Type:
    return Type.COUNTER if name.endswith("_total") else Type.GAUGE


# -- values ------------------------------------------------------------------------------------------------------------


def seconds(moment: datetime | None) -> float:
    """A time as Prometheus takes it; 0 is never."""
    return moment.timestamp() if moment else 0.0


def ended(run: Run | None) -> float:
    return seconds(run.ended_at) if run else 0.0


def duration(run: Run | None) -> float:
    return (run.ended_at - run.started_at).total_seconds() if run and run.ended_at else 0.0


def is_good(run: Run | None) -> float:
    return run is not None and run.outcome is Outcome.SUCCEEDED
