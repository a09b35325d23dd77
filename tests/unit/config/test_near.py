"""Names that look like ours: the one that was meant is named, and what Kubernetes made is told by its cure."""

from pathlib import Path

import pytest

from support.configuration import problems, with_file

LINKS = {
    "SIDECAR_SERVICE_HOST": "10.0.0.7",
    "SIDECAR_SERVICE_PORT": "8001",
    "SIDECAR_SERVICE_PORT_HTTP": "8001",
    "SIDECAR_PORT": "tcp://10.0.0.7:8001",
    "SIDECAR_PORT_8001_TCP": "tcp://10.0.0.7:8001",
    "SIDECAR_PORT_8001_TCP_ADDR": "10.0.0.7",
    "SIDECAR_PORT_8001_TCP_PROTO": "tcp",
    "SIDECAR_METRICS_SERVICE_HOST": "10.0.0.8",
    "SIDECAR_METRICS_PORT": "tcp://10.0.0.8:9090",
}


def test_the_variables_of_a_kubernetes_service_are_told_with_their_cure() -> None:
    links, port = sorted(problems(LINKS), key=len, reverse=True)
    assert port == "SIDECAR_PORT: made by Kubernetes for a Service: set `enableServiceLinks: false` in the pod's spec"
    assert links.partition(": ")[0].split(", ") == sorted(name for name in LINKS if name != "SIDECAR_PORT")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SIDECAR_PROT", "SIDECAR_PORT"),
        ("SIDECAR_VERIFY_SHEDULE", "SIDECAR_VERIFY_SCHEDULE"),
        ("SIDECAR_ADMIN_TOKEN_FILES", "SIDECAR_ADMIN_TOKEN_FILE"),
    ],
)
def test_a_near_miss_of_a_variable_is_named(name: str, meant: str) -> None:
    assert problems({name: "1"}) == [f"{name}: unknown variable; did you mean {meant}?"]


def test_a_near_miss_in_the_file_is_named(tmp_path: Path) -> None:
    text = 'backup_limits = 3\n[sets.main]\nlimitt = 3\n[sets.x]\ncollections = ["a"]\ninterval_hours = 1e-10\n'
    keys, main, interval = problems(with_file(tmp_path, text))
    assert keys.endswith("; did you mean backup_limit?")
    assert main.startswith("sets.main.limitt: unknown; did you mean limit?; expected one of ")
    assert interval == "sets.x.interval_hours: expected a number from 0.0002 to 1000000"


def test_an_empty_path_of_the_file_is_no_default() -> None:
    assert problems({"SIDECAR_CONFIG": " "}) == ["SIDECAR_CONFIG: expected the path of a file, not an empty value"]
