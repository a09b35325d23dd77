"""`list`: every backup, and whether it can be trusted."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from sidecar.cli import commands
from sidecar.cli.running import Json, SetName, run
from sidecar.cli.terminal import backups, console
from sidecar.service import Service
from sidecar.status import reports

app = commands.app()


@app.command()
def list_backups(
    set_name: SetName = "all",
    *,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Of each set the newest so many.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only those taken then or later, in UTC.")] = None,
    as_json: Json = False,
) -> None:
    """Show the backups and whether each can be trusted, the newest last; reads those that have changed since they were read."""
    begin = since.replace(tzinfo=UTC) if since else datetime.min.replace(tzinfo=UTC)

    async def use(service: Service) -> None:
        now = datetime.now(UTC)
        stored = [
            backup
            for one in service.sets(set_name)
            for backup in service.catalog.backups(one.name)[:limit]
            if backup.taken_at >= begin
        ]
        console.say_json(
            [reports.entry(one, now).model_dump(mode="json") for one in stored]
        ) if as_json else backups.backups(stored, now)

    run(use)
