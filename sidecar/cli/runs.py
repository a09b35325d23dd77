"""`runs`: show the latest runs from the server's record."""

from typing import Annotated

import typer

from sidecar.cli import commands
from sidecar.cli.looking import look
from sidecar.cli.options import Json, SetName
from sidecar.cli.terminal import console
from sidecar.cli.terminal.runs import runs as table
from sidecar.history import DIRECTORY, glance
from sidecar.holdings import Holdings
from sidecar.model import Kind, Run

app = commands.app()


@app.command()
def runs(
    set_name: SetName = "all",
    *,
    kind: Annotated[Kind | None, typer.Option(help="Only runs of this kind.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most so many runs.")] = 20,
    as_json: Json = False,
) -> None:
    """Show the latest runs of the server, newest last. Runs of commands are not recorded."""

    def use(held: Holdings) -> None:
        names = [one.name for one in held.sets(set_name)]
        found = glance.latest_runs(held.settings.backup_dir / DIRECTORY, names, kind, limit)
        if as_json:
            console.say_json([_body(one) for one in found])
        else:
            table(found)
            console.remark("Runs of commands such as `sidecar backup` are not in this record.")

    look(use)


def _body(one: Run) -> dict[str, object]:
    return {
        "job_id": one.job_id,
        "kind": one.kind,
        "backup_type": one.set_name,
        "trigger": one.trigger,
        "started_at": one.started_at,
        "due_at": one.due_at,
        "ended_at": one.ended_at,
        "outcome": one.outcome,
        "code": one.code,
        "message": one.message,
        "backup_id": one.backup_id,
    }
