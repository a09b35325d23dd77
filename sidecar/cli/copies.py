"""`copies`: work with the copies of the backups. The commands do the work themselves, beside a running server."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from sidecar import errors
from sidecar.cli import commands, completing, exits
from sidecar.cli.options import Id, Json
from sidecar.cli.running import run
from sidecar.cli.terminal import console, elsewhere
from sidecar.cli.terminal.progress import progress
from sidecar.runtime.threads import in_thread
from sidecar.service import Service

app = commands.group("Copies of the backups elsewhere: list, send, fetch, heal and take over.")

CopyName = Annotated[
    str,
    typer.Argument(
        metavar="COPY", help="A table [copies.NAME] of the configuration.", autocompletion=completing.copies
    ),
]
_LEFT = "the next `sidecar copies sync` sends the interrupted backup again, or deletes what was sent of it"


@app.command()
def status(*, as_json: Json = False) -> None:
    """Show each copy of each set: age, number, backups still to send, and the last contact. No copy is contacted."""

    async def use(service: Service) -> int:
        copies = service.copies
        found = [copies.standing(one.name, name) for one in copies.configured.values() for name in one.sets]
        if as_json:
            console.say_json([elsewhere.body(one, datetime.now(UTC)) for one in found])
        elif not found:
            console.say("No copy is configured: every backup ends with this machine. See docs/copies.md.")
        else:
            elsewhere.standings(found, datetime.now(UTC))
        return exits.OK

    run(use)


@app.command("list")
def list_copies(copy: CopyName, *, as_json: Json = False) -> None:
    """List the backups that a copy holds now, newest last, and whether each was read back."""

    async def use(service: Service) -> None:
        held = [one for name in service.copies.copy(copy).sets for one in service.copies.of(copy, name).look()]
        owner, is_ours = service.copies.owner_of(copy)
        if as_json:
            console.say_json([elsewhere.entry(one) for one in held])
            return
        elsewhere.listing(held)
        whose = "this directory" if is_ours else f"the sidecar {owner}" if owner else "no sidecar yet"
        console.say(f"{service.copies.copy(copy).url} is written by {whose}.")

    run(use)


@app.command()
def push(backup_id: Id, copy: CopyName) -> None:
    """Send one backup and read it back, even if the retention rules of the copy would not keep it."""

    async def use(service: Service) -> None:
        with progress() as listener:
            held = service.copies.push(copy, service.catalog.find(backup_id), listener)
        read = "and read back there" if held.is_proven else "but not read back: the copy is write_only"
        console.say(f"{backup_id} was sent to {copy} {read}.")

    run(use, interrupted=_LEFT, cleans_up_within=1.0)


@app.command()
def pull(backup_id: Id, copy: CopyName) -> None:
    """Fetch a backup from a copy into this directory, and pin it for seven days."""

    async def use(service: Service) -> None:
        with progress() as listener:
            is_new = service.copies.pull(copy, backup_id, listener)
        console.say(
            f"{backup_id} is here, verified and pinned for seven days." if is_new else f"{backup_id} was here already."
        )

    run(use, interrupted="an incomplete backup was discarded; a complete one stays", cleans_up_within=1.0)


@app.command()
def sync(copy: CopyName, *, as_json: Json = False) -> None:
    """Bring a copy up to date: send missing backups, read back new ones, heal damage on both sides, prune the copy."""

    async def use(service: Service) -> int:
        bodies: dict[str, Any] = {}
        code = exits.OK
        for name in service.copies.copy(copy).sets:
            try:
                with progress() as listener:
                    report = await in_thread(service.copies.mirror(copy, name).sync, listener)
                report.require_success()
                bodies[name] = {"success": True, "message": str(report)}
            except errors.SidecarError as error:
                bodies[name] = {"success": False, "message": str(error), "code": error.code}
                code = max(code, exits.exit_code(error))
                if not as_json:
                    console.complain(error)
        if as_json:
            console.say_json(bodies)
        else:
            for name, body in bodies.items():
                console.say(f"{name}: {body['message']}")
        return code

    run(use, interrupted=_LEFT, cleans_up_within=1.0)


@app.command()
def adopt(
    copy: CopyName,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed without a terminal.")] = False,
) -> None:
    """Take over a copy: from now on this directory sends to it and prunes it, and its former owner can only read it."""

    async def use(service: Service) -> None:
        owner, is_ours = service.copies.owner_of(copy)
        if is_ours:
            console.say(f"{copy} is written by this directory already.")
            return
        if owner and not yes:
            elsewhere.require_consent(copy, str(owner))
        service.copies.adopt(copy)
        console.say(f"{copy} is written by this directory from now on.")

    run(use)
