"""`show`: show everything that is known about one backup."""

from datetime import UTC, datetime

from sidecar.cli import commands
from sidecar.cli.looking import look
from sidecar.cli.options import Id, Json
from sidecar.cli.terminal import backups, console
from sidecar.holdings import Holdings
from sidecar.status import reports

app = commands.app()


@app.command()
def show(backup_id: Id, *, as_json: Json = False) -> None:
    """Show one backup: its state, its collections and how it was made."""

    def use(held: Holdings) -> None:
        found = held.catalog.find(backup_id)
        entry = reports.entry(found, datetime.now(UTC))
        metadata = found.manifest.model_dump(mode="json") if found.manifest else None
        if as_json:
            console.say_json(entry.model_dump(mode="json") | {"metadata": metadata})
        else:
            backups.one(found, datetime.now(UTC))

    look(use)
