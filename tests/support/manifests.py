"""Kubernetes manifests: built by kustomize, compared, and held against the API's schemas."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema
import kubernetes_validate
import yaml

ROOT: Final = Path(__file__).parents[2]
KUBERNETES: Final = ROOT / "deploy" / "kubernetes"
VERSIONS: Final = ("1.29", kubernetes_validate.latest_version())  # native sidecars are on since 1.29

_CRDS: Final = ROOT / "tests" / "deploy" / "crds"

Manifest = dict[str, Any]


def build(directory: Path) -> list[Manifest]:
    """What `kubectl apply -k` would send."""
    kubectl = Path(sys.executable).with_name("kubectl")
    ended = subprocess.run([kubectl, "kustomize", directory], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return list(yaml.safe_load_all(ended.stdout))


def with_components(folder: Path, resources: list[Path], *components: str) -> list[Manifest]:
    """Resources with components of deploy/kubernetes added; `folder` is where the kustomization is written."""
    kustomization = {
        "resources": [path.name for path in resources],
        "components": [relative(KUBERNETES / one, folder) for one in components],
    }
    for path in resources:
        if path.parent != folder:
            (folder / path.name).write_bytes(path.read_bytes())
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return build(folder)


def relative(path: Path, folder: Path) -> str:
    """kustomize takes no absolute paths."""
    above = "/".join([".."] * (len(folder.resolve().parts) - 1))
    return f"{above}{path.resolve()}"


def one(manifests: list[Manifest], kind: str) -> Manifest:
    (found,) = [manifest for manifest in manifests if manifest["kind"] == kind]
    return found


def changes(before: Any, after: Any, at: str = "") -> Iterator[str]:
    """Every difference as `+ path` or, for what is lost or other than before, `- path`. Items of lists go by their names."""
    match before, after:
        case dict(), dict():
            yield from (f"+ {at}/{key}" for key in after if key not in before)
            for key, value in before.items():
                yield from changes(value, after[key], f"{at}/{key}") if key in after else [f"- {at}/{key}"]
        case list(), list() if all("name" in _identity(item) for item in [*before, *after]):
            yield from changes(_by_name(before), _by_name(after), at)
            kept = [name for name in _by_name(after) if name in _by_name(before)]
            yield from [] if kept == list(_by_name(before)) else [f"- {at} (order)"]
        case _:
            yield from [] if before == after else [f"- {at}"]


def _identity(item: Any) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        return {}
    metadata: Mapping[str, Any] = item.get("metadata", item)
    return metadata


def _by_name(items: list[Any]) -> dict[str, Any]:
    return {_identity(item)["name"]: item for item in items}


def check(manifest: Manifest) -> None:
    """Raises the validator's error where the API of the oldest or newest version, or the operator's, would not know it."""
    if manifest["apiVersion"].startswith("monitoring.coreos.com/"):
        jsonschema.validate(manifest, _operator_schema(manifest["kind"]))
        return
    for version in VERSIONS:
        kubernetes_validate.validate(manifest, version, strict=True)


def _operator_schema(kind: str) -> Any:
    crds = [yaml.safe_load(path.read_text()) for path in sorted(_CRDS.glob("*.yaml"))]
    (crd,) = [crd for crd in crds if crd["spec"]["names"]["kind"] == kind]
    (version,) = crd["spec"]["versions"]
    schema = _closed(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
    return schema


def _closed(schema: Any) -> Any:
    """The API server drops unknown fields of a custom resource; here they are an error."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("pattern"), str):
        closed["pattern"] = schema["pattern"].replace("^(?i)", "(?i)^")  # Go takes a flag anywhere, Python at the start
    if "properties" in schema and schema.get("type") == "object":
        closed["additionalProperties"] = False
    return closed
