"""What the documents say of the code, held against the code: nothing left out, nothing that there is not."""

import html
import re
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from sidecar import errors, metrics
from sidecar.api import problems
from sidecar.api.listener import CannotListen
from sidecar.api.routing import Access
from sidecar.bootstrap.server import ROUTES
from sidecar.cli.commands import PANEL_OF
from sidecar.cli.examples import EXAMPLES, FIRST
from sidecar.cli.program import app
from sidecar.config import load, reference_table
from sidecar.config.copies import variables_of
from sidecar.config.set_keys import SET_KEYS
from sidecar.config.sets import KEPT
from sidecar.demo.server import EmbeddedServerError
from support.configuration import with_file

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
CODES = {*problems.catalogue(), *errors.every_code(), CannotListen.code, EmbeddedServerError.code}

METRICS = set(re.findall(r"`(mongobackup_[a-z_]+)`", metrics.reference_table()))
VARIABLES = set(re.findall(r"`([A-Z_]+)`", reference_table())) | {"SIDECAR_CONFIG", *variables_of("offsite")}

EVENT = re.compile(r'"([a-z_]+\.[a-z_]+)"')
LOOKED_FOR = re.compile(r"(?:grep (?:-e )?|log line `|logged `|has a line `|\(`)([a-z_]+\.[a-z_]+)\b(?!\.)(?=[ `\n,])")


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_troubleshooting_has_a_line_for_every_code_and_for_no_other() -> None:
    told = re.findall(r"^\| `([a-z_]+)` \|", text("TROUBLESHOOTING.md"), re.MULTILINE)
    assert sorted(told) == sorted(CODES)


@pytest.mark.parametrize("access", Access)
def test_the_page_on_security_names_every_route_and_the_token_that_it_asks_for(access: Access) -> None:
    start = {
        Access.OPEN: "\nOpen: ",
        Access.READ: "\nWith the read token: ",
        Access.WRITE: "\nWith the admin token: ",
    }[access]
    told = text("security.md").partition(start)[2].partition("\n\n")[0]
    routes = {
        f"{route.method} {route.template}" for module in ROUTES for route in module.routes if route.access is access
    }
    assert set(re.findall(r"`([A-Z]+ /[^`]+)`", told)) == routes


def test_the_example_of_sets_loads(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.+?)```", text("configuration.md"), re.DOTALL)
    sets = load(with_file(tmp_path, example)).sets
    assert list(sets) == ["main", "attendance", "everything"]
    assert (sets["main"].limit, sets["everything"].collections, sets["everything"].limit) == (10, ("*",), 7)


def test_the_defaults_that_the_table_of_set_keys_names_are_those_of_a_set(tmp_path: Path) -> None:
    table = {key.name: key.default for key in SET_KEYS}
    own = load(with_file(tmp_path, '[sets.x]\ncollections = ["users"]\n')).sets["x"]
    told = {
        "enabled": "true",  # or it would not be there
        "collections": "none",  # a set without them is refused
        "exclude": str(list(own.exclude)),
        "schedule": "not set" if own.schedule is None else own.schedule,
        "interval_hours": f"{own.interval_hours:g}",
        "jitter_seconds": f"{own.jitter_seconds:g}",
        "blackout": str(list(own.blackout)),
        "limit": "`BACKUP_LIMIT`" if own.limit == load({}).backup_limit else "",
        "retention_days": "`BACKUP_RETENTION_DAYS`" if own.retention_days == load({}).backup_retention_days else "",
        "keep_last": "`limit`",
        **{key: f"`SIDECAR_{key.upper()}`" for key in KEPT if getattr(own, key) == getattr(load({}), key)},
        "prefix": own.prefix.replace("x", "NAME", 1),
        "directory": str(own.directory).replace("x", "NAME", 1),
        "compression": "`SIDECAR_COMPRESSION`" if own.compression == load({}).compression else "",
        "compression_level": "`SIDECAR_COMPRESSION_LEVEL`" if own.compression_level == 1 else "",
        "recipients": "`SIDECAR_RECIPIENTS`" if own.recipients == load({}).recipients else "",
        "heartbeat_url": "`SIDECAR_HEARTBEAT_URL`",
    }
    assert table == told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_that_a_page_mentions_exists(page: Path) -> None:
    mentioned = re.findall(r"`sidecar ([a-z][^`]*)`", page.read_text(encoding="utf-8"))
    assert {words: wrong for words in mentioned if (wrong := _unknown(words))} == {}


def test_every_command_has_examples_that_it_would_understand() -> None:
    assert list(EXAMPLES) == list(PANEL_OF)
    lines = [line.partition("  #")[0] for lines in (*EXAMPLES.values(), FIRST) for line in lines]
    typed = [line.partition("sidecar ")[2].partition(" || ")[0].partition(')"')[0] for line in lines]
    assert {words: wrong for words in typed if (wrong := _unknown(words))} == {}


def test_the_commands_in_the_reference_can_be_copied_as_they_stand() -> None:
    page = text("cli.md")

    assert html.unescape(page) == page


def test_the_man_page_is_without_fault() -> None:
    formatted = subprocess.run(
        ["man", "--warnings", "--local-file", DOCS / "sidecar.1"], capture_output=True, text=True, check=True
    )
    assert formatted.stderr == ""
    assert "config check" in formatted.stdout


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_link_between_files_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / name).read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_metric_and_variable_that_a_page_mentions_exists(page: Path) -> None:
    words = page.read_text(encoding="utf-8")
    metrics_told = set(re.findall(r"\bmongobackup_[a-z_]*[a-z]\b(?!\*)", words))
    variables_told = set(re.findall(r"\bSIDECAR_[A-Z_]*[A-Z]\b", words))
    assert {name for name in metrics_told if re.sub(r"_(bucket|count|sum)$", "", name) not in METRICS} == set()
    assert {name for name in variables_told if not {name, name.removesuffix("_FILE")} & VARIABLES} == set()


def _unknown(words: str) -> str | None:
    """The first word of a command line that the command line would not know."""
    command = get_command(app)
    ours = words.partition(" | ")[0]  # what is behind a pipe is somebody else's
    name, *rest = re.sub(r"[\[\]()|\\]", " ", ours).split()
    subcommands = getattr(command, "commands", {})
    if name not in subcommands:
        return name
    found = subcommands[name]
    inner = getattr(found, "commands", {})
    candidates = [inner[word] for word in rest if word in inner] or [found]
    options = {option for one in candidates for parameter in one.params for option in parameter.opts}
    return next((word for word in rest if word.startswith("-") and word not in options), None)


@pytest.mark.parametrize("page", [page for page in PAGES if page.is_relative_to(DOCS)], ids=lambda page: page.name)
def test_every_log_event_that_a_page_tells_to_look_for_exists(page: Path) -> None:
    logged = {event for path in (ROOT / "sidecar").rglob("*.py") for event in EVENT.findall(path.read_text("utf-8"))}
    assert set(LOOKED_FOR.findall(page.read_text("utf-8"))) <= logged
