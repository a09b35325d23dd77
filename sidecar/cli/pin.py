"""`pin`: protect a backup from the retention rules."""

from datetime import UTC, datetime
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
def pin(
    backup_id: Id,
    *,
    until: Annotated[
        datetime | None, typer.Option(help="In UTC; without it the pin holds until `sidecar unpin`.")
    ] = None,
) -> None:
    """Protect a backup from the retention rules."""
    end = until.replace(tzinfo=UTC) if until else None
    if end is not None and end <= datetime.now(UTC):
        raise errors.AlreadyOver(f"--until: expected a time in the future, not {end:%Y-%m-%d %H:%M:%S} UTC")

    async def use(service: Service) -> None:
        pinned = service.keeping.pin(backup_id, end)
        console.say(f"{pinned.id} is kept {f'until {end:%Y-%m-%d %H:%M:%S} UTC' if end else 'until it is unpinned'}.")

    run(use)
