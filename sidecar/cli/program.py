"""The program: its commands, and how each ends."""

import os
import sys
from typing import Annotated

import typer

from sidecar import __version__, errors
from sidecar.cli import exits
from sidecar.cli.commands import SETTINGS, CommandGroup
from sidecar.cli.terminal import console

app = typer.Typer(
    name="sidecar",
    cls=CommandGroup,
    help="Checksummed, verified, restorable backups of MongoDB collections.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback with local variables could show a connection string
    add_completion=False,
    context_settings=SETTINGS,
)


def _show_version(asked: bool) -> None:  # noqa: FBT001 - click's own way to call it
    if asked:
        console.say(__version__)
        raise typer.Exit(exits.OK)


@app.callback()
def sidecar(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Checksummed, verified, restorable backups of MongoDB collections."""


def run() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        app()
    except errors.SidecarError as error:
        console.complain(error)
        sys.exit(exits.exit_code(error))
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(exits.FAILED)
