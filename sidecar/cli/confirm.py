"""`confirm`: accept a suspect backup."""

import getpass
from datetime import UTC, datetime

from sidecar.cli import commands
from sidecar.cli.options import Id
from sidecar.cli.running import run
from sidecar.cli.terminal import console
from sidecar.service import Service
from sidecar.status import reports

app = commands.app()


@app.command()
def confirm(backup_id: Id) -> None:
    """Accept a suspect backup: its documents were deleted on purpose. Until then no backup of its set is deleted."""

    async def use(service: Service) -> None:
        confirmed = service.keeping.confirm(backup_id, f"{getpass.getuser()} on the command line")
        console.say(f"{confirmed.id} is confirmed: {'; '.join(reports.entry(confirmed, datetime.now(UTC)).suspicions)}")

    run(use)
