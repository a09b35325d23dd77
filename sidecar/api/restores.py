"""Restoring over HTTP: what differs between two backups, the plan of a restore, and the restore as a job."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from pathlib import Path

from aiohttp import web

from sidecar.api import parameters, problems, schemas
from sidecar.api.context import Sidecar, sidecar_of
from sidecar.api.jobs import awaited, location_of
from sidecar.api.routing import Access, Reply, RouteTable
from sidecar.archive.criteria import given
from sidecar.errors import (
    BackupInvalid,
    BackupNotFound,
    Busy,
    CopyError,
    IdentityRequired,
    SourceError,
    StorageFull,
    UsageError,
)
from sidecar.inspect.compare import Difference, compare_backups, compare_live
from sidecar.model import Outcome
from sidecar.restore.restore import choose
from sidecar.runtime.threads import in_thread

routes = RouteTable(tag="Restore")


@routes.post(
    "/api/admin/backups/{backup_id}/restore",
    access=Access.WRITE,
    path=parameters.BackupPath,
    query=parameters.RestoreQuery,
    body=parameters.RestoreBody,
    response=schemas.RestoreResult,
    also=schemas.RESULTS | {422: "The body says why it was refused."},
    headers={"Location": "The job, while it is not over."},
    errors=(
        BackupNotFound,
        BackupInvalid,
        IdentityRequired,
        UsageError,
        Busy,
        SourceError,
        CopyError,
        StorageFull,
    ),
)
async def restore_backup(
    request: web.Request, path: parameters.BackupPath, query: parameters.RestoreQuery, body: parameters.RestoreBody
) -> Reply:
    """Restore collections from a backup, then read them back and compare. What is replaced is backed up first."""
    sidecar = sidecar_of(request)
    async with AsyncExitStack() as stack:
        chosen = await stack.enter_async_context(sidecar.service.chosen(path.backup_id, body.from_copy))
        return await _restored(sidecar, chosen, path, query, body, stack)


async def _restored(  # noqa: PLR0913 - what was asked for, and what was fetched for it
    sidecar: Sidecar,
    found: str | Path,
    path: parameters.BackupPath,
    query: parameters.RestoreQuery,
    body: parameters.RestoreBody,
    stack: AsyncExitStack,
) -> Reply:
    """What was fetched stays until the job is over, however long the answer waits for that."""
    order = await in_thread(
        sidecar.service.restore_order,
        found,
        target_db=body.target_db,
        collections=body.collections,
        force=body.force,
    )
    ids = None if body.ids is None else tuple(map(given, body.ids))
    order = replace(order, with_indexes=not body.no_indexes, ids=ids)
    if not body.dry_run and body.confirm != order.target_db:
        raise UsageError(f"confirm: expected the database's name, {order.target_db}")
    chosen = None if body.dry_run or order.ids else await choose(order)
    planned = await sidecar.service.plan(order, chosen)
    result = schemas.RestoreResult(
        backup_id=path.backup_id,
        target_db=order.target_db,
        plan=tuple(schemas.PlannedCollection(**asdict(one)) for one in planned.collections),
        obstacles=planned.obstacles,
        estimated_seconds=await in_thread(sidecar.service.estimated_seconds, order),
        success=None,
        message="a dry run: nothing was written",
        job_id=None,
        code=None,
    )
    if body.dry_run:
        return Reply(result)
    job = await sidecar.operations.restore(order, chosen, release=stack.pop_all().aclose)
    (run,) = await awaited(sidecar, job.id, query.wait)
    outcome = {"message": run.message or "under way", "job_id": job.id, "code": run.code}
    if run.outcome is None:
        return Reply(result.model_copy(update=outcome), status=202, headers={"Location": location_of(job.id)})
    done = result.model_copy(update=outcome | {"success": run.outcome is Outcome.SUCCEEDED})
    return Reply(done, status=problems.status_of_code(run.code) if run.code else 200)


@routes.get(
    "/api/admin/backups/{backup_id}/diff/{other_id}",
    access=Access.READ,
    path=parameters.BackupPair,
    response=schemas.Differences,
    errors=(BackupNotFound, BackupInvalid, IdentityRequired),
)
async def diff_backups(request: web.Request, path: parameters.BackupPair) -> Reply:
    """Show what the second backup added, removed and changed against the first. Reads both from end to end."""
    service = sidecar_of(request).service
    left, right = await in_thread(service.locate, path.backup_id), await in_thread(service.locate, path.other_id)
    return _differences(await in_thread(compare_backups, left, right, service.codec, service.settings.backup_dir))


@routes.get(
    "/api/admin/backups/{backup_id}/diff",
    access=Access.READ,
    path=parameters.BackupPath,
    response=schemas.Differences,
    errors=(BackupNotFound, BackupInvalid, IdentityRequired, SourceError),
)
async def diff_live(request: web.Request, path: parameters.BackupPath) -> Reply:
    """Show what changed in the database since the backup. Reads both from end to end."""
    service = sidecar_of(request).service
    left = await in_thread(service.locate, path.backup_id)
    return _differences(await compare_live(left, service.database, service.codec, service.settings.backup_dir))


def _differences(found: Mapping[str, Difference]) -> Reply:
    return Reply(schemas.Differences({name: schemas.DifferenceBody(**asdict(one)) for name, one in found.items()}))
