"""deploy/helm: what Helm's own engine makes of it is what kustomize makes of deploy/kubernetes/deployment."""

import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from support.documents import blocks
from support.manifests import KUBERNETES, ROOT, Manifest, build, changes, check, one
from support.pod_security import violations

CHART = ROOT / "deploy" / "helm"
BOTH = {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}
POD = "/Deployment/spec/template"


@pytest.fixture(scope="module")
def chart() -> Iterator[helm_python.Chart]:
    with helm_python.Chart.load(CHART) as loaded:
        yield loaded


def rendered(chart: helm_python.Chart, values: dict[str, Any] | None = None) -> list[Manifest]:
    """What `helm install backups deploy/helm` would send, with the schema asked first as Helm asks it."""
    chart.validate_schema(values or {})
    texts = chart.render(values, name="backups", namespace="school").values()
    return [manifest for text in texts for manifest in yaml.safe_load_all(text) if manifest]


def by_kind(manifests: list[Manifest]) -> dict[str, Manifest]:
    return {manifest["kind"]: manifest for manifest in manifests}


@pytest.fixture(scope="module")
def kustomized() -> dict[str, Manifest]:
    """With the name that the ConfigMap has before kustomize adds a hash of its content."""
    manifests = by_kind(build(KUBERNETES / "deployment"))
    (config,) = [one for one in manifests["Deployment"]["spec"]["template"]["spec"]["volumes"] if "configMap" in one]
    assert config["configMap"]["name"] == manifests["ConfigMap"]["metadata"]["name"]
    manifests["ConfigMap"]["metadata"]["name"] = config["configMap"]["name"] = "mongodb-backup-sidecar"
    return manifests


def test_the_chart_is_the_kustomization(chart: helm_python.Chart, kustomized: dict[str, Manifest]) -> None:
    """But for the image's tag, a hash of the configuration, and that the backups outlive the installation."""
    assert sorted(changes(kustomized, by_kind(rendered(chart)))) == [
        f"+ {POD}/metadata/annotations",
        "+ /PersistentVolumeClaim/metadata/annotations",
        f"- {POD}/spec/containers/backup-sidecar/image",
    ]


def test_the_backups_outlive_the_installation(chart: helm_python.Chart) -> None:
    claim = one(rendered(chart), "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_objects_of_the_operator_are_the_delivered_ones(chart: helm_python.Chart) -> None:
    manifests = by_kind(rendered(chart, BOTH))
    for kind, path in {
        "PodMonitor": KUBERNETES / "monitoring" / "podmonitor.yaml",
        "PrometheusRule": ROOT / "alerts" / "prometheusrule.yaml",
    }.items():
        assert manifests[kind] == yaml.safe_load(path.read_text())
        assert kind not in by_kind(rendered(chart))


def test_each_value_changes_what_it_names_and_nothing_else(chart: helm_python.Chart) -> None:
    before = by_kind(rendered(chart))
    container, volumes = f"{POD}/spec/containers/backup-sidecar", f"{POD}/spec/volumes"
    policy = "/NetworkPolicy/spec"
    for values, expected in (
        ({"image": {"digest": f"sha256:{'a' * 64}"}}, {f"- {container}/image"}),
        ({"secretName": "ours"}, {f"- {volumes}/secrets/secret/secretName"}),
        ({"env": {"TZ": "Europe/Berlin"}}, {f"+ {container}/env/TZ"}),
        ({"resources": {"limits": {"memory": "1Gi"}}}, {f"- {container}/resources/limits/memory"}),
        (
            {"config": 'db_name = "school"\n'},
            {"- /ConfigMap/data/sidecar.toml", f"- {POD}/metadata/annotations/checksum/config"},
        ),
        ({"volume": {"size": "1Ti"}}, {"- /PersistentVolumeClaim/spec/resources/requests/storage"}),
        ({"volume": {"storageClassName": "fast"}}, {"+ /PersistentVolumeClaim/spec/storageClassName"}),
        ({"volume": {"accessMode": "ReadWriteOncePod"}}, {"- /PersistentVolumeClaim/spec/accessModes"}),
        (
            {"volume": {"existingClaim": "old"}},
            {"- /PersistentVolumeClaim", f"- {volumes}/backups/persistentVolumeClaim/claimName"},
        ),
        ({"networkPolicy": {"enabled": False}}, {"- /NetworkPolicy"}),
        ({"networkPolicy": {"monitoringNamespace": "prometheus"}}, {f"- {policy}/ingress"}),
        ({"networkPolicy": {"mongodbPort": 27018}}, {f"- {policy}/egress"}),
        ({"networkPolicy": {"mongodb": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}}, {f"- {policy}/egress"}),
    ):
        assert set(changes(before, by_kind(rendered(chart, values)))) == expected, values


def test_where_mongodb_is_narrows_the_way_to_it_alone(chart: helm_python.Chart) -> None:
    peers = [{"ipBlock": {"cidr": "192.0.2.0/24"}}]
    policy = one(rendered(chart, {"networkPolicy": {"mongodb": peers, "mongodbPort": 27018}}), "NetworkPolicy")
    names, database = policy["spec"]["egress"]
    assert {port["port"] for port in names["ports"]} == {53}
    assert database == {"to": peers, "ports": [{"protocol": "TCP", "port": 27018}]}


def test_what_is_rendered_is_what_the_api_knows_and_lets_in(chart: helm_python.Chart) -> None:
    manifests = rendered(chart, BOTH | {"env": {"TZ": "UTC"}, "volume": {"storageClassName": "fast"}})
    for manifest in manifests:
        check(manifest)
    assert violations(one(manifests, "Deployment")["spec"]["template"]["spec"]) == []


@pytest.mark.parametrize(
    "values",
    [
        {"image": {"repository": ""}},
        {"image": {"digest": "latest"}},
        {"replicas": 2},
        {"env": {"MONGO_URL": "mongodb://user:password@host/"}},
        {"env": {"BACKUP_DIR": "/elsewhere"}},
        {"env": {"SIDECAR_LOG_LEVEL": 3}},
        {"volume": {"accessMode": "ReadWriteMany"}},
        {"volume": {"size": "0"}},
        {"networkPolicy": {"mongodbPort": 0}},
    ],
    ids=str,
)
def test_the_schema_refuses_what_is_wrong(chart: helm_python.Chart, values: dict[str, Any]) -> None:
    with pytest.raises(helm_python.HelmError):
        rendered(chart, values)


def test_helm_finds_nothing_to_complain_of() -> None:
    found = helm_python.lint(CHART, strict=True)
    assert [one for one in found["messages"] if one["severity"] > 1] == []  # 1 is a hint: there is no icon
    assert found["errors"] == []


def test_the_version_is_that_of_the_program() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    metadata = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (metadata["version"], metadata["appVersion"]) == (version, version)


def test_a_package_of_the_chart_holds_the_manifests_and_renders_the_same(
    chart: helm_python.Chart, tmp_path: Path
) -> None:
    archive = Path(helm_python.package(CHART, destination=tmp_path))
    with tarfile.open(archive) as tar:
        assert all(member.isfile() or member.isdir() for member in tar.getmembers())  # no links that lead nowhere
    with helm_python.Chart.load(archive) as packed:
        assert by_kind(rendered(packed, BOTH)) == by_kind(rendered(chart, BOTH))


def test_the_values_of_the_documents_are_taken(chart: helm_python.Chart) -> None:
    (text,) = [block for block in blocks("install.md", "Kubernetes") if block.startswith("image:")]
    container = one(rendered(chart, yaml.safe_load(text)), "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "registry.example/mongodb-backup-sidecar:0.1.0"
