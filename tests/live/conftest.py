"""One Prometheus and one Alertmanager for all live tests of a process, and beside every patient a sidecar that stays healthy."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.monitoring import Monitoring, monitoring
from support.patients import NewPatient, Patient, patient
from support.shortened import write_rules

HEALTHY = "healthy"


@pytest.fixture(scope="session")
def watching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    directory = tmp_path_factory.mktemp("monitoring")
    with monitoring(directory, write_rules(directory)) as found:
        yield found


@pytest.fixture(scope="session")
def _always_healthy(watching: Monitoring, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    with patient(watching, tmp_path_factory.mktemp(HEALTHY), HEALTHY, {}) as found:
        yield found


@pytest.fixture
def healthy(_always_healthy: Patient) -> Iterator[Patient]:
    """A sidecar that is restarted, killed and used, and of which nothing may ever be said."""
    yield _always_healthy
    served = _always_healthy.served
    if served.back_up()["checksum"] < "8":  # as likely as not
        served.kill()
    else:
        assert served.stop() == 0
    served.start()
    served.back_up("attendance")
    assert _always_healthy.monitoring.told_of(HEALTHY) == []
    assert _always_healthy.monitoring.query(f'max_over_time(ALERTS{{alertstate="firing",job="{HEALTHY}"}}[1h])') == []


@pytest.fixture
def new_patient(
    healthy: Patient, watching: Monitoring, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[NewPatient]:
    """`new_patient(variables, module)`, whose job is the name of the test."""
    with ExitStack() as stack:

        def new(variables: Mapping[str, str] | None = None, module: str = "sidecar") -> Patient:
            assert healthy.served.process is not None
            job = request.node.name.removeprefix("test_")
            return stack.enter_context(patient(watching, tmp_path / "patient", job, variables or {}, module))

        yield new
