"""`jobs`: show or cancel the jobs of the running server."""

from typing import Annotated
from urllib.parse import quote

import typer

from sidecar.cli import commands, server
from sidecar.cli.options import Json
from sidecar.cli.terminal import console
from sidecar.cli.terminal.serving import jobs as table

app = commands.app()
MOST = 100


@app.command()
def jobs(
    *,
    cancel: Annotated[
        str | None, typer.Option(metavar="JOB", help="Cancel this job. It cleans up, and is recorded as aborted.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the jobs of the running server and their progress; `sidecar runs` shows those that have ended."""
    if cancel is not None:
        found = [server.ask("POST", f"/jobs/{quote(cancel, safe='')}/cancel")]
    else:
        listed = server.ask("GET", "/jobs", {"limit": MOST})["jobs"]
        found = [one for one in listed if one["state"] == "running"]
    if as_json:
        console.say_json(found)
    elif not found:
        console.say("Nothing is under way.")
    else:
        table(found)
