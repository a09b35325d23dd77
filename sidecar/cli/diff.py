"""`diff`: show what changed between two backups, or since one."""

from dataclasses import asdict
from typing import Annotated

import typer

from sidecar import errors
from sidecar.cli import commands, completing, exits
from sidecar.cli.fetched import fetched
from sidecar.cli.options import FromCopy, Json
from sidecar.cli.running import run
from sidecar.cli.terminal import console
from sidecar.cli.terminal.differences import differences
from sidecar.inspect import compare
from sidecar.service import Service

app = commands.app()


@app.command()
def diff(
    left: Annotated[str, typer.Argument(metavar="A", help="The older backup.", autocompletion=completing.ids)],
    right: Annotated[
        str | None, typer.Argument(metavar="B", help="The newer backup.", autocompletion=completing.ids)
    ] = None,
    *,
    from_copy: FromCopy = None,
    live: Annotated[bool, typer.Option("--live", help="Compare with what the database holds now.")] = False,
    as_json: Json = False,
) -> None:
    """Show which documents were added, removed or changed between two backups, or since one. Exit code 1 if any.

    `--from` fetches A from a copy.
    """
    if (right is None) == (not live):
        raise errors.UsageError("expected a second backup id or --live")

    async def use(service: Service) -> int:
        directory = service.settings.backup_dir
        async with fetched(service, left, from_copy) as chosen:
            before = service.locate(chosen)
            if right is None:
                found = await compare.compare_live(before, service.database, service.codec, directory)
            else:
                found = compare.compare_backups(before, service.locate(right), service.codec, directory)
        if as_json:
            console.say_json({name: asdict(one) for name, one in found.items()})
        else:
            differences(found)
        return exits.OK if all(one.is_equal for one in found.values()) else exits.FAILED

    run(use)
