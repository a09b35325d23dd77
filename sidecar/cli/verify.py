"""`verify`: read backups again and compare them with their checksums."""

from typing import Annotated, Any

import typer

from sidecar import errors
from sidecar.cli import commands, exits
from sidecar.cli.fetched import fetched
from sidecar.cli.options import FromCopy, IdOrNone, Json
from sidecar.cli.running import run
from sidecar.cli.terminal import console
from sidecar.cli.terminal.progress import progress
from sidecar.model import StoredBackup
from sidecar.service import Service
from sidecar.store.deep import verify_deep

app = commands.app()


@app.command()
def verify(
    backup_id: IdOrNone = None,
    *,
    from_copy: FromCopy = None,
    every: Annotated[bool, typer.Option("--all", help="Verify every stored backup.")] = False,
    deep: Annotated[bool, typer.Option(help="Also decode every document and compare counts and fingerprints.")] = False,
    as_json: Json = False,
) -> None:
    """Read a backup again and compare it with its checksum. Exit code 3 if one is invalid."""
    if (backup_id is None) == (not every):
        raise errors.UsageError("expected either a backup id or --all")

    if from_copy is not None and backup_id is None:
        raise errors.UsageError("--from: expected a backup id")

    async def use(service: Service) -> int:
        if from_copy is not None and backup_id is not None:
            return await _verify_there(service, backup_id, from_copy, deep=deep, as_json=as_json)
        chosen = (
            [service.catalog.find(backup_id)]
            if backup_id
            else [b for s in service.stores for b in service.catalog.backups(s)]
        )
        bodies = [await _verified(service, one, deep=deep, is_alone=not every) for one in chosen]
        if as_json:
            console.say_json(bodies if every else bodies[0])
        else:
            for body in bodies:
                console.say(f"{body['backup_id']}: {body['message']}")
        if any(body["is_valid"] is False for body in bodies):
            return exits.INVALID
        return exits.OK if all(body["is_valid"] for body in bodies) else exits.FAILED

    run(use)


async def _verify_there(service: Service, backup_id: str, copy: str, *, deep: bool, as_json: bool) -> int:
    """Verify a backup in a copy. For its checksum it is read back there; a deep verification fetches it first."""
    if deep:
        async with fetched(service, backup_id, copy) as path:
            store, found = service.locate(path)
            with progress() as listener:
                verdict = verify_deep(store, found, service.codec, listener)
    else:
        there, found = service.copies.set_of(copy, backup_id)
        with progress() as listener:
            verdict = there.prove(there.find(found), listener).backup.verdict
    body = {"backup_id": backup_id, "is_valid": verdict.is_valid, "message": verdict.message}
    console.say_json(body) if as_json else console.say(f"{backup_id}: {verdict.message}")
    return exits.OK if verdict.is_valid else exits.INVALID


async def _verified(service: Service, one: StoredBackup, *, deep: bool, is_alone: bool) -> dict[str, Any]:
    """Verify one backup. Of several backups, one that no key opens does not keep the others from being verified."""
    try:
        with progress() as listener:
            verdict = await service.verify(one, deep=deep, listener=listener)
    except errors.IdentityRequired as error:
        if is_alone:
            raise
        return {"backup_id": str(one.id), "is_valid": None, "message": str(error)}
    return {"backup_id": str(one.id), "is_valid": verdict.is_valid, "message": verdict.message}
