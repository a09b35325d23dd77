"""How the dashboards get to Grafana: files to provision, and a ConfigMap for its sidecar."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from grafana.build import HERE, dashboards

KUBECTL = Path(sys.executable).with_name("kubectl")
CONFIG_MAP_BYTES = 1 << 20  # what Kubernetes takes


def provisioned(path: str) -> Any:
    return yaml.safe_load((HERE / "provisioning" / path).read_text())


def test_kustomize_makes_a_config_map_with_the_label_that_grafanas_sidecar_looks_for() -> None:
    built = subprocess.run([KUBECTL, "kustomize", HERE], capture_output=True, text=True, check=True)
    assert built.stderr == ""
    assert yaml.safe_load(built.stdout) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "mongobackup-dashboards",
            "labels": {"grafana_dashboard": "1"},
            "annotations": {"grafana_folder": "MongoDB backups"},
        },
        "data": {f"mongobackup-{name}": text for name, text in dashboards().items()},
    }
    assert len(built.stdout.encode()) < CONFIG_MAP_BYTES


def test_grafana_is_given_a_prometheus_and_a_folder_of_dashboards_that_nobody_changes_in_it() -> None:
    (source,) = provisioned("datasources/prometheus.yaml")["datasources"]
    assert (source["type"], source["isDefault"], source["url"]) == ("prometheus", True, "http://prometheus:9090")
    (provider,) = provisioned("dashboards/mongobackup.yaml")["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    assert provider["options"] == {"path": "/var/lib/grafana/dashboards/mongobackup"}
