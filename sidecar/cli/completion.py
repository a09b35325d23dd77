"""`completion`: print the code that makes a shell complete commands, options, sets and ids."""

from enum import StrEnum
from typing import Annotated

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined] # the one that its own option prints

from sidecar.cli import commands
from sidecar.cli.terminal import console

app = commands.app()


class Shell(StrEnum):
    """The supported shells."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command()
def completion(shell: Annotated[Shell, typer.Argument(help="The shell that you type in.")]) -> None:
    """Print the shell code that completes commands, options, sets and ids with Tab."""
    console.say(get_completion_script(prog_name=commands.PROGRAM, complete_var=commands.COMPLETING, shell=shell))
