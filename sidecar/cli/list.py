"""`list`: every backup, and whether it can be trusted."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from sidecar.cli import commands
from sidecar.cli.looking import look
from sidecar.cli.options import Json, SetName
from sidecar.cli.terminal import backups, console
from sidecar.holdings import Holdings
from sidecar.model import NOT_READ, StoredBackup
from sidecar.status import reports
from sidecar.store.catalog import Catalog
from sidecar.store.findings import Findings

app = commands.app()


@app.command()
def list_backups(
    set_name: SetName = "all",
    *,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="Only the newest N backups of each set.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="Only those taken then or later, in UTC.")] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Read no data: show the result of each backup's last check, and its time."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the backups, newest last, and whether each is valid. Reads every file that changed since its last check."""
    begin = since.replace(tzinfo=UTC) if since else datetime.min.replace(tzinfo=UTC)

    def use(held: Holdings) -> None:
        now = datetime.now(UTC)
        catalog = Catalog(held.stores, Findings(held.settings.backup_dir), reads=False) if quick else held.catalog
        stored = [
            backup
            for one in held.sets(set_name)
            for backup in (catalog.backups(one.name) if limit is None else catalog.newest(one.name, limit))
            if backup.taken_at >= begin
        ]
        if as_json:
            console.say_json([_body(one, now, quick=quick) for one in stored])
            return
        backups.backups(stored, now)
        if quick:
            backups.read_when(stored)

    look(use)


def _body(one: StoredBackup, now: datetime, *, quick: bool) -> dict[str, object]:
    body = reports.entry(one, now).model_dump(mode="json")
    unknown = {"is_valid": None, "state": None} if one.verdict == NOT_READ else {}
    return body | unknown | ({"verified_at": one.verified_at} if quick else {})
