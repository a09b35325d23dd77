"""The program: its commands, and how each ends."""

import logging
import os
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.completion import completion_init  # type: ignore[attr-defined] # its own users import it from here

from sidecar import __version__, errors
from sidecar.cli import exits, streams
from sidecar.cli.commands import COMPLETING, PROGRAM, SETTINGS, CommandGroup
from sidecar.cli.examples import FIRST, epilog
from sidecar.cli.terminal import console

ABOUT = "Checksummed, verified, restorable backups of MongoDB collections."
EXIT_CODES = "Exit codes: 0 good, 1 failed, 2 usage or configuration, 3 a backup is invalid, 4 busy, 130 Ctrl-C."


class Program(CommandGroup):
    """Refuses empty values, and ends with 130 on Ctrl-C."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:  # a shell that asks how the line might go on
            _require_values(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(exits.INTERRUPTED) from None


def _require_values(arguments: list[str]) -> None:
    """Refuse empty arguments: an unset shell variable must not mean the same as an option that was left out."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        name, _, value = argument.partition("=")
        if not argument.strip() or (name.startswith("--") and name != argument and not value.strip()):
            named = before if before.startswith("-") else name.strip()
            raise errors.UsageError(f"{named or 'an argument'}: expected a value, not an empty one")


app = typer.Typer(
    name=PROGRAM,
    cls=Program,
    help=ABOUT,
    epilog=epilog(FIRST, EXIT_CODES),
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
    stdout = streams.prepare()
    if COMPLETING in os.environ:
        completion_init()
    code = _code(stdout)
    stdout.flush()
    _end(_reported(stdout.failure) if stdout.failure and code == exits.OK else code)


def _code(stdout: streams.Sheltered) -> int:
    try:
        app(prog_name=PROGRAM)  # however it was called
    except errors.SidecarError as error:
        console.complain(error)
        return exits.exit_code(error)
    except BrokenPipeError:  # the reader of an extract has seen enough
        return exits.FAILED
    except OSError:  # click writes some of its help past what stands for stdout
        if stdout.failure is None:
            raise
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else exits.FAILED if ended.code else exits.OK
    return exits.OK


def _reported(failure: OSError) -> int:
    """The work is done, but its report could not be written. A closed pipe (`| head`) is no error."""
    if not isinstance(failure, BrokenPipeError):
        console.remark(f"error: standard output: {failure.strerror}; what the command did is done", "red")
    return exits.FAILED


def _end(code: int) -> NoReturn:
    """At once. Nothing of ours is under way any more, but a thread of the driver may wait for a server for minutes."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)
