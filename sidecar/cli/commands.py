"""Which commands there are. Each is a module of its own, which is imported when its command is asked for."""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command

from sidecar.cli.examples import EXAMPLES, epilog

PROGRAM = "sidecar"
COMPLETING = "_SIDECAR_COMPLETE"  # the variable by which a shell asks how a line might go on
SETTINGS = {"help_option_names": ["-h", "--help"]}

PANELS = {
    "Make and keep": ("backup", "prune", "delete", "pin", "unpin", "confirm"),
    "Look": ("list", "show", "status", "runs", "verify", "diff", "history", "checksums", "ledger", "extract"),
    "Bring back": ("restore", "drill"),
    "Elsewhere": ("copies",),
    "Serve": ("serve", "jobs", "schedule", "healthcheck", "alert-test", "notify"),
    "About": ("config", "key", "completion", "demo", "version"),
}
PANEL_OF = {name: panel for panel, names in PANELS.items() for name in names}


def app() -> typer.Typer:
    """The one command of a module."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings=SETTINGS)


def group(text: str) -> typer.Typer:
    """A command that has commands of its own."""
    return typer.Typer(
        help=text,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings=SETTINGS,
    )


class Modules(Mapping[str, Any]):
    """The commands by name, in the order in which help lists them."""

    def __getitem__(self, name: str) -> Any:
        panel = PANEL_OF[name]
        command = get_command(import_module(f"sidecar.cli.{name.replace('-', '_')}").app)
        command.name, command.rich_help_panel = name, panel  # type: ignore[attr-defined] # typer's two classes have it
        command.epilog = epilog(EXAMPLES[name])
        return command

    def __contains__(self, name: object) -> bool:
        return name in PANEL_OF

    def __iter__(self) -> Iterator[str]:
        return iter(PANEL_OF)

    def __len__(self) -> int:
        return len(PANEL_OF)


class CommandGroup(TyperGroup):
    """A group that knows its commands by name only until one is asked for."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = cast("MutableMapping[str, Any]", Modules())
