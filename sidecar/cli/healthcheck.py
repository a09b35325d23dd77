"""`healthcheck`: check whether the running sidecar answers."""

import os

import typer

from sidecar.cli import commands, probe

app = commands.app()


@app.command()
def healthcheck() -> None:
    """Ask the running sidecar's /healthz; for a container's HEALTHCHECK."""
    raise typer.Exit(probe.ask(os.environ))
