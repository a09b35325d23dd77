"""`status`: how well each set is protected."""

from datetime import UTC, datetime

from sidecar.cli import commands
from sidecar.cli.running import Json, SetName, run
from sidecar.cli.terminal import backups, console
from sidecar.history import DIRECTORY, glance
from sidecar.model import Kind, Trigger
from sidecar.service import Service
from sidecar.status import reports

app = commands.app()


@app.command()
def status(set_name: SetName = "all", *, as_json: Json = False) -> None:
    """Show how well each set is protected."""

    async def use(service: Service) -> None:
        now, record = datetime.now(UTC), service.settings.backup_dir / DIRECTORY
        body = {
            one.name: reports.set_status(
                one,
                service.catalog.backups(one.name),
                now,
                glance.last_run(record, Kind.VERIFY, one.name, Trigger.SCHEDULED),
                glance.last_run(record, Kind.DRILL, one.name),
            )
            for one in service.sets(set_name)
        }
        if as_json:
            console.say_json({name: one.model_dump(mode="json") for name, one in body.items()})
        else:
            backups.status(body)

    run(use)
