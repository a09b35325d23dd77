"""`show`: everything that is known of one backup."""

from datetime import UTC, datetime

from sidecar.cli import commands
from sidecar.cli.running import Id, Json, run
from sidecar.cli.terminal import backups, console
from sidecar.service import Service
from sidecar.status import reports

app = commands.app()


@app.command()
def show(backup_id: Id, *, as_json: Json = False) -> None:
    """Show one backup: its state, its collections and how it was made."""

    async def use(service: Service) -> None:
        found = service.catalog.find(backup_id)
        entry = reports.entry(found, datetime.now(UTC))
        metadata = found.manifest.model_dump(mode="json") if found.manifest else None
        if as_json:
            console.say_json(entry.model_dump(mode="json") | {"metadata": metadata})
        else:
            backups.one(found, datetime.now(UTC))

    run(use)
