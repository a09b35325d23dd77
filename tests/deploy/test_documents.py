"""What documents, runbooks and alerts tell people to type: containers are those of the manifests, paths those of the server."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sidecar.api.openapi import document
from sidecar.bootstrap.server import ROUTES
from support.alert_rules import RULES
from support.manifests import KUBERNETES, ROOT, build

TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")), *RULES]
NAMES = re.compile(r"kubectl\s+(?:exec|logs|cp|debug)\b[^`\n]*?\s-c\s+(\S+)|kubectl\s+debug\b[^`\n]*?--target[= ](\S+)")
PATHS = re.compile(r"(?<![\w.-])(/(?:api/admin|runbooks)/[^\s`\"')\]|,;?]*|/(?:metrics|healthz|readyz)\b)")
OF_OTHERS = {"mongod", "mongodb"}  # a container of whose manifest we know nothing


def containers(node: object) -> Iterator[str]:
    """Names of containers, wherever in a manifest they stand."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("containers", "initContainers", "ephemeralContainers"):
                yield from (one["name"] for one in value)
            yield from containers(value)
    elif isinstance(node, list):
        for one in node:
            yield from containers(one)


@functools.cache
def ours() -> set[str]:
    component = yaml.safe_load((KUBERNETES / "container" / "container.yaml").read_text())
    return {*containers(component), *containers(build(KUBERNETES / "deployment"))}


def test_the_manifests_have_one_name_for_the_container() -> None:
    assert ours() == {"backup-sidecar"}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_container_that_is_named_is_one_of_the_manifests(path: Path) -> None:
    named = {name.strip("`.,;)") for found in NAMES.findall(path.read_text()) for name in found if name}
    assert named <= ours() | OF_OTHERS


@functools.cache
def routes() -> list[re.Pattern[str]]:
    described = document([route for module in ROUTES for route in module.routes])["paths"]
    return [re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in described]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_path_that_is_named_is_a_route(path: Path) -> None:
    named = {found.rstrip(".:*_") for found in PATHS.findall(path.read_text())}
    assert {one for one in named if not any(route.fullmatch(one) for route in routes())} == set()
