"""`checksums`: lines for `sha256sum -c`."""

from sidecar.cli import commands
from sidecar.cli.running import SetName, run
from sidecar.cli.terminal import console
from sidecar.service import Service

app = commands.app()


@app.command()
def checksums(set_name: SetName = "all") -> None:
    """Print a SHA256SUMS of every backup that has metadata: `sidecar checksums | (cd BACKUP_DIR && sha256sum -c)`."""

    async def use(service: Service) -> None:
        for one in service.sets(set_name):
            for stored in service.catalog.backups(one.name):
                if stored.manifest is not None:
                    console.say(f"{stored.manifest.checksum}  {one.directory / stored.filename}")

    run(use)
