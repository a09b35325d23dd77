"""The retention rules: what they say of each backup, and carrying them out."""

from functools import lru_cache

from aiohttp import web

from sidecar.api import parameters, schemas
from sidecar.api.context import sidecar_of
from sidecar.api.jobs import results
from sidecar.api.routing import Access, Reply, RouteTable
from sidecar.errors import Busy, SetNotFound, StorageError
from sidecar.rules.retention import Decision
from sidecar.runtime.threads import in_thread

routes = RouteTable(tag="Retention")
BASE = "/api/admin/retention"


@routes.get(
    BASE,
    access=Access.READ,
    query=parameters.WhatIf,
    response=schemas.Decisions,
    errors=(SetNotFound, StorageError),
)
async def retention(request: web.Request, query: parameters.WhatIf) -> Reply:
    """Say what would become of each backup now, why, and when it will go; also if the rules were others."""
    service = sidecar_of(request).service
    changes = query.model_dump(exclude={"backup_type"})
    judged = {}
    for one in service.sets(query.backup_type):
        policy = service.policies[one.name].but(**changes)
        judged[one.name] = await in_thread(service.keeping.decisions, one.name, policy)
    return Reply({name: list(map(_body, decisions)) for name, decisions in judged.items()})


@lru_cache(maxsize=1 << 14)  # the same decisions are told again and again, and each body takes six microseconds
def _body(one: Decision) -> schemas.DecisionBody:
    return schemas.DecisionBody(
        backup_id=str(one.id),
        timestamp=one.id.taken_at,
        keep=one.keep,
        reason=one.reason,
        expires_at=one.expires_at,
        rules=one.rules,
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
