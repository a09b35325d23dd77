"""The process itself: alive, ready, its metrics, and the health of everything on one page."""

import math

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from sidecar import __version__
from sidecar.api import health_schemas as schemas
from sidecar.api.context import Sidecar, sidecar_of
from sidecar.api.routing import Access, Reply, RouteTable
from sidecar.model import MB, Outcome
from sidecar.rules import health as rules

routes = RouteTable(tag="Process")


@routes.get("/healthz", access=Access.OPEN, response=schemas.Alive)
async def healthz(request: web.Request) -> Reply:
    """Say that the event loop turns; nothing else is looked at."""
    del request
    return Reply(schemas.Alive())


@routes.get(
    "/readyz", access=Access.OPEN, response=schemas.Readiness, also={503: "It does not do its work; the body says why."}
)
async def readyz(request: web.Request) -> Reply:
    """Say whether the sidecar does its work. That MongoDB is away or another one leads does not make it unready."""
    sidecar = sidecar_of(request)
    reasons = _reasons(sidecar)
    body = schemas.Readiness(is_ready=not reasons, reasons=reasons, role=sidecar.leadership.role)
    return Reply(body, status=503 if reasons else 200)


def _reasons(sidecar: Sidecar) -> tuple[str, ...]:
    tasks = (sidecar.scheduler.task, sidecar.overview.task, sidecar.copying.task, *sidecar.leadership.tasks)
    dead = [
        f"the {task.name} is not running: {task.error or 'it does not answer'}" for task in tasks if not task.is_running
    ]
    unreadable = [f"the set {name} cannot be read" for name, view in sidecar.overview.sets.items() if view.error]
    held = [f"the schedules are held: {sidecar.startup.reason}"] if sidecar.startup.reason else []
    return tuple(map(sidecar.hide, (*held, *dead, *unreadable)))


@routes.get("/metrics", access=Access.OPEN, content_type="text/plain, application/openmetrics-text")
async def metrics(request: web.Request) -> web.StreamResponse:
    """Everything for Prometheus, in its text format or in OpenMetrics as the request prefers."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    body = encode(sidecar_of(request).telemetry.registry)
    response = web.Response(body=body, headers={"Content-Type": content_type})
    response.enable_compression()  # where the request asks for it
    return response


@routes.get("/api/admin/backups/health", access=Access.READ, response=schemas.HealthBody)
async def health(request: web.Request) -> Reply:
    """Show the health of everything on one page."""
    sidecar = sidecar_of(request)
    await sidecar.overview.look(sidecar.overview.sets)
    return Reply(_health(sidecar))


def _health(sidecar: Sidecar) -> schemas.HealthBody:
    now, overview = sidecar.clock.now(), sidecar.overview
    statuses = {one.name: overview.status(one, now) for one in sidecar.settings.sets.values()}
    scheduler = _scheduler(sidecar)
    overall = rules.overall(
        (status.health for status in statuses.values()),
        has_space=overview.has_space,
        runs_well=not scheduler.failing_sets,
        is_scheduling=scheduler.is_running and sidecar.scheduler.is_armed,
    )
    return schemas.HealthBody(
        overall_health=overall,
        storage=_storage(sidecar),
        configuration=_configuration(sidecar),
        scheduler=scheduler,
        mongodb=schemas.MongoBody(
            is_up=overview.mongodb.is_up,
            asked_at=overview.mongodb.asked_at,
            last_up_at=overview.mongodb.last_up_at,
            error=overview.mongodb.error,
            hosts=sidecar.settings.mongo_host,
        ),
        coverage=_coverage(sidecar),
        **{f"{name}_backup": status for name, status in statuses.items()},  # type: ignore[arg-type] # the other keys are above
    )


def _storage(sidecar: Sidecar) -> schemas.StorageBody:
    overview = sidecar.overview
    return schemas.StorageBody(
        free_mb=_mb(overview.storage.space.free),
        capacity_mb=_mb(overview.storage.space.capacity),
        has_sufficient_space=overview.has_space,
        minimum_required_mb=sidecar.settings.min_storage_mb,
        required_mb=_mb(overview.required_bytes),
        error=overview.storage.error,
        unconfigured_backups=len(overview.strangers),
        days_until_full=None if math.isinf(overview.outlook.days_until_full) else overview.outlook.days_until_full,
        full_retention_mb=_mb(overview.outlook.needed_bytes),
        room_for_backups_mb=_mb(overview.outlook.room_bytes),
        outlook=str(overview.outlook),
        cure=overview.outlook.cure,
    )


def _coverage(sidecar: Sidecar) -> schemas.CoverageBody:
    found = sidecar.overview.uncovered
    return schemas.CoverageBody(
        uncovered_collections=found.collections, uncovered_databases=found.databases, message=str(found)
    )


def _configuration(sidecar: Sidecar) -> schemas.ConfigurationBody:
    settings = sidecar.settings
    return schemas.ConfigurationBody(
        backup_limit=settings.backup_limit,
        retention_days=settings.backup_retention_days,
        backup_directory=str(settings.backup_dir),
        db_name=settings.db_name,
        timezone=str(settings.timezone),
        codec=sidecar.service.codec.name,
        version=__version__,
    )


def _scheduler(sidecar: Sidecar) -> schemas.SchedulerBody:
    scheduler = sidecar.scheduler
    judged = {name: view.last_judged for name, view in sidecar.overview.sets.items()}
    return schemas.SchedulerBody(
        is_running=scheduler.task.is_running,
        error=scheduler.task.error,
        held_because=sidecar.startup.reason,
        failing_sets=tuple(name for name, run in judged.items() if run and run.outcome is not Outcome.SUCCEEDED),
        paused_sets=tuple(one.set_name for one in scheduler.routines.values() if scheduler.pause_of(one.name)),
    )


def _mb(size_bytes: int) -> float:
    return round(size_bytes / MB, 1)
