"""Copies elsewhere: how they stand, bringing one up to date, and single backups there and back."""

from aiohttp import web

from sidecar.api import parameters, schemas
from sidecar.api.context import Sidecar, sidecar_of
from sidecar.api.jobs import results
from sidecar.api.routing import Access, Reply, RouteTable
from sidecar.config import Copy
from sidecar.errors import BackupNotFound, Busy, CopyNotFound

routes = RouteTable(tag="Copies")
BASE = "/api/admin/copies"
OF_ONE = "/api/admin/backups/{backup_id}/copies/{name}"
RESULTS = schemas.RESULTS | {404: "There is no such copy, or no such backup.", 503: "The copy does not answer."}
LOCATION = {"Location": "The job, while it is not over."}


@routes.get(BASE, access=Access.READ, response=schemas.CopiesBody)
async def copies(request: web.Request) -> Reply:
    """Show every copy and how each set stands there. Nothing is asked of them."""
    sidecar = sidecar_of(request)
    await sidecar.overview.look(sidecar.overview.sets)
    return Reply(schemas.CopiesBody(copies=tuple(_body(sidecar, one) for one in sidecar.settings.copies.values())))


def _body(sidecar: Sidecar, copy: Copy) -> schemas.CopyBody:
    now, overview = sidecar.clock.now(), sidecar.overview
    statuses = {name: overview.status(sidecar.settings.sets[name], now).copies for name in copy.sets}
    sets = {name: one for name, found in statuses.items() for one in found if one.copy_name == copy.name}
    return schemas.CopyBody(
        name=copy.name,
        kind=copy.url.partition(":")[0],
        is_up=bool(sets) and all(one.answered_at is not None and one.error is None for one in sets.values()),
        write_only=copy.write_only,
        object_lock_days=copy.object_lock_days,
        max_age_hours=copy.max_age_hours,
        sets=sets,
    )


@routes.post(
    f"{BASE}/{{name}}/sync",
    access=Access.WRITE,
    path=parameters.CopyPath,
    query=parameters.CopyQuery,
    response=schemas.Results,
    also=RESULTS,
    headers=LOCATION,
    errors=(CopyNotFound, Busy),
)
async def sync(request: web.Request, path: parameters.CopyPath, query: parameters.CopyQuery) -> Reply:
    """Bring a copy up to date now: read back what is unread, send what is missing, heal both sides, prune there."""
    sidecar = sidecar_of(request)
    job = await sidecar.operations.copy_sets(path.name, sidecar.service.copies.copy(path.name).sets)
    return await results(sidecar, job.id, query.wait)


@routes.post(
    OF_ONE,
    access=Access.WRITE,
    path=parameters.BackupCopyPath,
    query=parameters.CopyQuery,
    response=schemas.Results,
    also=RESULTS,
    headers=LOCATION,
    errors=(BackupNotFound, CopyNotFound, Busy),
)
async def push(request: web.Request, path: parameters.BackupCopyPath, query: parameters.CopyQuery) -> Reply:
    """Send one backup there and read it back."""
    sidecar = sidecar_of(request)
    job = await sidecar.operations.push(path.name, path.backup_id)
    return await results(sidecar, job.id, query.wait)


@routes.post(
    f"{OF_ONE}/pull",
    access=Access.WRITE,
    path=parameters.BackupCopyPath,
    query=parameters.CopyQuery,
    response=schemas.Results,
    also=RESULTS,
    headers=LOCATION,
    errors=(BackupNotFound, CopyNotFound, Busy),
)
async def pull(request: web.Request, path: parameters.BackupCopyPath, query: parameters.CopyQuery) -> Reply:
    """Make a backup there one of this directory, pinned for seven days."""
    sidecar = sidecar_of(request)
    job = await sidecar.operations.pull(path.name, path.backup_id)
    return await results(sidecar, job.id, query.wait)
