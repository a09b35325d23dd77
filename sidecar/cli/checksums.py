"""`checksums`: print lines for `sha256sum -c`."""

from sidecar.cli import commands
from sidecar.cli.looking import look
from sidecar.cli.options import SetName
from sidecar.cli.terminal import console
from sidecar.holdings import Holdings

app = commands.app()


@app.command()
def checksums(set_name: SetName = "all") -> None:
    """Print a SHA256SUMS of every backup that has metadata: `sidecar checksums | (cd BACKUP_DIR && sha256sum -c)`."""

    def use(held: Holdings) -> None:
        for one in held.sets(set_name):
            for stored in held.catalog.backups(one.name):
                if stored.metadata is not None:
                    console.say(f"{stored.metadata.brief.checksum}  {one.directory / stored.filename}")

    look(use)
