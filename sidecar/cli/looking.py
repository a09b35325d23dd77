"""`list`, `status`, `verify`, `checksums`, `diff` and `extract`: commands that only read."""

import sys
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sidecar import errors
from sidecar.cli import exits, terminal
from sidecar.cli.running import Json, SetName, app, run
from sidecar.inspect import compare
from sidecar.inspect import extract as extracting
from sidecar.service import Service
from sidecar.status import reports


@app.command(name="list")
def list_backups(set_name: SetName = "all", *, as_json: Json = False) -> None:
    """Show every backup and whether it can be trusted; reads and hashes all of them."""

    async def use(service: Service) -> None:
        now = datetime.now(UTC)
        stored = [backup for one in service.sets(set_name) for backup in service.catalog.backups(one.name)]
        terminal.say_json(
            [reports.entry(one, now).model_dump(mode="json") for one in stored]
        ) if as_json else terminal.backups(stored, now)

    run(use)


@app.command()
def status(set_name: SetName = "all", *, as_json: Json = False) -> None:
    """Show how well each set is protected."""

    async def use(service: Service) -> None:
        now = datetime.now(UTC)
        body = {
            one.name: reports.set_status(one, service.catalog.backups(one.name), now) for one in service.sets(set_name)
        }
        if as_json:
            terminal.say_json({name: one.model_dump(mode="json") for name, one in body.items()})
        else:
            terminal.status(body)

    run(use)


@app.command()
def verify(
    backup_id: Annotated[str | None, typer.Argument(metavar="ID")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Verify every stored backup.")] = False,
    deep: Annotated[bool, typer.Option(help="Also decode every document and compare counts and fingerprints.")] = False,
    as_json: Json = False,
) -> None:
    """Read a backup again and compare it with its checksum. Exit code 3 if one is invalid."""
    if (backup_id is None) == (not every):
        raise errors.UsageError("expected either a backup id or --all")

    async def use(service: Service) -> int:
        chosen = (
            [service.catalog.find(backup_id)]
            if backup_id
            else [b for s in service.stores for b in service.catalog.backups(s)]
        )
        bodies = []
        for one in chosen:
            with terminal.progress() as listener:
                verdict = service.verify(one, deep=deep, listener=listener)
            bodies.append({"backup_id": str(one.id), "is_valid": verdict.is_valid, "message": verdict.message})
            if not as_json:
                terminal.say(f"{one.id}: {verdict.message}")
        if as_json:
            terminal.say_json(bodies if every else bodies[0])
        return exits.OK if all(body["is_valid"] for body in bodies) else exits.INVALID

    run(use)


@app.command()
def checksums(set_name: SetName = "all") -> None:
    """Print a SHA256SUMS of every backup that has metadata: `sidecar checksums | (cd BACKUP_DIR && sha256sum -c)`."""

    async def use(service: Service) -> None:
        for one in service.sets(set_name):
            for stored in service.catalog.backups(one.name):
                if stored.manifest is not None:
                    terminal.say(f"{stored.manifest.checksum}  {one.directory / stored.id.data_name}")

    run(use)


@app.command()
def diff(
    left: Annotated[str, typer.Argument(metavar="A", help="The older backup.")],
    right: Annotated[str | None, typer.Argument(metavar="B", help="The newer backup.")] = None,
    *,
    live: Annotated[bool, typer.Option("--live", help="Compare with what the database holds now.")] = False,
    as_json: Json = False,
) -> None:
    """Show which documents were added, removed or changed between two backups, or since one. Exit code 1 if any."""
    if (right is None) == (not live):
        raise errors.UsageError("expected a second backup id or --live")

    async def use(service: Service) -> int:
        before = service.locate(left)
        if right is None:
            found = await compare.compare_live(before, service.database, service.codec)
        else:
            found = compare.compare_backups(before, service.locate(right), service.codec)
        if as_json:
            terminal.say_json({name: asdict(one) for name, one in found.items()})
        else:
            terminal.differences(found)
        return exits.OK if all(one.is_equal for one in found.values()) else exits.FAILED

    run(use)


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
            terminal.err.print(
                f"{escaped} documents are written as $bson: only `sidecar restore` reads them",
                style="yellow",
                markup=False,
            )

    run(use)
