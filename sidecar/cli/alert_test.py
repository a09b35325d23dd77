"""`alert-test`: test whether an alert reaches a person."""

import os
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from sidecar import config
from sidecar.cli import commands
from sidecar.cli.terminal import console
from sidecar.model import Severity
from sidecar.status import alert_test as file
from sidecar.status.alert_test import AlertTest

LONGEST_MINUTES = 24 * 60

Minutes = Annotated[int, typer.Option(min=0, max=LONGEST_MINUTES, help="Minutes until it ends; 0 ends it now.")]

app = commands.app()


@app.command()
def alert_test(
    *,
    severity: Annotated[Severity, typer.Option(help="The severity by which Alertmanager routes it.")] = Severity.INFO,
    minutes: Minutes = 15,
) -> None:
    """Make the harmless alert MongoBackupTest fire, to see whether it reaches a person."""
    directory = config.load(os.environ).backup_dir
    if minutes == 0:
        file.take_back(directory)
        console.say("MongoBackupTest ends within a few scrapes.")
        return
    until = datetime.now(UTC) + timedelta(minutes=minutes)
    file.ask_for(directory, AlertTest(severity=severity, until=until))
    console.say(f"MongoBackupTest fires with severity={severity} within a few scrapes, until {until:%H:%M:%S} UTC.")
