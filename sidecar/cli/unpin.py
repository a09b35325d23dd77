"""`unpin`: remove a backup's pin."""

from sidecar.cli import commands
from sidecar.cli.options import Id
from sidecar.cli.running import run
from sidecar.cli.terminal import console
from sidecar.service import Service

app = commands.app()


@app.command()
def unpin(backup_id: Id) -> None:
    """Remove a pin: the retention rules apply to the backup again."""

    async def use(service: Service) -> None:
        console.say(f"{service.keeping.unpin(backup_id).id} is left to the retention rules.")

    run(use)
