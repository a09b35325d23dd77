"""The runbooks: one for each alert, in the order in which somebody reads at night, with commands that work."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from sidecar.api.openapi import document
from sidecar.bootstrap.server import ROUTES
from sidecar.cli.program import app
from support.alert_rules import ROOT, RUNBOOKS, alerts

PAGES = sorted(RUNBOOKS.glob("*.md"))
HEADINGS = [
    "## What is at stake",
    "## What it means",
    "## What to look at",
    "## What to do",
    "## If data has to come back",
]
LAST = "[Restore in an emergency](../restore-in-an-emergency.md): every step, also without the sidecar."
READS_EVERYTHING = re.compile(r"sidecar (?:verify --all|checksums)")
METHODS = re.compile(r"-X (\w+)")


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert [page.stem for page in PAGES] == sorted(alerts())


def test_the_readme_counts_the_alerts() -> None:
    assert f"`alerts/` has {len(alerts())} alerts" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_says_what_it_means_what_to_look_at_and_what_to_do(page: Path) -> None:
    lines = page.read_text().splitlines()
    severity = alerts()[page.stem]["labels"]["severity"]
    assert lines[0] == f"# {page.stem}"
    assert lines[2] == f"Severity: {severity if '{' not in severity else 'as asked for'}."
    assert [line for line in lines if line.startswith("## ")] == HEADINGS
    sections = re.split(r"^## .*$", page.read_text(), flags=re.MULTILINE)[1:]
    assert all(len(section.split()) > 4 for section in sections)
    assert lines[-1] == LAST


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_reads_each_stored_byte_once(page: Path) -> None:
    assert len(READS_EVERYTHING.findall(page.read_text())) <= 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_that_ends_a_pod_says_that_mongod_may_be_in_it(page: Path) -> None:
    text = page.read_text()
    assert "rollout restart" not in text
    for found in re.finditer(r"kubectl delete\s+pod", text):
        assert "**mongod too**" in text[found.start() : found.end() + 120]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_asks_for_aborted_jobs_where_it_asks_for_failed_ones(page: Path) -> None:
    assert "outcome=failed" not in page.read_text()


@pytest.mark.parametrize("page", [*PAGES, ROOT / "docs" / "monitoring.md"], ids=lambda page: page.stem)
def test_the_links_of_a_runbook_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        there = page.parent / path
        assert there.is_file(), target
        headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
        assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}, target


# -- its commands ------------------------------------------------------------------------------------------------------


def commands_in(page: Path) -> Iterator[str]:
    """Shell commands in fenced blocks, one per line, and those that stand in the text."""
    text = page.read_text()
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            yield from (command.strip() for command in re.split(r" \| | && ", line.partition("  #")[0]))
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    yield from (
        " ".join(found.split()) for found in re.findall(r"`([^`]+)`", text) if re.match(r"(sidecar|curl) ", found)
    )


def words_of(command: str) -> list[str]:
    return [re.sub(r"\$\{?\w+\}?", "some", word) for word in shlex.split(command.strip().strip("()"))]


SIDECAR = sorted({c for page in PAGES for c in commands_in(page) if re.match(r"\s*\(?sidecar ", c)})
CURL = sorted({c for page in PAGES for c in commands_in(page) if "curl " in c})


@pytest.mark.parametrize("command", SIDECAR)
def test_a_sidecar_command_of_a_runbook_is_one(command: str) -> None:
    _, *arguments = words_of(command)
    name, found = "sidecar", typer.main.get_command(app)
    while commands := getattr(found, "commands", None):
        name, *arguments = arguments
        found = commands[name]
    found.make_context(name, arguments)  # raises what the command line would say


def routes() -> dict[str, Any]:
    described = document([route for module in ROUTES for route in module.routes])
    return dict(described["paths"])


@pytest.mark.parametrize("command", CURL)
def test_a_call_in_a_runbook_is_a_route(command: str) -> None:
    found = re.search(r'\$URL(/[^"?]*)', command)
    assert found is not None
    method = (METHODS.search(command) or ["", "GET"])[1].lower()
    pattern = {re.sub(r"\{\w+\}", "[^/]+", path): methods for path, methods in routes().items()}
    matching = [methods for path, methods in pattern.items() if re.fullmatch(path, found[1].replace("$", ""))]
    assert any(method in methods for methods in matching), (method, found[1])
