"""deploy/kubernetes: what kustomize makes of it, and what that does to other people's StatefulSets."""

import copy
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import typer.main
import yaml

from sidecar.cli.program import app
from sidecar.config import Secret, load
from support.documents import blocks
from support.manifests import KUBERNETES, ROOT, Manifest, build, changes, check, one, with_components
from support.pod_security import violations

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.yaml"))
VARIANTS = ("sidecar", "sidecar-claim-template")
POD = "/spec/template/spec"


def a_pod(manifest: Manifest) -> Any:
    """The spec of a Pod made from the template, with the volumes that the StatefulSet's controller adds."""
    spec = copy.deepcopy(manifest["spec"]["template"]["spec"])
    claims = [claim["metadata"]["name"] for claim in manifest["spec"].get("volumeClaimTemplates", [])]
    spec["volumes"] = spec.get("volumes", []) + [
        {"name": name, "persistentVolumeClaim": {"claimName": f"{name}-0"}} for name in claims
    ]
    return spec


def the_sidecar(manifest: Manifest) -> Any:
    containers = a_pod(manifest).get("initContainers", []) + a_pod(manifest)["containers"]
    (found,) = [container for container in containers if container["name"] == "backup-sidecar"]
    return found


@pytest.fixture(params=VARIANTS, scope="module")
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SAMPLES, ids=lambda path: path.stem, scope="module")
def sample(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, sample: Path, variant: str) -> list[Manifest]:
    return with_components(tmp_path_factory.mktemp("overlay"), [sample], variant, "monitoring", "scrape-policy")


@pytest.fixture(scope="module")
def alone() -> list[Manifest]:
    return build(KUBERNETES / "deployment")


def test_a_component_adds_to_somebodys_statefulset_and_changes_nothing(
    built: list[Manifest], sample: Path, variant: str
) -> None:
    before = yaml.safe_load(sample.read_text())
    has_inits = "initContainers" in before["spec"]["template"]["spec"]
    has_volumes = "volumes" in before["spec"]["template"]["spec"]
    has_templates = "volumeClaimTemplates" in before["spec"]
    volumes = {"backup-sidecar-config", "backup-sidecar-secrets", "backup-sidecar-no-token"}
    expected = {
        "+ /spec/template/metadata/labels/mongodb-backup-sidecar",
        f"+ {POD}/enableServiceLinks",
        f"+ {POD}/initContainers/backup-sidecar" if has_inits else f"+ {POD}/initContainers",
    }
    if variant == "sidecar":
        volumes.add("backup-sidecar-backups")
    else:
        expected.add("+ /spec/volumeClaimTemplates" + ("/backup-sidecar-backups" if has_templates else ""))
    expected |= {f"+ {POD}/volumes/{name}" for name in volumes} if has_volumes else {f"+ {POD}/volumes"}
    assert set(changes(before, one(built, "StatefulSet"))) == expected


