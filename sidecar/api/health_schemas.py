"""What is answered about the process and the health of everything."""

from typing import Literal

from pydantic import AwareDatetime, ConfigDict

from sidecar.rules.health import Health
from sidecar.runs.leadership import Standing
from sidecar.status.bodies import Body
from sidecar.status.reports import SetStatus


class StorageBody(Body):
    """The file system of the backups."""

    free_mb: float
    capacity_mb: float
    has_sufficient_space: bool
    minimum_required_mb: float
    required_mb: float  # the minimum and room for one more backup of the largest set
    error: str | None
    unconfigured_backups: int  # that belong to no configured set: they are neither verified nor deleted
    days_until_full: float | None  # null: not in sight
    full_retention_mb: float  # what all sets take when their rules keep all that they can
    room_for_backups_mb: float  # what they take now and what is free, but for what must stay free
    outlook: str  # the same in words
    cure: str  # where there is too little


class CoverageBody(Body):
    """What is in no backup: collections of the database, and other databases where a set takes everything."""

    uncovered_collections: tuple[str, ...]
    uncovered_databases: tuple[str, ...]
    message: str  # the same in words; empty where everything is in a backup


class ConfigurationBody(Body):
    """What is kept, and where."""

    backup_limit: int
    retention_days: int
    backup_directory: str
    db_name: str
    timezone: str
    codec: str
    version: str


class SchedulerBody(Body):
    """The state of the scheduler."""

    is_running: bool
    error: str | None
    held_because: str | None  # nothing begins by schedule until the start-up restore has ended
    failing_sets: tuple[str, ...]
    paused_sets: tuple[str, ...]


class MongoBody(Body):
    """Whether MongoDB answered when it was last asked."""

    is_up: bool
    asked_at: AwareDatetime | None
    last_up_at: AwareDatetime | None
    error: str | None
    hosts: str


class HealthBody(Body):
    """Everything on one page. Sets beside the built-in two are `<name>_backup` as well."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, SetStatus]

    overall_health: Health
    main_backup: SetStatus
    attendance_backup: SetStatus
    storage: StorageBody
    configuration: ConfigurationBody
    scheduler: SchedulerBody
    mongodb: MongoBody
    coverage: CoverageBody


class Alive(Body):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(Body):
    """Whether the sidecar does its work, and if not, why."""

    is_ready: bool
    reasons: tuple[str, ...]
    role: Standing  # of several sidecars: a follower is as ready as the leader
