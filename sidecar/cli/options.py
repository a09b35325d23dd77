"""Arguments and options that several commands share."""

from typing import Annotated

import typer

from sidecar.cli import completing

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
SetName = Annotated[
    str,
    typer.Argument(
        metavar="SET",
        help="A configured set, `both` (main and attendance) or `all`.",
        autocompletion=completing.sets,
    ),
]
_ID = typer.Argument(metavar="ID", help="A backup, as `sidecar list` names it.", autocompletion=completing.ids)
FromCopy = Annotated[
    str | None,
    typer.Option("--from", metavar="COPY", help="Fetch the backup from this copy.", autocompletion=completing.copies),
]
Id = Annotated[str, _ID]
IdOrNone = Annotated[str | None, _ID]
