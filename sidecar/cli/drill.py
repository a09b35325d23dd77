"""`drill`: rehearse a restore."""

import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from sidecar import errors
from sidecar.cli import commands, exits, server
from sidecar.cli.options import FromCopy, Json, SetName
from sidecar.cli.running import CLEAN_UP_SECONDS, run
from sidecar.cli.terminal import console, restores
from sidecar.cli.terminal.progress import progress
from sidecar.service import Service

app = commands.app()
LOOKS_EVERY_SECONDS = 0.3
OnServer = Annotated[
    bool,
    typer.Option(
        "--on-server", help="Let the running server do it, so that it counts in its record, metrics and alerts."
    ),
]


@app.command()
def drill(
    set_name: SetName = "all", *, from_copy: FromCopy = None, on_server: OnServer = False, as_json: Json = False
) -> None:
    """Rehearse a restore: restore the newest valid backup into a scratch database, compare, and drop it."""
    if on_server:
        if from_copy is not None:
            raise errors.UsageError("expected either --on-server or --from")
        raise typer.Exit(_drill_on_server(set_name, as_json=as_json))

    async def use(service: Service) -> int:
        await service.sweep_drills()
        proven = [await _drill_one(service, one.name, from_copy) for one in service.sets(set_name)]
        bodies = {str(one["set"]): one["body"] for one in proven}
        console.say_json(bodies) if as_json else restores.drills(bodies)
        return max(int(one["exit"]) for one in proven)

    said = "the drill proved nothing; what it left on the server, if anything, the next drill drops"
    run(use, interrupted=said, cleans_up_within=CLEAN_UP_SECONDS)


def _drill_on_server(set_name: str, *, as_json: bool) -> int:
    """Start a drill on the server and wait for its end. The server finishes it even if this command is interrupted."""
    began = server.ask("POST", "/backups/drill", {"backup_type": set_name, "wait": 0})
    job = str(next(iter(began.values()))["job_id"])
    while (seen := server.ask("GET", f"/jobs/{quote(job, safe='')}"))["state"] == "running":
        time.sleep(LOOKS_EVERY_SECONDS)
    if as_json:
        console.say_json(seen)
    else:
        for one in seen["runs"]:
            console.say(f"{one['backup_type']}: {one['outcome']}, {one['message']}")
    return exits.OK if all(one["outcome"] == "succeeded" for one in seen["runs"]) else exits.FAILED


async def _drill_one(service: Service, name: str, copy: str | None) -> dict[str, Any]:
    """Rehearse the restore of one set. An error is reported and returned, so that the other sets are still rehearsed."""
    began = time.monotonic()
    try:
        with progress() as listener:
            proven = await service.drill(name, listener, copy)
    except errors.SidecarError as error:
        console.complain(error)
        failed = {"success": False, "message": str(error), "code": error.code}
        return {"set": name, "exit": exits.exit_code(error), "body": failed}
    body = {
        "success": True,
        "message": "; ".join([proven.backup_id, *proven.remarks]),
        "documents": sum(found.documents for found in proven.collections.values()),
        "seconds": round(time.monotonic() - began, 1),
    }
    return {"set": name, "exit": exits.OK, "body": body}
