"""The retention rules: what they say of each backup, and carrying them out."""

from aiohttp import web

from sidecar.api import parameters, schemas
from sidecar.api.context import sidecar_of
from sidecar.api.jobs import results
from sidecar.api.routing import Access, Reply, RouteTable
from sidecar.errors import Busy, SetNotFound, StorageError
from sidecar.runtime.threads import in_thread

routes = RouteTable(tag="Retention")
BASE = "/api/admin/retention"


@routes.get(
    BASE,
    access=Access.READ,
    query=parameters.WhichOrAll,
    response=schemas.Decisions,
    errors=(SetNotFound, StorageError),
)
async def retention(request: web.Request, query: parameters.WhichOrAll) -> Reply:
    """Say what would become of each backup now, why, and when its age will end it."""
    service = sidecar_of(request).service
    judged = {one.name: await in_thread(service.keeping.decisions, one.name) for one in service.sets(query.backup_type)}
    return Reply(
        {
            name: [
                schemas.DecisionBody(backup_id=str(d.id), keep=d.keep, reason=d.reason, expires_at=d.expires_at)
                for d in decisions
            ]
            for name, decisions in judged.items()
        }
    )


@routes.post(
    f"{BASE}/prune",
    access=Access.WRITE,
    query=parameters.PruneQuery,
    response=schemas.Results,
    also=schemas.RESULTS,
    headers={"Location": "The job, while it is not over."},
    errors=(SetNotFound, Busy),
)
async def prune(request: web.Request, query: parameters.PruneQuery) -> Reply:
    """Delete what the rules let go."""
    sidecar = sidecar_of(request)
    job = await sidecar.operations.prune(one.name for one in sidecar.service.sets(query.backup_type))
    return await results(sidecar, job.id, query.wait)
