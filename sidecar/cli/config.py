"""`config`: the configuration, validated or shown."""

import os

from sidecar import config
from sidecar.cli import commands
from sidecar.cli.running import Json
from sidecar.cli.terminal import console
from sidecar.cli.terminal.settings import settings

app = commands.group("Look at the configuration.")


@app.command()
def check() -> None:
    """Validate the configuration and name every problem at once."""
    config.load(os.environ)
    console.say("The configuration is good.")


@app.command()
def show(*, as_json: Json = False) -> None:
    """Print the configuration that is in force, with secrets masked, and where each value comes from."""
    rows = config.describe(os.environ)
    if as_json:
        console.say_json({name: {"value": value, "source": source} for name, value, source in rows})
    else:
        settings(rows)
