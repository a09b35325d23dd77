"""`list`: every backup, and whether it can be trusted."""

from datetime import UTC, datetime

from sidecar.cli import commands
from sidecar.cli.running import Json, SetName, run
from sidecar.cli.terminal import backups, console
from sidecar.service import Service
from sidecar.status import reports

app = commands.app()


@app.command()
def list_backups(set_name: SetName = "all", *, as_json: Json = False) -> None:
    """Show every backup and whether it can be trusted; reads and hashes all of them."""

    async def use(service: Service) -> None:
        now = datetime.now(UTC)
        stored = [backup for one in service.sets(set_name) for backup in service.catalog.backups(one.name)]
        console.say_json(
            [reports.entry(one, now).model_dump(mode="json") for one in stored]
        ) if as_json else backups.backups(stored, now)

    run(use)
