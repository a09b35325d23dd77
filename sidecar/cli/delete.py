"""`delete`: delete one backup."""

import sys
from typing import Annotated

import typer

from sidecar import errors
from sidecar.cli import commands
from sidecar.cli.options import Id
from sidecar.cli.running import run
from sidecar.cli.terminal import console
from sidecar.service import Service

app = commands.app()


@app.command()
def delete(
    backup_id: Id,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed without a terminal.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also delete a pinned backup, or the last valid one of its set.")
    ] = False,
) -> None:
    """Delete one backup for good."""

    async def use(service: Service) -> None:
        found = service.catalog.find(backup_id)
        if not yes:
            if not sys.stdin.isatty():
                raise errors.UsageError("this deletes a backup: expected --yes where there is no terminal to ask on")
            typer.confirm(f"Delete {found.id} for good?", abort=True)
        service.keeping.delete(backup_id, force=force)
        console.say(f"{found.id} is deleted.")

    run(use)
