"""`restore`: restore collections or documents from a backup."""

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from sidecar import errors
from sidecar.archive.criteria import listed
from sidecar.cli import commands, exits
from sidecar.cli.fetched import fetched
from sidecar.cli.options import FromCopy, IdOrNone, Json
from sidecar.cli.running import run
from sidecar.cli.terminal import console, restores
from sidecar.cli.terminal.progress import progress
from sidecar.restore.restore import Chosen, Order, choose
from sidecar.restore.safety import Result
from sidecar.service import Service

app = commands.app()


BackupFile = Annotated[Path | None, typer.Option(help="A data file, with its metadata beside it.")]
Target = Annotated[str | None, typer.Option(help="Restore into this database instead of DB_NAME.")]
Collections = Annotated[
    str | None, typer.Option("--collections", "-c", help="Only these collections, separated by commas.")
]
Ids = Annotated[
    str | None,
    typer.Option(help="Only the documents with these _ids, separated by commas: texts, ObjectIds, Extended JSON."),
]
DryRun = Annotated[bool, typer.Option(help="Show what would be replaced and write nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; needed without a terminal.")]
NoSafety = Annotated[
    str | None,
    typer.Option(
        metavar="DATABASE", help="Make no safety backup of what is replaced; confirm it with the name of the database."
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Restore in spite of the obstacles in the plan; skip indexes that the server refuses."
    ),
]
NoIndexes = Annotated[
    bool, typer.Option("--no-indexes", help="Restore documents without indexes, except the one on _id.")
]


@app.command()
def restore(  # noqa: PLR0913 - one parameter per documented option
    backup_id: IdOrNone = None,
    *,
    from_copy: FromCopy = None,
    backup_file: BackupFile = None,
    target_db: Target = None,
    collections: Collections = None,
    ids: Ids = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    no_safety: NoSafety = None,
    force: Force = False,
    no_indexes: NoIndexes = False,
    as_json: Json = False,
) -> None:
    """Restore collections from a backup, then read them back and compare."""
    chosen = backup_file or backup_id
    if chosen is None or (backup_file and backup_id):
        raise errors.UsageError("expected either a backup id or --backup-file")
    if from_copy is not None and backup_id is None:
        raise errors.UsageError("--from: expected a backup id")

    async def use(service: Service) -> int:
        async with fetched(service, chosen, from_copy) as found:
            return await work(service, found)

    async def work(service: Service, found: str | Path) -> int:
        names = None if collections is None else [name.strip() for name in collections.split(",")]
        order = service.restore_order(found, target_db=target_db, collections=names, force=force)
        order = replace(order, with_indexes=not no_indexes, ids=None if ids is None else tuple(listed(ids)))
        is_asked = not dry_run and not yes and sys.stdin.isatty()  # show the whole plan before asking
        verified = None if dry_run or is_asked or order.ids else await choose(order)
        planned = await service.plan(order, verified)
        estimate = service.estimated_seconds(order)
        if as_json and dry_run:
            console.say_json(asdict(planned) | {"estimated_seconds": estimate})
        elif not as_json:
            restores.plan(planned, order.target_db, estimate)
        if not dry_run:
            _require_consent(order, yes=yes, no_safety=no_safety)
            _show_result(await _restored(service, order, verified, safety=no_safety is None), as_json=as_json)
        return exits.OK

    run(use, interrupted=None if dry_run else "this restore had replaced nothing yet, or was complete")


async def _restored(service: Service, order: Order, verified: Chosen | None, *, safety: bool) -> Result:
    verified = verified or (None if order.ids else await choose(order))
    await service.recover()
    with progress() as listener:
        return await service.restore(replace(order, listener=listener), verified, safety=safety)


def _show_result(result: Result, *, as_json: bool) -> None:
    restored, safety = result.restored, result.safety.backup_id if result.safety else None
    if as_json:
        held = {name: details.model_dump() for name, details in restored.collections.items()}
        late = {name: one.backup_id for name, one in result.late.items()}
        facts = {
            "backup_id": restored.backup_id,
            "target_db": restored.target_db,
            "safety_backup": safety,
            "late": late,
            "remarks": restored.remarks,
        }
        console.say_json(facts | {"collections": held})
    else:
        console.say(
            f"The old state is in the safety backup {safety}, which is pinned."
            if safety
            else "Nothing was replaced, so there is no safety backup."
        )
        for name, one in result.late.items():
            console.say(f"{name} was written to while it was being replaced: that is in {one.backup_id}.")
        restores.restored(restored)


def _require_consent(order: Order, *, yes: bool, no_safety: str | None) -> None:
    if no_safety not in (None, order.target_db):
        raise errors.UsageError(f"--no-safety: expected the database's name, {order.target_db}")
    what = "collections" if order.ids is None else "documents"
    if yes:
        return
    if not sys.stdin.isatty():
        raise errors.UsageError(f"this replaces {what}: expected --yes where there is no terminal to ask on")
    typer.confirm(f"Replace these {what} of {order.target_db}?", abort=True)
