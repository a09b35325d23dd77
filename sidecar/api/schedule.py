"""What runs by itself: when next, how it went last, stopping and resuming it."""

from aiohttp import web

from sidecar.api import parameters, schemas
from sidecar.api.auth import principal_of
from sidecar.api.context import Sidecar, sidecar_of
from sidecar.api.jobs import run_body
from sidecar.api.routing import Access, Reply, RouteTable
from sidecar.errors import AlreadyOver, SetNotFound
from sidecar.model import Kind
from sidecar.rules import counting
from sidecar.rules.schedule import max_age_seconds, schedule_name
from sidecar.runs.scheduler import Routine

routes = RouteTable(tag="Schedule")
BASE = "/api/admin/schedule"


@routes.get(BASE, access=Access.READ, response=schemas.ScheduleBody)
async def schedule(request: web.Request) -> Reply:
    """Show what runs by itself, when next, and how it went last."""
    return Reply(_body(sidecar_of(request)))


@routes.post(
    f"{BASE}/pause",
    access=Access.WRITE,
    query=parameters.WhichOrAll,
    body=parameters.Until,
    response=schemas.ScheduleBody,
    errors=(SetNotFound, AlreadyOver),
)
async def pause(request: web.Request, query: parameters.WhichOrAll, body: parameters.Until) -> Reply:
    """Make no backups by schedule, until then or until it is resumed. Verifications go on; so does what is under way."""
    sidecar = sidecar_of(request)
    body.require_ahead(sidecar.clock.now())
    await sidecar.scheduler.pause(_routines(sidecar, query.backup_type), body.until, principal_of(request).name)
    return Reply(_body(sidecar))


@routes.post(
    f"{BASE}/resume",
    access=Access.WRITE,
    query=parameters.WhichOrAll,
    response=schemas.ScheduleBody,
    errors=(SetNotFound,),
)
async def resume(request: web.Request, query: parameters.WhichOrAll) -> Reply:
    """Go on with the next due time."""
    sidecar = sidecar_of(request)
    await sidecar.scheduler.resume(_routines(sidecar, query.backup_type), principal_of(request).name)
    return Reply(_body(sidecar))


def _routines(sidecar: Sidecar, asked: str) -> list[str]:
    return [schedule_name(Kind.BACKUP, one.name) for one in sidecar.service.sets(asked)]


def _body(sidecar: Sidecar) -> schemas.ScheduleBody:
    leadership = sidecar.leadership
    return schemas.ScheduleBody(
        is_running=sidecar.scheduler.task.is_running,
        timezone=str(sidecar.settings.timezone),
        leadership=schemas.LeadershipBody(
            role=leadership.role,
            group=leadership.group,
            id=leadership.id,
            leader=leadership.leader,
            error=leadership.error,
        ),
        entries=tuple(_routine(sidecar, routine) for routine in sidecar.scheduler.routines.values()),
    )


def _routine(sidecar: Sidecar, routine: Routine) -> schemas.ScheduleEntry:
    view = sidecar.overview.sets[routine.set_name]
    is_backup = routine.kind is Kind.BACKUP
    last = {Kind.BACKUP: view.last_run, Kind.VERIFY: view.last_verification}.get(routine.kind, view.last_drill)
    success = {Kind.BACKUP: view.last_success, Kind.DRILL: view.last_good_drill}.get(routine.kind)
    pause = sidecar.scheduler.pause_of(routine.name)
    max_age = max_age_seconds(routine.timetable, sidecar.clock.now()) if is_backup else None
    return schemas.ScheduleEntry(
        kind=routine.kind,
        backup_type=routine.set_name,
        schedule=routine.description,
        interval_seconds=routine.interval_seconds,
        next_run=sidecar.scheduler.next_run(routine.name),
        blackout_until=routine.dark_until(sidecar.clock.now()),
        pause=schemas.PauseBody(since=pause.since, until=pause.until, by=pause.by) if pause else None,
        last_run=run_body(sidecar, last) if last else None,
        last_success_at=success.ended_at if success else None,
        consecutive_failures=view.consecutive_failures if is_backup else 0,
        max_age_seconds=max_age,
        is_overdue=max_age is not None and _is_older(sidecar, routine.set_name, max_age),
    )


def _is_older(sidecar: Sidecar, set_name: str, seconds: float) -> bool:
    """Whether the newest backup is; none at all is not overdue but missing."""
    now = sidecar.clock.now()
    age = counting.age(sidecar.overview.stock(set_name, now).newest, now)
    return age is not None and age.total_seconds() > seconds
