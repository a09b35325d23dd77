"""`serve`: run the server beside the application."""

import asyncio
import gc
import os
import secrets

import structlog
import typer

from sidecar.bootstrap.server import serving
from sidecar.bootstrap.service import load_settings
from sidecar.cli import commands, exits
from sidecar.cli.looking import end_at_the_latest, ending
from sidecar.cli.terminal import console
from sidecar.config import Secret, Settings
from sidecar.metrics import Telemetry
from sidecar.runs.jobs import Jobs
from sidecar.runtime import logs, systemd

START_SECONDS = 10.0  # a start takes one or two; after ten the log says why, in case a liveness probe then kills us
STOP_SECONDS = 9.5  # Docker kills a container ten seconds after SIGTERM

app = commands.app()
log = structlog.get_logger(__name__)


@app.command()
def serve() -> None:
    """Run the schedules, the API and the metrics until SIGTERM."""
    settings = load_settings(os.environ)
    token = settings.admin_token or Secret(secrets.token_urlsafe(32))
    telemetry, jobs = Telemetry(), _Ears()
    taps = (telemetry.hear, jobs.hear)
    logs.configure(settings.log_format, settings.log_level, [*settings.secrets(), token.reveal()], taps)
    asyncio.run(_serve(settings, token, telemetry, jobs))
    raise typer.Exit(exits.OK)


class _Ears:
    """Passes log events on to the jobs, once the jobs exist."""

    def __init__(self) -> None:
        self.jobs: Jobs | None = None

    def hear(self, event: logs.Event) -> None:
        if self.jobs is not None:
            self.jobs.hear(event)

    def listen_for(self, jobs: Jobs) -> None:
        self.jobs = jobs


async def _serve(settings: Settings, token: Secret, telemetry: Telemetry, ears: _Ears) -> None:
    told_to_stop = asyncio.Event()

    def stop() -> None:
        told_to_stop.set()
        end_at_the_latest(STOP_SECONDS, exits.FAILED)  # also a start that hangs

    for number in ending():
        asyncio.get_running_loop().add_signal_handler(number, stop)
    waiting = asyncio.create_task(_tell_of_waiting())
    async with serving(settings, token, telemetry, ears.listen_for) as listener:
        waiting.cancel()
        gc.freeze()  # to go through what is there by now takes 60 ms, 280 with 10,000 backups, in which nothing answers
        if settings.admin_token is None:
            console.say(f"Admin token, made for this run: {listener.url}/#token={token.reveal()}")
        async with systemd.announced(os.environ, f"Serving {listener.url}"):
            await told_to_stop.wait()


async def _tell_of_waiting() -> None:
    while True:
        await asyncio.sleep(START_SECONDS)
        log.warning("sidecar.start_waits", about="BACKUP_DIR: its storage answers slowly or not at all")
