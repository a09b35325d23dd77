"""`backup`, `confirm`, `pin`, `unpin` and `prune`: what adds backups, what keeps them and what takes them away."""

import getpass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from sidecar import errors
from sidecar.cli import exits, terminal
from sidecar.cli.running import Json, SetName, app, run
from sidecar.model import Trigger
from sidecar.service import Service
from sidecar.status import reports


@app.command()
def backup(set_name: SetName = "all", *, as_json: Json = False) -> None:
    """Back up a set now, then carry out its retention rules."""

    async def use(service: Service) -> int:
        made = [await _back_up_one(service, one.name, as_json=as_json) for one in service.sets(set_name)]
        if as_json:
            terminal.say_json({one["set"]: one["body"] for one in made})
        return max(int(one["exit"]) for one in made)

    run(use, writes=True)


async def _back_up_one(service: Service, name: str, *, as_json: bool) -> dict[str, Any]:
    """One set; its failure does not keep the others from being backed up."""
    try:
        with terminal.progress() as listener:
            made = await service.back_up(name, Trigger.MANUAL, listener)
    except errors.SidecarError as error:
        terminal.complain(error)
        return {
            "set": name,
            "exit": exits.exit_code(error),
            "body": {"success": False, "message": str(error), "code": error.code},
        }
    if made.retention_error:
        terminal.complain(made.retention_error)
    manifest = made.manifest
    if not as_json:
        terminal.made(manifest)
    body = {"success": True, "message": manifest.filename, "metadata": manifest.model_dump(mode="json")}
    return {"set": name, "exit": exits.FAILED if made.retention_error else exits.OK, "body": body}


@app.command()
def confirm(backup_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Say that what a suspect backup lost was meant to go; the retention rules of its set go on."""

    async def use(service: Service) -> None:
        confirmed = service.confirm(backup_id, f"{getpass.getuser()} on the command line")
        terminal.say(
            f"{confirmed.id} is confirmed: {'; '.join(reports.entry(confirmed, datetime.now(UTC)).suspicions)}"
        )

    run(use)


@app.command()
def pin(
    backup_id: Annotated[str, typer.Argument(metavar="ID")],
    *,
    until: Annotated[
        datetime | None, typer.Option(help="In UTC; without it the pin holds until `sidecar unpin`.")
    ] = None,
) -> None:
    """Keep a backup whatever the retention rules say."""
    end = until.replace(tzinfo=UTC) if until else None
    if end is not None and end <= datetime.now(UTC):
        raise errors.AlreadyOver(f"--until: expected a time in the future, not {end:%Y-%m-%d %H:%M:%S} UTC")

    async def use(service: Service) -> None:
        pinned = service.pin(backup_id, end)
        terminal.say(f"{pinned.id} is kept {f'until {end:%Y-%m-%d %H:%M:%S} UTC' if end else 'until it is unpinned'}.")

    run(use)


@app.command()
def unpin(backup_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Leave a backup to the retention rules again."""

    async def use(service: Service) -> None:
        terminal.say(f"{service.unpin(backup_id).id} is left to the retention rules.")

    run(use)


@app.command()
def prune(
    set_name: SetName = "all",
    *,
    dry_run: Annotated[bool, typer.Option(help="Show the verdicts and delete nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Delete what the retention rules let go; every verdict with its reason."""

    async def use(service: Service) -> None:
        act = service.decisions if dry_run else service.prune
        judged = [decision for one in service.sets(set_name) for decision in act(one.name)]
        if as_json:
            terminal.say_json(
                [
                    {"backup_id": str(d.id), "keep": d.keep, "reason": d.reason, "expires_at": d.expires_at}
                    for d in judged
                ]
            )
        else:
            terminal.decisions(judged)

    run(use)
