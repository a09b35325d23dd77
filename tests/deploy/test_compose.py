"""compose.yaml: what Compose's own schema says of it, that what it mounts is there, and that its one script works.

That the whole of it runs was not tried: it needs images of MongoDB, Prometheus and Grafana, and so a registry.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pymongo import MongoClient

from sidecar.config import load
from support.configuration import with_file
from support.served import Served
from support.servers import ServerProcess

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_compose_knows_every_word_of_it(compose: Any) -> None:
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    jsonschema.validate(compose, schema)
    compose["services"]["sidecar"]["read_onyl"] = compose["services"]["sidecar"]["read_only"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(compose, schema)


def test_the_examples_of_the_page_on_installing_are_understood(compose: Any, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "install.md").read_text()
    found = re.findall(r"^```(yaml|toml)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    service, config_map = (yaml.safe_load(block) for language, block in found if language == "yaml")
    jsonschema.validate(service, json.loads((Path(__file__).parent / "compose-spec.json").read_text()))
    for limit in ("read_only", "cap_drop", "security_opt", "mem_limit", "pids_limit"):
        assert service["services"]["sidecar"][limit] == compose["services"]["sidecar"][limit]
    (unit,) = (block for language, block in found if language == "toml")
    for example in (config_map["data"]["sidecar.toml"], unit):
        assert load(with_file(tmp_path, example)).main_schedule == "15 * * * *"
    variables = {name for name in service["services"]["sidecar"]["environment"] if not name.endswith("_FILE")}
    assert {
        name: load({name: value})
        for name, value in service["services"]["sidecar"]["environment"].items()
        if name in variables
    }


def test_everything_that_is_mounted_is_there(compose: Any) -> None:
    """Compose makes a folder of whatever is not."""
    mounts = [one for service in compose["services"].values() for one in service.get("volumes", [])]
    sources = [Path(one["source"]) for one in mounts if isinstance(one, dict)]
    assert [str(source) for source in sources if not (ROOT / source).exists()] == []
    named = {one.partition(":")[0] for one in mounts if isinstance(one, str)}
    assert named == set(compose["volumes"])


def test_the_sidecar_is_restricted_as_in_the_other_manifests(compose: Any) -> None:
    sidecar = compose["services"]["sidecar"]
    assert (sidecar["read_only"], sidecar["cap_drop"], sidecar["security_opt"]) == (
        True,
        ["ALL"],
        ["no-new-privileges:true"],
    )
    assert all(port.startswith("127.0.0.1:") for one in compose["services"].values() for port in one.get("ports", []))


def test_the_sidecar_takes_its_settings(compose: Any, exact: ServerProcess, tmp_path: Path) -> None:
    variables = {**compose["services"]["sidecar"]["environment"], "MONGO_URL": exact.uri}
    with Served(exact, tmp_path / "backups", variables) as served:
        kinds = {one["kind"] for one in served.get("/api/admin/schedule").json["entries"]}
        assert kinds == {"backup", "verify", "drill"}


def test_the_school_is_loaded_once(compose: Any, exact: ServerProcess) -> None:
    _, *arguments = compose["services"]["school"]["entrypoint"]
    with MongoClient[dict[str, Any]](exact.uri) as client:
        environment = {**os.environ, "MONGO_URL": exact.uri}
        for _ in range(2):
            subprocess.run([sys.executable, *arguments], env=environment, check=True)
        assert client["bus_tracker"]["students"].count_documents({}) > 0


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "compose" / "prometheus.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(
        text.replace("/etc/prometheus/rules/*.yaml", f"{ROOT}/alerts/*.rules.yaml")
    )
    ended = subprocess.run(
        ["promtool", "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
