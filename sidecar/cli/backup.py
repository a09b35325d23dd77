"""`backup`: back up one set or all sets now."""

from typing import Any

from sidecar import errors
from sidecar.cli import commands, exits
from sidecar.cli.options import Json, SetName
from sidecar.cli.running import CLEAN_UP_SECONDS, run
from sidecar.cli.terminal import backups, console
from sidecar.cli.terminal.progress import progress
from sidecar.model import Trigger
from sidecar.service import Service

app = commands.app()


@app.command()
def backup(set_name: SetName = "all", *, as_json: Json = False) -> None:
    """Back up a set now, then apply its retention rules."""

    async def use(service: Service) -> int:
        made = [await _back_up_one(service, one.name, as_json=as_json) for one in service.sets(set_name)]
        if as_json:
            console.say_json({one["set"]: one["body"] for one in made})
        return max(int(one["exit"]) for one in made)

    said = "a backup that was not complete was discarded; complete ones stay"
    run(use, interrupted=said, cleans_up_within=CLEAN_UP_SECONDS)  # the next backup sweeps what is left


async def _back_up_one(service: Service, name: str, *, as_json: bool) -> dict[str, Any]:
    """Back up one set. An error is reported and returned, so that the other sets are still backed up."""
    try:
        with progress() as listener:
            made = await service.back_up(name, Trigger.MANUAL, listener)
    except errors.SidecarError as error:
        console.complain(error)
        return {
            "set": name,
            "exit": exits.exit_code(error),
            "body": {"success": False, "message": str(error), "code": error.code},
        }
    if made.retention_error:
        console.complain(made.retention_error)
    manifest = made.manifest
    if not as_json:
        backups.made(manifest)
    body = {"success": True, "message": manifest.filename, "metadata": manifest.model_dump(mode="json")}
    return {"set": name, "exit": exits.FAILED if made.retention_error else exits.OK, "body": body}