def test_the_difference_sees_what_a_patch_takes_away() -> None:
    before = yaml.safe_load((Path(__file__).parent / "samples" / "with_claim_templates.yaml").read_text())
    after = copy.deepcopy(before)
    after["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "backups"}}]
    after["spec"]["template"]["spec"]["containers"][0]["image"] = "mongo:latest"
    after["spec"]["template"]["spec"]["initContainers"].insert(0, {"name": "first"})
    assert set(changes(before, after)) == {
        "+ /spec/template/spec/initContainers/first",
        "- /spec/template/spec/containers/mongod/image",
        "- /spec/volumeClaimTemplates/data",
        "- /spec/volumeClaimTemplates (order)",
        "+ /spec/volumeClaimTemplates/backups",
    }


def test_each_kind_of_sidecar_brings_the_objects_that_it_needs(built: list[Manifest], variant: str) -> None:
    kinds = {"ConfigMap", "NetworkPolicy", "PodMonitor", "StatefulSet"}
    assert {manifest["kind"] for manifest in built} == kinds | (
        {"PersistentVolumeClaim"} if variant == "sidecar" else set()
    )


@pytest.fixture(scope="module")
def by_hand() -> list[Manifest]:
    """What somebody applies when the sidecar cannot start: a Job and a Pod."""
    return [*build(KUBERNETES / "restore-job"), *build(KUBERNETES / "debug-pod")]


def test_what_is_built_is_what_the_api_knows(
    built: list[Manifest], alone: list[Manifest], by_hand: list[Manifest]
) -> None:
    for manifest in [*built, *alone, *by_hand]:
        check(manifest)


def test_the_job_and_the_pod_find_what_the_sidecar_uses(alone: list[Manifest], by_hand: list[Manifest]) -> None:
    """Volume, configuration, secrets, user and directory are those of the Deployment."""
    job, pod = by_hand
    server = a_pod(one(alone, "Deployment"))
    for spec in (job["spec"]["template"]["spec"], pod["spec"]):
        assert violations(spec) == []
        assert (spec["restartPolicy"], spec["securityContext"]) == ("Never", server["securityContext"])
        named = [{key: value for key, value in one.items() if key != "config"} for one in spec["volumes"]]
        assert [one["name"] for one in named] == [one["name"] for one in server["volumes"]]
        (ours,), (theirs,) = spec["containers"], server["containers"]
        assert [one for one in theirs["env"] if one in ours["env"]] == ours["env"]
        for key in ("name", "image", "resources", "securityContext", "volumeMounts"):
            assert ours[key] == theirs[key]


def test_the_job_is_a_dry_run_until_somebody_says_otherwise_and_a_command_that_there_is(
    by_hand: list[Manifest],
) -> None:
    (container,) = by_hand[0]["spec"]["template"]["spec"]["containers"]
    name, *arguments = container["args"]
    command = typer.main.get_command(app)
    command.commands[name].make_context(name, list(arguments))  # type: ignore[attr-defined] # of a group
    assert "--dry-run" in arguments


def test_no_pod_gets_variables_of_services(
    built: list[Manifest], alone: list[Manifest], by_hand: list[Manifest]
) -> None:
    """A Service called `sidecar` would set SIDECAR_PORT to something else."""
    job, pod = by_hand
    specs = [a_pod(one(built, "StatefulSet")), a_pod(one(alone, "Deployment")), a_pod(job), pod["spec"]]
    assert [spec["enableServiceLinks"] for spec in specs] == [False] * 4


def test_everything_of_ours_is_labelled_by_the_common_names(alone: list[Manifest], by_hand: list[Manifest]) -> None:
    for manifest in (*alone, *by_hand):
        labels = manifest["metadata"].get("labels", {})
        assert manifest["kind"] == "ConfigMap" or set(labels) >= {
            f"app.kubernetes.io/{name}" for name in ("name", "component", "part-of")
        }


def test_the_volume_is_of_one_node_and_with_the_component_of_one_pod(tmp_path: Path) -> None:
    (tmp_path / "deployment.yaml").write_text(yaml.safe_dump_all(build(KUBERNETES / "deployment")))
    found = {
        mode: one(with_components(tmp_path, [tmp_path / "deployment.yaml"], *components), "PersistentVolumeClaim")
        for mode, components in {"ReadWriteOnce": (), "ReadWriteOncePod": ("read-write-once-pod",)}.items()
    }
    assert {mode: claim["spec"]["accessModes"] for mode, claim in found.items()} == {mode: [mode] for mode in found}


def test_the_objects_for_the_operator_are_what_its_definitions_know() -> None:
    manifests = [*KUBERNETES.rglob("*.yaml"), *ROOT.glob("alerts/prometheusrule.yaml")]
    parsed = [one for path in manifests for one in yaml.safe_load_all(path.read_text())]
    ours = [one for one in parsed if one["apiVersion"].startswith("monitoring.coreos.com/")]
    assert "PodMonitor" in {one["kind"] for one in ours}
    for manifest in ours:
        check(manifest)


def test_the_definition_of_a_rule_knows_one_from_what_is_none() -> None:
    rule = {"alert": "A", "expr": "vector(1)", "for": "5m"}
    manifest = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "r"}}
    check(manifest | {"spec": {"groups": [{"name": "g", "rules": [rule]}]}})
    for wrong in (rule | {"for": "soon"}, rule | {"severity": "page"}, {"alert": "A"}):
        with pytest.raises(jsonschema.ValidationError):
            check(manifest | {"spec": {"groups": [{"name": "g", "rules": [wrong]}]}})


def test_the_schemas_refuse_what_is_wrong(built: list[Manifest]) -> None:
    monitor, workload = (copy.deepcopy(one(built, kind)) for kind in ("PodMonitor", "StatefulSet"))
    monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = "30s"
    workload["spec"]["template"]["spec"]["initContainers"][-1]["restartPolice"] = "Always"
    with pytest.raises(jsonschema.ValidationError):
        check(monitor)
    with pytest.raises(kubernetes_validate.ValidationError):
        check(workload)


def test_a_pod_made_from_each_template_is_let_in_by_the_restricted_standard(
    built: list[Manifest], alone: list[Manifest]
) -> None:
    assert violations(a_pod(one(built, "StatefulSet"))) == []
    assert violations(a_pod(one(alone, "Deployment"))) == []


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("allowPrivilegeEscalation", None, "may gain privileges"),
        ("capabilities", {}, "keeps capabilities"),
        ("capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}, "keeps capabilities"),
        ("privileged", True, "privileged"),
        ("runAsUser", 0, "may run as root"),
        ("runAsNonRoot", False, "may run as root"),
        ("seccompProfile", {"type": "Unconfined"}, "no seccomp profile"),
    ],
)
def test_the_rule_of_the_standard_sees_what_is_missing(
    alone: list[Manifest], field: str, value: Any, complaint: str
) -> None:
    pod = a_pod(one(alone, "Deployment"))
    pod["containers"][0]["securityContext"][field] = value
    assert violations(pod) == [f"backup-sidecar: {complaint}"]


