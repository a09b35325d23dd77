"""`status`: how well each set is protected."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sidecar.cli import commands, exits
from sidecar.cli.looking import look
from sidecar.cli.options import Json, SetName
from sidecar.cli.terminal import backups, console, serving
from sidecar.errors import SidecarError
from sidecar.history import DIRECTORY, glance
from sidecar.holdings import Holdings
from sidecar.model import Kind, Trigger
from sidecar.rules.health import Health
from sidecar.rules.stock import Stock, stock_of
from sidecar.status import reports
from sidecar.status.bodies import CopyStatus
from sidecar.store.lock import DIRECTORY as LOCKS
from sidecar.store.lock import SOCKET

app = commands.app()
SERVER_SECONDS = 3.0
NO_SERVER = "Scheduler: no server runs on this directory, so nothing is backed up by itself."
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
                stock := stock_of(held.catalog.backups(one.name), now),
                now,
                (
                    glance.last_run(record, Kind.VERIFY, one.name, Trigger.SCHEDULED),
                    glance.last_run(record, Kind.DRILL, one.name),
                ),
                _copies_of(held, one.name, stock, now),
            )
            for one in held.sets(set_name)
        }
        if as_json:
            console.say_json({name: one.model_dump(mode="json") for name, one in body.items()})
        else:
            backups.status(body, next(iter(held.stores.values())).space().free)
            _say_next_runs(held.settings.backup_dir, body)
        is_bad = any(one.health in _BAD for one in body.values())
        return exits.INVALID if check and is_bad else exits.OK

    look(use)


def _copies_of(held: Holdings, set_name: str, here: Stock, now: datetime) -> list[CopyStatus]:
    settings = held.settings
    if not settings.copies:
        return []
    from sidecar.copies.copies import Copies  # noqa: PLC0415 - not everybody has one
    from sidecar.status.copies import copies_of  # noqa: PLC0415 - the same

    copies = Copies(settings.copies, held.catalog, held.policies, settings.min_storage_bytes)
    return copies_of(copies, set_name, here, now)


def _say_next_runs(directory: Path, names: Iterable[str]) -> None:
    """What the running server says. It is one line of many: a server that hangs is not waited for long."""
    if not os.path.lexists(directory / LOCKS / SOCKET):
        console.say(NO_SERVER, "yellow")
        return
    from sidecar.cli import server  # noqa: PLC0415 - HTTP is for where somebody answers

    try:
        serving.next_runs(server.ask("GET", "/schedule", seconds=SERVER_SECONDS), names)
        serving.mongodb(server.ask("GET", "/backups/health", seconds=SERVER_SECONDS)["mongodb"])
    except server.NoServer:
        console.say(NO_SERVER, "yellow")
    except SidecarError as error:
        console.say(f"Scheduler: unknown: {error}", "yellow")
