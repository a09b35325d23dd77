"""`status`: how well each set is protected."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

import typer

from sidecar.cli import commands, exits, server
from sidecar.cli.looking import look
from sidecar.cli.options import Json, SetName
from sidecar.cli.terminal import backups, console, serving
from sidecar.errors import SidecarError
from sidecar.history import DIRECTORY, glance
from sidecar.holdings import Holdings
from sidecar.model import Kind, Trigger
from sidecar.rules.health import Health
from sidecar.status import reports
from sidecar.status.copies import copies_of

app = commands.app()
SERVER_SECONDS = 3.0
_BAD = (Health.WARNING, Health.CRITICAL)


@app.command()
def status(
    set_name: SetName = "all",
    *,
    check: Annotated[bool, typer.Option("--check", help="Exit code 3 where a set is at warning or worse.")] = False,
    as_json: Json = False,
) -> None:
    """Show how well each set is protected, back to when one can go, the free space, and what runs next."""

    def use(held: Holdings) -> int:
        now, record = datetime.now(UTC), held.settings.backup_dir / DIRECTORY
        body = {
            one.name: reports.set_status(
                one,
                held.policies[one.name],
                held.catalog.backups(one.name),
                now,
                (
                    glance.last_run(record, Kind.VERIFY, one.name, Trigger.SCHEDULED),
                    glance.last_run(record, Kind.DRILL, one.name),
                ),
                copies_of(held.copies, one.name, held.catalog.backups(one.name), now),
            )
            for one in held.sets(set_name)
        }
        if as_json:
            console.say_json({name: one.model_dump(mode="json") for name, one in body.items()})
        else:
            backups.status(body, next(iter(held.stores.values())).space().free)
            _say_next_runs(body)
        is_bad = any(one.health in _BAD for one in body.values())
        return exits.INVALID if check and is_bad else exits.OK

    look(use)


def _say_next_runs(names: Iterable[str]) -> None:
    """What the running server says. It is one line of many: a server that hangs is not waited for long."""
    try:
        serving.next_runs(server.ask("GET", "/schedule", seconds=SERVER_SECONDS), names)
    except server.NoServer:
        console.say("Scheduler: no server runs on this directory, so nothing is backed up by itself.", "yellow")
    except SidecarError as error:
        console.say(f"Scheduler: unknown: {error}", "yellow")
