"""Jobs: what is under way and what was, with progress while it lasts, and how a request waits for one."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress

from aiohttp import web

from sidecar.api import parameters, problems, schemas
from sidecar.api.auth import principal_of
from sidecar.api.context import Sidecar, sidecar_of
from sidecar.api.routing import Access, Reply, RouteTable
from sidecar.errors import BackupNotFound, Busy, Cancelled, JobNotFound
from sidecar.history.rows import JobFilter
from sidecar.model import Outcome, Run
from sidecar.runs.operations import safety_of
from sidecar.runtime.threads import in_thread

routes = RouteTable(tag="Jobs")
BASE = "/api/admin/jobs"
LOOK_SECONDS = 0.25  # how often progress is sent
SILENCE_SECONDS = 15.0  # a comment is sent so often, so that nobody takes the connection for dead
MOST_STREAMS = 64
EVENTS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would else hold back what is meant to be seen as it happens
}

_STREAMS = web.AppKey("STREAMS", list[str])


@routes.get(
    BASE,
    access=Access.READ,
    query=parameters.JobsQuery,
    response=schemas.JobList,
    headers={"X-Total-Count": "How many there are altogether."},
)
async def list_jobs(request: web.Request, query: parameters.JobsQuery) -> Reply:
    """List jobs, newest first: those under way, and those on record from before the last restart too."""
    sidecar = sidecar_of(request)
    wanted = JobFilter(query.kind, query.backup_type, query.outcome)
    found = await in_thread(sidecar.history.jobs, wanted, query.limit, query.offset)
    total = await in_thread(sidecar.history.count_jobs, wanted)
    listed = schemas.JobList(jobs=tuple(job_body(sidecar, runs) for runs in found))
    return Reply(listed, headers={"X-Total-Count": str(total)})


@routes.get(
    f"{BASE}/{{job_id}}", access=Access.READ, path=parameters.JobPath, response=schemas.JobBody, errors=(JobNotFound,)
)
async def one_job(request: web.Request, path: parameters.JobPath) -> Reply:
    """Show a job with its progress, and with its log if it did not succeed."""
    sidecar = sidecar_of(request)
    return Reply(job_body(sidecar, await runs_of(sidecar, path.job_id)))


@routes.post(
    f"{BASE}/{{job_id}}/cancel",
    access=Access.WRITE,
    path=parameters.JobPath,
    response=schemas.JobBody,
    errors=(JobNotFound,),
)
async def cancel_job(request: web.Request, path: parameters.JobPath) -> Reply:
    """Cancel a job. It cleans up first. A job that has ended is left as it is."""
    sidecar = sidecar_of(request)
    runs = await runs_of(sidecar, path.job_id)
    if any(run.outcome is None for run in runs):
        sidecar.jobs.cancel(path.job_id, Cancelled(f"cancelled by {principal_of(request).name}"))
    return Reply(job_body(sidecar, runs))


@routes.get(
    f"{BASE}/{{job_id}}/events",
    access=Access.READ,
    path=parameters.JobPath,
    content_type="text/event-stream",
    errors=(JobNotFound, Busy),
)
async def job_events(request: web.Request, path: parameters.JobPath) -> web.StreamResponse:
    """Send the job as server-sent events: `progress` while it changes, `end` when it is over."""
    sidecar = sidecar_of(request)
    runs = await runs_of(sidecar, path.job_id)
    streams = request.app[_STREAMS]
    if len(streams) >= MOST_STREAMS:
        raise Busy(f"{MOST_STREAMS} others are watching already")
    response = web.StreamResponse(headers=EVENTS)
    await response.prepare(request)
    streams.append(path.job_id)
    try:
        await _send_events(sidecar, runs, response)
    finally:
        streams.remove(path.job_id)
    return response


async def _send_events(sidecar: Sidecar, runs: Sequence[Run], response: web.StreamResponse) -> None:
    sent, silent = "", 0.0
    while any(run.outcome is None for run in runs):
        text = job_body(sidecar, runs).model_dump_json()
        if text != sent:
            await response.write(f"event: progress\ndata: {text}\n\n".encode())
            sent, silent = text, 0.0
        elif silent >= SILENCE_SECONDS:
            await response.write(b": still there\n\n")
            silent = 0.0
        job = sidecar.jobs.get(runs[0].job_id)
        await job.wait(LOOK_SECONDS)
        silent += LOOK_SECONDS
        runs = tuple(job.runs.values())
    ended = job_body(sidecar, await runs_of(sidecar, runs[0].job_id)).model_dump_json()
    await response.write(f"event: end\ndata: {ended}\n\n".encode())


def prepare(app: web.Application) -> None:
    app[_STREAMS] = []


# -- as bodies ---------------------------------------------------------------------------------------------------------


async def runs_of(sidecar: Sidecar, job_id: str) -> Sequence[Run]:
    """The runs of a job of this process or on record. Raises JobNotFound."""
    try:
        job = sidecar.jobs.get(job_id)
    except JobNotFound:
        job = None
    if job is not None and not job.over.is_set():
        return tuple(job.runs.values())
    if runs := await in_thread(sidecar.history.run, job_id):
        return runs
    raise JobNotFound(f"there is no job {job_id!r}")


def job_body(sidecar: Sidecar, runs: Sequence[Run]) -> schemas.JobBody:
    ended = [run.ended_at for run in runs if run.ended_at]
    return schemas.JobBody(
        id=runs[0].job_id,
        kind=runs[0].kind,
        trigger=runs[0].trigger,
        state=_state(runs),
        started_at=min(run.started_at for run in runs),
        ended_at=max(ended) if len(ended) == len(runs) else None,
        runs=tuple(run_body(sidecar, run) for run in runs),
    )


def run_body(sidecar: Sidecar, run: Run) -> schemas.RunBody:
    watched = sidecar.jobs.watched(run) if run.outcome is None else None
    return schemas.RunBody(
        backup_type=run.set_name,
        outcome=run.outcome,
        code=run.code,
        message=run.message,
        cure=_cure(run.code),
        backup_id=run.backup_id,
        safety_backup=safety_of(run),
        due_at=run.due_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        progress=watched.progress.snapshot() if watched else None,
        log=tuple(json.loads(line) for line in run.log),
    )


def _state(runs: Sequence[Run]) -> schemas.JobState:
    if any(run.outcome is None for run in runs):
        return schemas.JobState.RUNNING
    order = list(schemas.JobState)
    return max((schemas.JobState(run.outcome) for run in runs if run.outcome), key=order.index)


# -- waiting -----------------------------------------------------------------------------------------------------------


async def awaited(sidecar: Sidecar, job_id: str, wait: float | None) -> Sequence[Run]:
    """A job's runs when it is over, or as they are after `wait` seconds."""
    with suppress(JobNotFound):  # of an earlier process
        await sidecar.jobs.get(job_id).wait(wait)
    return await runs_of(sidecar, job_id)


