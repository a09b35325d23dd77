"""What the handlers work with, put together by the bootstrap."""

from dataclasses import dataclass

from aiohttp import web

from sidecar.api.auth import Gate
from sidecar.api.problems import Hide
from sidecar.config import Settings
from sidecar.history.record import History
from sidecar.metrics import Telemetry
from sidecar.runs.copying import Copying
from sidecar.runs.jobs import Jobs
from sidecar.runs.leadership import Alone
from sidecar.runs.operations import Operations
from sidecar.runs.scheduler import Scheduler
from sidecar.runs.startup import StartUp
from sidecar.runtime.clock import Clock
from sidecar.service import Service
from sidecar.status.overview import Overview


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """The whole process, as far as it can be asked for something."""

    settings: Settings
    clock: Clock
    service: Service
    history: History
    jobs: Jobs
    overview: Overview
    operations: Operations
    leadership: Alone
    scheduler: Scheduler
    copying: Copying
    startup: StartUp
    telemetry: Telemetry
    gate: Gate
    hide: Hide  # masks what messages must not show


SIDECAR = web.AppKey("SIDECAR", Sidecar)


def sidecar_of(request: web.Request) -> Sidecar:
    return request.app[SIDECAR]
