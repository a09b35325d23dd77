"""Backups: what there is, making, verifying, deleting and pinning them, and what the retention rules say."""

from collections.abc import Sequence
from datetime import datetime

from aiohttp import web

from sidecar.api import parameters, problems, schemas
from sidecar.api.auth import principal_of
from sidecar.api.context import Sidecar, sidecar_of
from sidecar.api.jobs import awaited, location_of, results
from sidecar.api.routing import Access, Reply, RouteTable
from sidecar.errors import (
    AlreadyOver,
    BackupInvalid,
    BackupNotFound,
    BackupProtected,
    Busy,
    IdentityRequired,
    LedgerBroken,
    NotSuspect,
    SetNotFound,
    UsageError,
)
from sidecar.history.rows import Retry
from sidecar.model import Outcome, StoredBackup
from sidecar.runtime.threads import in_thread
from sidecar.status.reports import entry

routes = RouteTable(tag="Backups")
BASE = "/api/admin/backups"


@routes.get(
    f"{BASE}/status", access=Access.READ, query=parameters.WhichSets, response=schemas.Statuses, errors=(SetNotFound,)
)
async def backup_status(request: web.Request, query: parameters.WhichSets) -> Reply:
    """Show the status of each set."""
    sidecar = sidecar_of(request)
    chosen = sidecar.service.sets(query.backup_type)
    await sidecar.overview.look(one.name for one in chosen)
    now = sidecar.clock.now()
    return Reply({one.name: sidecar.overview.status(one, now) for one in chosen})


@routes.get(
    f"{BASE}/list",
    access=Access.READ,
    query=parameters.ListQuery,
    response=schemas.BackupList,
    headers={"X-Total-Count": "How many such backups the chosen sets have altogether."},
    errors=(SetNotFound,),
)
async def list_backups(request: web.Request, query: parameters.ListQuery) -> Reply:
    """List the backups of each set, newest first."""
    sidecar = sidecar_of(request)
    names = [one.name for one in sidecar.service.sets(query.backup_type)]
    await sidecar.overview.look(names)
    now, views = sidecar.clock.now(), sidecar.overview.sets
    wanted = {name: _wanted(views[name].backups, query) for name in names}
    page = slice(query.offset, query.offset + query.limit)
    total = sum(len(found) for found in wanted.values())
    listed = {name: [_entry(sidecar, backup, now) for backup in found[page]] for name, found in wanted.items()}
    return Reply(listed, headers={"X-Total-Count": str(total)})


def _entry(sidecar: Sidecar, one: StoredBackup, now: datetime) -> schemas.ListEntry:
    return schemas.ListEntry(**dict(entry(one, now)), copies=sidecar.overview.backup_copies(one))


def _wanted(backups: Sequence[StoredBackup], query: parameters.ListQuery) -> Sequence[StoredBackup]:
    """The same where all are wanted: a page then costs what it shows."""
    if query.until is None and query.state is None and query.trigger is None:
        return backups
    return [one for one in backups if _is_wanted(one, query)]


def _is_wanted(one: StoredBackup, query: parameters.ListQuery) -> bool:
    trigger = one.metadata.brief.trigger if one.metadata else None
    is_in_time = query.until is None or one.taken_at <= query.until
    return is_in_time and query.state in (None, one.verdict.state) and query.trigger in (None, trigger)


# -- making ------------------------------------------------------------------------------------------------------------


@routes.post(
    f"{BASE}/trigger",
    access=Access.WRITE,
    query=parameters.TriggerQuery,
    response=schemas.Results,
    also=schemas.RESULTS,
    headers={"Location": "The job, while it is not over."},
    request_headers={"Idempotency-Key": "A repeated request with the same key returns the first one's job."},
    errors=(SetNotFound, UsageError),
)
async def trigger_backup(request: web.Request, query: parameters.TriggerQuery) -> Reply:
    """Back up sets now. The answer comes at the end, or after `wait` seconds, with the outcome for each set."""
    sidecar = sidecar_of(request)
    names = [one.name for one in sidecar.service.sets(query.backup_type)]
    retry = _retry(request, query.backup_type)
    earlier = await in_thread(sidecar.history.recall, retry, sidecar.clock.now()) if retry else None
    if earlier is not None:
        return await results(sidecar, earlier, query.wait)
    free = [name for name in names if sidecar.operations.is_free(name)]
    refused = {name: _BUSY for name in names if name not in free}
    if not free:
        return Reply(refused, status=problems.status_of_code(Busy.code))
    job = await sidecar.operations.back_up(free, retry)
    return await results(sidecar, job.id, query.wait, refused)


_BUSY = schemas.BackupResult(success=False, message="the set is in use", code=Busy.code, cure=Busy.cure)


def _retry(request: web.Request, asked: str) -> Retry | None:
    keys = request.headers.getall("Idempotency-Key", ())
    if len(keys) > 1:
        raise UsageError("expected one Idempotency-Key")
    return Retry(keys[0], f"trigger {asked}") if keys and keys[0] else None


# -- verifying ---------------------------------------------------------------------------------------------------------


