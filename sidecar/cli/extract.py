"""`extract`: one collection of a backup for other programs."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from sidecar.cli import commands
from sidecar.cli.running import run
from sidecar.cli.terminal import console
from sidecar.inspect import extract as extracting
from sidecar.service import Service

app = commands.app()


@app.command()
def extract(
    backup_id: Annotated[str, typer.Argument(metavar="ID")],
    collection: Annotated[str, typer.Option("--collection", "-c")],
    *,
    relaxed: Annotated[
        bool, typer.Option(help="Relaxed Extended JSON: for reading; the width of integers is lost.")
    ] = False,
    lines: Annotated[bool, typer.Option(help="One document per line instead of an array.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of standard output.")] = None,
) -> None:
    """Write one collection of a backup for mongoimport, jq or pandas."""

    async def use(service: Service) -> None:
        store, found = service.locate(backup_id)
        with output.open("wb") if output else nullcontext(sys.stdout.buffer) as out:
            escaped = extracting.extract(store, found, service.codec, collection, out, relaxed=relaxed, as_lines=lines)
        if escaped:
            console.err.print(
                f"{escaped} documents are written as $bson: only `sidecar restore` reads them",
                style="yellow",
                markup=False,
            )

    run(use)
