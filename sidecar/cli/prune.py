"""`prune`: what the retention rules let go."""

from typing import Annotated

import typer

from sidecar.cli import commands
from sidecar.cli.running import Json, SetName, run
from sidecar.cli.terminal import backups, console
from sidecar.service import Service

app = commands.app()


@app.command()
def prune(
    set_name: SetName = "all",
    *,
    dry_run: Annotated[bool, typer.Option(help="Show the verdicts and delete nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Delete what the retention rules let go; every verdict with its reason."""

    async def use(service: Service) -> None:
        act = service.keeping.decisions if dry_run else service.keeping.prune
        judged = [decision for one in service.sets(set_name) for decision in act(one.name)]
        if as_json:
            console.say_json(
                [
                    {"backup_id": str(d.id), "keep": d.keep, "reason": d.reason, "expires_at": d.expires_at}
                    for d in judged
                ]
            )
        else:
            backups.decisions(judged)

    run(use)