@routes.post(
    f"{BASE}/verify/{{backup_id}}",
    access=Access.WRITE,
    path=parameters.BackupPath,
    query=parameters.VerifyQuery,
    response=schemas.VerificationBody,
    also={
        202: "Begun; Location says where to ask.",
        409: "It was cancelled.",
        500: "It could not be carried out.",
    },
    headers={"Location": "The job, while it is not over."},
    errors=(BackupNotFound, IdentityRequired, Busy),
)
async def verify_backup(request: web.Request, path: parameters.BackupPath, query: parameters.VerifyQuery) -> Reply:
    """Read a backup again and compare it with its checksum; `deep` also decodes every document."""
    sidecar = sidecar_of(request)
    job = await sidecar.operations.verify(path.backup_id, deep=query.deep)
    (run,) = await awaited(sidecar, job.id, query.wait)
    was_done = run.outcome is not None and run.code in (None, BackupInvalid.code)
    body = schemas.VerificationBody(
        backup_id=path.backup_id,
        is_valid=run.outcome is Outcome.SUCCEEDED if was_done else None,
        message=run.message or "under way",
        job_id=job.id,
    )
    if run.outcome is None:
        return Reply(body, status=202, headers={"Location": location_of(job.id)})
    return Reply(body, status=200 if was_done else problems.status_of_code(str(run.code)))


@routes.post(
    f"{BASE}/drill",
    access=Access.WRITE,
    query=parameters.DrillQuery,
    response=schemas.Results,
    also=schemas.RESULTS | {404: "There is no such set, or no valid backup of it."},
    headers={"Location": "The job, while it is not over."},
    errors=(SetNotFound, IdentityRequired, Busy),
)
async def drill(request: web.Request, query: parameters.DrillQuery) -> Reply:
    """Rehearse a restore: restore the newest valid backup of each set into a scratch database, compare, and drop it."""
    sidecar = sidecar_of(request)
    job = await sidecar.operations.drill(one.name for one in sidecar.service.sets(query.backup_type))
    return await results(sidecar, job.id, query.wait)


# -- one backup --------------------------------------------------------------------------------------------------------


@routes.get(
    f"{BASE}/{{backup_id}}",
    access=Access.READ,
    path=parameters.BackupPath,
    response=schemas.Detail,
    errors=(BackupNotFound,),
)
async def one_backup(request: web.Request, path: parameters.BackupPath) -> Reply:
    """Show a backup with all of its metadata."""
    sidecar = sidecar_of(request)
    return Reply(_detail(sidecar, await in_thread(sidecar.service.catalog.find, path.backup_id)))


@routes.delete(
    f"{BASE}/{{backup_id}}",
    access=Access.WRITE,
    path=parameters.BackupPath,
    query=parameters.DeleteQuery,
    status=204,
    errors=(BackupNotFound, BackupProtected, LedgerBroken, Busy),
)
async def delete_backup(request: web.Request, path: parameters.BackupPath, query: parameters.DeleteQuery) -> Reply:
    """Delete a backup. A pinned one, or the last valid one of its set, needs `force`."""
    sidecar = sidecar_of(request)
    gone = await in_thread(sidecar.service.keeping.delete, path.backup_id, force=query.force)
    await sidecar.overview.look([gone.set_name])
    return Reply(None, status=204)


@routes.put(
    f"{BASE}/{{backup_id}}/pin",
    access=Access.WRITE,
    path=parameters.BackupPath,
    body=parameters.Until,
    response=schemas.Detail,
    errors=(BackupNotFound, AlreadyOver, Busy),
)
async def pin_backup(request: web.Request, path: parameters.BackupPath, body: parameters.Until) -> Reply:
    """Protect a backup from the retention rules, for ever or until a time."""
    sidecar = sidecar_of(request)
    body.require_ahead(sidecar.clock.now())
    return Reply(_detail(sidecar, await in_thread(sidecar.service.keeping.pin, path.backup_id, body.until)))


@routes.delete(
    f"{BASE}/{{backup_id}}/pin",
    access=Access.WRITE,
    path=parameters.BackupPath,
    response=schemas.Detail,
    errors=(BackupNotFound, Busy),
)
async def unpin_backup(request: web.Request, path: parameters.BackupPath) -> Reply:
    """Remove a pin: the retention rules apply to the backup again."""
    sidecar = sidecar_of(request)
    return Reply(_detail(sidecar, await in_thread(sidecar.service.keeping.unpin, path.backup_id)))


@routes.post(
    f"{BASE}/{{backup_id}}/confirm",
    access=Access.WRITE,
    path=parameters.BackupPath,
    response=schemas.Detail,
    errors=(BackupNotFound, NotSuspect, Busy),
)
async def confirm_backup(request: web.Request, path: parameters.BackupPath) -> Reply:
    """Accept a suspect backup: the documents were deleted on purpose. Until then nothing of its set is deleted."""
    sidecar = sidecar_of(request)
    confirmed = await in_thread(sidecar.service.keeping.confirm, path.backup_id, principal_of(request).name)
    await sidecar.overview.look([confirmed.set_name])
    return Reply(_detail(sidecar, confirmed))


def _detail(sidecar: Sidecar, found: StoredBackup) -> schemas.Detail:
    return schemas.Detail(**dict(_entry(sidecar, found, sidecar.clock.now())), metadata=found.manifest)
