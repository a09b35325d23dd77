"""`history`: show the versions of one document in all backups."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from sidecar import errors
from sidecar.archive.criteria import typed
from sidecar.cli import commands, exits
from sidecar.cli.options import Json
from sidecar.cli.running import run
from sidecar.cli.terminal import console
from sidecar.cli.terminal import documents as terminal
from sidecar.inspect.history import add_live, document_history
from sidecar.service import Service

app = commands.app()


@app.command()
def history(
    collection: Annotated[str, typer.Option("--collection", "-c", help="The collection of the document.")],
    identity: Annotated[
        str,
        typer.Option("--id", help="The _id of the document: text, ObjectId in hexadecimal, number or Extended JSON."),
    ],
    *,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="Only the newest N backups of each set.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the versions of one document in all backups, oldest first, and what changed. Reads every backup."""
    value = typed(identity)

    async def use(service: Service) -> int:
        stored = [
            (store, one) for name, store in service.stores.items() for one in service.catalog.backups(name)[:limit]
        ]
        stored.sort(key=lambda pair: pair[1].taken_at)
        if not any(one.manifest and collection in one.manifest.collections for _, one in stored):
            raise errors.UsageError(f"no backup holds a collection {collection!r}")
        found = document_history(stored, service.codec, collection, value, _say_progress)
        if not found.versions:
            raise next(iter(found.unread.values()))
        try:
            await add_live(found, service.codec, service.database, collection)
        except errors.SourceError as error:
            console.remark(f"the database could not be asked: {error}", "yellow")
        if as_json:
            unread = {backup_id: str(error) for backup_id, error in found.unread.items()}
            console.say_json({"versions": [asdict(one) for one in found.versions], "unread": unread})
        else:
            terminal.history(found, collection, value.text)
        if any(isinstance(error, errors.BackupInvalid) for error in found.unread.values()):
            return exits.INVALID
        return exits.OK if found.newest else exits.FAILED

    run(use)


def _say_progress(backup_id: str) -> None:
    """Tell a person who waits which backup is being read."""
    if sys.stderr.isatty():
        console.remark(f"reading {backup_id}")