def location_of(job_id: str) -> str:
    return f"{BASE}/{job_id}"


async def results(
    sidecar: Sidecar, job_id: str, wait: float | None, refused: Mapping[str, schemas.BackupResult] | None = None
) -> Reply:
    """What became of each set: 200 if all is good, 202 while it is under way, else the status of what went wrong."""
    runs = await awaited(sidecar, job_id, wait)
    bodies = {run.set_name: await _result(sidecar, run) for run in runs} | dict(refused or {})
    codes = {body.code for body in bodies.values() if body.success is False and body.code}
    if any(body.success is None for body in bodies.values()):
        return Reply(bodies, status=202, headers={"Location": location_of(job_id)})
    return Reply(bodies, status=max((problems.status_of_code(code) for code in codes), default=200))


def _cure(code: str | None) -> str | None:
    kind = problems.catalogue().get(code) if code else None
    return kind.cure if kind else None


async def _result(sidecar: Sidecar, run: Run) -> schemas.BackupResult:
    if run.outcome is None:
        return schemas.BackupResult(success=None, message="under way", job_id=run.job_id)
    metadata, watched = None, sidecar.jobs.watched(run)
    if run.outcome is Outcome.SUCCEEDED and run.backup_id is not None:
        with suppress(BackupNotFound):  # deleted since: a repeated request for a run of long ago
            metadata = (await in_thread(sidecar.service.catalog.find, run.backup_id)).manifest
    return schemas.BackupResult(
        success=run.outcome is Outcome.SUCCEEDED,
        message=run.message,
        job_id=run.job_id,
        metadata=metadata,
        warning=watched.warning if watched else None,
        code=run.code,
        cure=_cure(run.code),
    )
