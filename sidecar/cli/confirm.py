"""`confirm`: a suspect backup is as it should be."""

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

from sidecar.cli import commands
from sidecar.cli.running import run
from sidecar.cli.terminal import console
from sidecar.service import Service
from sidecar.status import reports

app = commands.app()


@app.command()
def confirm(backup_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Say that what a suspect backup lost was meant to go; the retention rules of its set go on."""

    async def use(service: Service) -> None:
        confirmed = service.keeping.confirm(backup_id, f"{getpass.getuser()} on the command line")
        console.say(f"{confirmed.id} is confirmed: {'; '.join(reports.entry(confirmed, datetime.now(UTC)).suspicions)}")

    run(use)
