"""`notify`: test heartbeats, webhook and mail."""

import asyncio
import os

import typer

from sidecar import config, errors
from sidecar.cli import commands, exits
from sidecar.cli.looking import quiet_logs
from sidecar.cli.options import Json
from sidecar.cli.terminal import console
from sidecar.notices.rehearsal import Delivery, rehearse

app = commands.group("Heartbeats, webhook and mail.")


@app.callback()
def notify() -> None:
    """Heartbeats, webhook and mail."""  # a group of its own, although it has one command


@app.command("test")
def send_test(*, as_json: Json = False) -> None:
    """Send a test message to each configured channel, without the running server. Exit code 1 if one does not arrive.

    Heartbeat URLs get the signal `log`, which counts neither as success nor as failure.
    """
    settings = config.load(os.environ)
    quiet_logs(settings)
    found = asyncio.run(rehearse(settings))
    if not found:
        raise errors.UsageError(
            "no channel is configured: expected SIDECAR_HEARTBEAT_URL, SIDECAR_WEBHOOK_URL or SIDECAR_SMTP_HOST"
        )
    if as_json:
        console.say_json([_body(one) for one in found])
    else:
        for one in found:
            where = f"{one.channel} of {one.set_name}" if one.set_name else str(one.channel)
            console.say(f"{where}: {one.error or 'arrived'}")
    raise typer.Exit(exits.FAILED if any(one.error for one in found) else exits.OK)


def _body(one: Delivery) -> dict[str, str | None]:
    return {"channel": one.channel.value, "backup_type": one.set_name or None, "error": one.error}
