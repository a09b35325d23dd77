"""`version`: print the version."""

from sidecar import __version__
from sidecar.cli import commands
from sidecar.cli.terminal import console

app = commands.app()


@app.command()
def version() -> None:
    """Print the version."""
    console.say(__version__)
