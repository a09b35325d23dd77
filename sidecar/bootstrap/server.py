"""The server put together: the service, the record of runs, jobs, schedules, metrics and the API."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from aiohttp import web

from sidecar import __version__
from sidecar.api import (
    backups,
    copies,
    documents,
    download,
    jobs,
    notifications,
    page,
    process,
    restores,
    retention,
    runbooks,
    schedule,
    session,
)
from sidecar.api.application import application
from sidecar.api.auth import Gate, audit
from sidecar.api.context import SIDECAR, Sidecar
from sidecar.api.listener import Certificate, Listening, listening, renewing
from sidecar.api.sessions import Tokens
from sidecar.bootstrap.routines import routines
from sidecar.bootstrap.service import open_service
from sidecar.config import Secret, Settings, warnings
from sidecar.errors import BackupInvalid, BackupNotFound, SidecarError, StorageError
from sidecar.history import DIRECTORY
from sidecar.history.record import History
from sidecar.logger import Logger
from sidecar.metrics import State, Telemetry
from sidecar.model import Manifest, Run
from sidecar.mongodb.lease import Lease, Timing
from sidecar.notices.conditions import Observed
from sidecar.notices.outgoing import sending
from sidecar.rules import cron_expression  # noqa: F401 - the scheduler needs it, on the loop, where nothing is read from a disk
from sidecar.runs.copying import Copying
from sidecar.runs.jobs import Jobs
from sidecar.runs.leadership import Alone, Member
from sidecar.runs.operations import Operations
from sidecar.runs.scheduler import Scheduler
from sidecar.runs.startup import StartUp
from sidecar.runtime.clock import Clock, SystemClock
from sidecar.runtime.threads import entered, in_thread
from sidecar.service import Service
from sidecar.status.overview import Overview
from sidecar.store.lock import DIRECTORY as LOCKS
from sidecar.store.lock import SERVER, SOCKET, Lock
from sidecar.store.verify import read_manifest

THREADS = 32  # most of them wait for a disk; a few verifications must not hold up everything else
SWEEP_SECONDS = 15.0  # between two attempts
ROUTES = (
    backups,
    download,
    documents,
    restores,
    retention,
    copies,
    jobs,
    schedule,
    notifications,
    session,
    process,
    runbooks,
)

log = Logger(__name__)


@asynccontextmanager
async def serving(
    settings: Settings, admin_token: Secret, telemetry: Telemetry, hear: Callable[[Jobs], None]
) -> AsyncIterator[Listening]:
    """The whole server, which listens inside the `with` block; everything is known before the first request.

    `hear` is given the jobs, which keep what they log. Leaving the block ends what is under way first, so that those who wait
    for it hear of it. Raises Busy if another server uses the directory, CannotListen, StorageError.
    """
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="work"))
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(open_service(settings))
        await stack.enter_async_context(entered(_only_server(settings)))
        await in_thread(service.sweep)
        history = await in_thread(
            History,
            settings.backup_dir / DIRECTORY,
            lambda: _stored(service),
            datetime.now(UTC),
            tuple(settings.heartbeats),
        )
        await stack.enter_async_context(entered(history))
        gate = Gate(Tokens(admin_token, settings.read_token))
        sidecar = _assembled(settings, gate, telemetry, service, history)
        hear(sidecar.jobs)
        await sidecar.scheduler.load()
        await sidecar.overview.refresh()
        telemetry.register(_state(sidecar))
        await stack.enter_async_context(_notices(sidecar))  # nothing may come between the listener and the scheduler
        listener = await _listen(stack, sidecar)
        await _begin_work(stack, sidecar)
        for words in warnings(settings):
            log.warning("config.warning", about=words)
        if settings.unreadable_sets:
            log.info("sidecar.content_not_checked", sets=settings.unreadable_sets)
        log.info(
            "sidecar.started", url=listener.url, version=__version__, codec=service.codec.name, sets=list(settings.sets)
        )
        yield listener
        log.info("sidecar.stopping")


async def _listen(stack: AsyncExitStack, sidecar: Sidecar) -> Listening:
    settings = sidecar.settings
    certificate = _certificate(settings)
    local = settings.backup_dir / LOCKS / SOCKET
    listener = await stack.enter_async_context(
        listening(_app(sidecar), settings.host, settings.port, certificate, local=local)
    )
    if certificate is not None:
        await stack.enter_async_context(renewing(certificate).running())
    return replace(listener, url=listener.url + settings.base_path)


async def _begin_work(stack: AsyncExitStack, sidecar: Sidecar) -> None:
    """What goes on by itself until the server ends."""
    await stack.enter_async_context(sidecar.leadership.running())
    stack.push_async_callback(sidecar.jobs.stop)
    for task in (sidecar.overview.task, sidecar.scheduler.task, sidecar.copying.task):
        await stack.enter_async_context(task.running())
    for work in (_sweep(sidecar.service), _arm(sidecar)):
        stack.push_async_callback(_ended, asyncio.create_task(work))


def _notices(sidecar: Sidecar) -> AbstractAsyncContextManager[None]:
    observed = _observed(sidecar)
    return sending(sidecar.settings, observed, sidecar.service.catalog, sidecar.clock, sidecar.hide)


def _observed(sidecar: Sidecar) -> Observed:
    return Observed(
        overview=sidecar.overview,
        scheduler=sidecar.scheduler,
        startup=sidecar.startup,
        leadership=sidecar.leadership,
        history=sidecar.history,
        since=sidecar.clock.now(),
    )


async def _sweep(service: Service) -> None:
    """Remove what a killed process left on the server, as soon as there is one."""
    while True:
        try:
            await service.sweep_drills()
        except SidecarError as error:
            log.debug("sweep.postponed", error=str(error))
        except Exception:  # a defect of ours is told, and does not leave a scratch database behind for good
            log.exception("sweep.broken")
        else:
            return
        await asyncio.sleep(SWEEP_SECONDS)


async def _arm(sidecar: Sidecar) -> None:
    """Who holds its own schedules does not stand in the way of others."""
    await sidecar.startup.run()
    sidecar.leadership.stand()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _certificate(settings: Settings) -> Certificate | None:
    return Certificate(settings.tls_cert, settings.tls_key) if settings.tls_cert and settings.tls_key else None


def _only_server(settings: Settings) -> Lock:
    return Lock(settings.backup_dir, SERVER, f"the backup directory {settings.backup_dir}", "serve")


def _assembled(settings: Settings, gate: Gate, telemetry: Telemetry, service: Service, history: History) -> Sidecar:
    clock = SystemClock()
    overview = Overview(service, history, clock)
    jobs_ = Jobs(history, lambda run: _after(run, overview, copying))
    leadership = _leadership(service, jobs_, clock)
    operations = Operations(service, jobs_, overview, leadership)
    copying = Copying(service, operations, jobs_, clock)
    scheduler = Scheduler(routines(settings, clock.now()), history, operations.begin_scheduled, clock, leadership)
    return Sidecar(
        settings=settings,
        clock=clock,
        service=service,
        history=history,
        jobs=jobs_,
        overview=overview,
        operations=operations,
        leadership=leadership,
        scheduler=scheduler,
        copying=copying,
        startup=StartUp(service, operations, scheduler, clock),
        telemetry=telemetry,
        gate=gate,
        hide=_hiding_paths(settings),
    )


async def _after(run: Run, overview: Overview, copying: Copying) -> None:
    await overview.after(run)
    await copying.after(run)


def _leadership(service: Service, jobs_: Jobs, clock: Clock) -> Alone:
    group = service.settings.leader_group
    if group is None:
        return Alone()
    timing = Timing.of(service.settings.lease_seconds)
    return Member(group, Lease(service.database, f"schedules of {group}", timing), jobs_, clock)


def _app(sidecar: Sidecar) -> web.Application:
    routes = [route for module in ROUTES for route in module.routes]
    base_path = sidecar.settings.base_path
    app = application(
        routes, sidecar.gate.authorise, observe=sidecar.telemetry.observe, hide=sidecar.hide, base_path=base_path
    )
    app.middlewares.append(audit)
    app[SIDECAR] = sidecar
    jobs.prepare(app)
    page.add_to(app, base_path)
    return app


def _hiding_paths(settings: Settings) -> Callable[[str], str]:
    """Mask every path outside the backup directory."""
    root = str(settings.backup_dir)

    def hide(text: str) -> str:
        return re.sub(
            r"(?<![\w.:/`])/[^\s:;,'\"`)]+", lambda found: found[0] if found[0].startswith(root) else "(a path)", text
        )

    return hide


def _state(sidecar: Sidecar) -> State:
    return State(
        overview=sidecar.overview,
        jobs=sidecar.jobs,
        leadership=sidecar.leadership,
        scheduler=sidecar.scheduler,
        history=sidecar.history,
        clock=sidecar.clock,
        sets=sidecar.settings.sets,
        policies=sidecar.service.policies,
        build=(sidecar.service.codec.name, __version__),
        login_failures=sidecar.gate.failures,
    )


def _stored(service: Service) -> Iterator[Manifest]:
    """The metadata of everything there is, for a record that was lost."""
    for store in service.stores.values():
        for files in store.scan():
            try:
                yield read_manifest(store, files.id)
            except (BackupNotFound, BackupInvalid, StorageError) as error:
                log.warning("history.backup_left_out", backup_id=str(files.id), error=str(error))
