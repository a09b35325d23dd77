"""`schedule`: show, pause and resume the schedules of the running server."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from sidecar import errors
from sidecar.cli import commands, server
from sidecar.cli.options import Json, SetName
from sidecar.cli.terminal import console
from sidecar.cli.terminal.serving import schedule as table

app = commands.group("Show, pause and resume the schedules of the running server.")

Hours = Annotated[float | None, typer.Option("--hours", min=0.01, help="Resume by itself after so many hours.")]
Until = Annotated[datetime | None, typer.Option("--until", help="Resume by itself then, in UTC.")]


@app.command()
def show(*, as_json: Json = False) -> None:
    """Show every schedule: when it runs next, how it went last, and whether it is paused."""
    _say(server.ask("GET", "/schedule"), "all", as_json=as_json)


@app.command()
def pause(set_name: SetName = "all", *, hours: Hours = None, until: Until = None, as_json: Json = False) -> None:
    """Pause scheduled backups, until `sidecar schedule resume` or for a time. Verifications and drills go on."""
    if hours is not None and until is not None:
        raise errors.UsageError("expected either --hours or --until")
    end = datetime.now(UTC) + timedelta(hours=hours) if hours else until and until.replace(tzinfo=UTC)
    body = {"until": end.isoformat()} if end else {}
    _say(server.ask("POST", "/schedule/pause", {"backup_type": set_name}, body), set_name, as_json=as_json)


@app.command()
def resume(set_name: SetName = "all", *, as_json: Json = False) -> None:
    """Resume scheduled backups at their next due time. Backups that were due during the pause are not made up for."""
    _say(server.ask("POST", "/schedule/resume", {"backup_type": set_name}), set_name, as_json=as_json)


def _say(body: Any, set_name: str, *, as_json: bool) -> None:
    if as_json:
        console.say_json(body)
    else:
        table([one for one in body["entries"] if set_name in ("all", one["backup_type"])], body["timezone"])