def test_no_probe_of_the_sidecar_can_reach_mongod(built: list[Manifest]) -> None:
    container = the_sidecar(one(built, "StatefulSet"))
    assert not {"startupProbe", "readinessProbe", "livenessProbe", "lifecycle"} & set(container)
    assert container["restartPolicy"] == "Always"


def test_the_volume_of_the_backups_is_never_that_of_the_data(built: list[Manifest]) -> None:
    workload = one(built, "StatefulSet")
    mounted = {one["name"] for one in the_sidecar(workload)["volumeMounts"]}
    others = [one for one in a_pod(workload)["containers"] if one["name"] != "backup-sidecar"]
    assert mounted.isdisjoint({mount["name"] for one in others for mount in one.get("volumeMounts", [])})
    assert mounted <= {volume["name"] for volume in a_pod(workload)["volumes"]}


def test_the_sidecar_gets_no_token_of_the_service_account(built: list[Manifest], alone: list[Manifest]) -> None:
    mounts = {mount["mountPath"] for mount in the_sidecar(one(built, "StatefulSet"))["volumeMounts"]}
    assert "/var/run/secrets/kubernetes.io/serviceaccount" in mounts
    assert a_pod(one(alone, "Deployment"))["automountServiceAccountToken"] is False


def test_what_is_missing_stops_the_sidecar_and_not_the_pod(built: list[Manifest]) -> None:
    volumes = {volume["name"]: volume for volume in a_pod(one(built, "StatefulSet"))["volumes"]}
    assert volumes["backup-sidecar-secrets"]["secret"]["optional"] is True
    assert volumes["backup-sidecar-config"]["configMap"]["optional"] is True


def test_secrets_come_by_file_only(built: list[Manifest], alone: list[Manifest]) -> None:
    deployment = one(alone, "Deployment")
    for container in (the_sidecar(one(built, "StatefulSet")), the_sidecar(deployment)):
        names = {one["name"] for one in container["env"]}
        assert {"MONGO_URL_FILE", "SIDECAR_ADMIN_TOKEN_FILE"} <= names
        assert not {"MONGO_URL", "SIDECAR_ADMIN_TOKEN"} & names
        assert not any("valueFrom" in one for one in container["env"])
        assert set(container["resources"]["limits"]) == {"memory", "ephemeral-storage"}


def test_the_deployment_is_one_at_a_time(alone: list[Manifest]) -> None:
    deployment = one(alone, "Deployment")
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})


def test_the_kustomization_of_the_documents_puts_in_an_image_and_a_configuration(tmp_path: Path) -> None:
    (text,) = [block for block in blocks("install.md", "Kubernetes") if "components:" in block]
    shutil.copytree(KUBERNETES, tmp_path / "deploy" / "kubernetes")
    (tmp_path / "kustomization.yaml").write_text(text)
    (tmp_path / "mongodb.yaml").write_bytes(SAMPLES[0].read_bytes())
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mongodb-backup-sidecar"}}
    toml = {"data": {"sidecar.toml": 'db_name = "school"\n'}}
    (tmp_path / "sidecar-config.yaml").write_text(yaml.safe_dump(config | toml))
    built = build(tmp_path)
    assert the_sidecar(one(built, "StatefulSet"))["image"] == "registry.example/mongodb-backup-sidecar:0.1.0"
    assert one(built, "ConfigMap")["data"] == toml["data"]


def test_the_configuration_that_is_shipped_is_one_that_the_sidecar_takes(
    built: list[Manifest], alone: list[Manifest], tmp_path: Path
) -> None:
    """And so are the variables of the container, with secrets from files."""
    for manifests, kind in ((built, "StatefulSet"), (alone, "Deployment")):
        (tmp_path / "sidecar.toml").write_text(one(manifests, "ConfigMap")["data"]["sidecar.toml"])
        (tmp_path / "mongo-url").write_text("mongodb://localhost:27017/?directConnection=true\n")
        (tmp_path / "admin-token").write_text("0123456789abcdef\n")
        places = ("/etc/mongodb-backup-sidecar", "/run/secrets/mongodb-backup-sidecar")
        environ = {item["name"]: item["value"] for item in the_sidecar(one(manifests, kind))["env"]}
        for place in places:
            environ = {name: value.replace(place, str(tmp_path)) for name, value in environ.items()}
        settings = load(environ)
        assert (str(settings.backup_dir), settings.port, settings.db_name) == ("/backups/mongodb", 8001, "bus_tracker")
        assert settings.admin_token == Secret("0123456789abcdef")
