"""`status`: how well each set is protected."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from sidecar.cli import commands, exits
from sidecar.cli.running import Json, SetName, run
from sidecar.cli.terminal import backups, console
from sidecar.history import DIRECTORY, glance
from sidecar.model import Kind, Trigger
from sidecar.rules.health import Health
from sidecar.service import Service
from sidecar.status import reports

app = commands.app()
_BAD = (Health.WARNING, Health.CRITICAL)


@app.command()
def status(
    set_name: SetName = "all",
    *,
    check: Annotated[bool, typer.Option("--check", help="Exit code 3 where a set is at warning or worse.")] = False,
    as_json: Json = False,
) -> None:
    """Show how well each set is protected, how far back one can go, and the free space."""

    async def use(service: Service) -> int:
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
            backups.status(body, next(iter(service.stores.values())).space().free)
        is_bad = any(one.health in _BAD for one in body.values())
        return exits.INVALID if check and is_bad else exits.OK

    run(use)
