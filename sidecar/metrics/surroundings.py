"""Disk, database and clock around the process, and the process itself."""

import platform

from sidecar.history.outbox import FAILURES
from sidecar.metrics.family import Family, Labelled, Type, of_process, seconds
from sidecar.metrics.state import State
from sidecar.model import Channel, Severity
from sidecar.runs.leadership import Standing


def _build(state: State) -> Labelled:
    codec, version = state.build
    return [((codec, platform.python_version(), version), 1)]


def _login_failures(state: State) -> Labelled:
    return [((reason,), count) for reason, count in state.login_failures.items()]


def _alert_test(state: State) -> Labelled:
    asked = state.overview.alert_test
    now = state.clock.now()
    return [((one.value,), asked is not None and asked.is_on(one, now)) for one in Severity]


SURROUNDINGS = (
    of_process(
        "storage_up",
        "1 if the backup directory exists and could be read when last checked.",
        lambda p: p.overview.is_storage_up,
    ),
    of_process(
        "storage_free_bytes",
        "Free space of the file system of the backups.",
        lambda p: p.overview.storage.space.free,
    ),
    of_process(
        "storage_capacity_bytes",
        "Size of the file system of the backups.",
        lambda p: p.overview.storage.space.capacity,
    ),
    of_process(
        "storage_required_bytes",
        "Free space that the next run needs to start, not counting the drafts of runs under way.",
        lambda p: p.overview.required_bytes,
    ),
    of_process(
        "storage_checked_timestamp_seconds",
        "When the free space was last checked.",
        lambda p: seconds(p.overview.storage.asked_at),
    ),
    of_process(
        "unconfigured_backups",
        "Backups in the directory that belong to no configured set: they are neither verified nor deleted.",
        lambda p: len(p.overview.strangers),
    ),
    of_process(
        "storage_days_until_full",
        "Days until a run will have no room, from the growth of the backups and the retention rules; +Inf: none foreseen.",
        lambda p: p.overview.outlook.days_until_full,
    ),
    of_process(
        "storage_full_retention_bytes",
        "Size of all backups once the retention rules keep as many as they can.",
        lambda p: p.overview.outlook.needed_bytes,
    ),
    of_process(
        "uncovered_collections",
        "Collections of the database that no set backs up and `SIDECAR_IGNORE` does not name.",
        lambda p: len(p.overview.uncovered.collections),
    ),
    of_process(
        "uncovered_databases",
        "Other databases of the server that no set backs up; counted where a set takes everything.",
        lambda p: len(p.overview.uncovered.databases),
    ),
    of_process("mongodb_up", "1 if MongoDB answered when last asked.", lambda p: p.overview.mongodb.is_up),
    of_process(
        "mongodb_checked_timestamp_seconds",
        "When MongoDB was last asked.",
        lambda p: seconds(p.overview.mongodb.asked_at),
    ),
    of_process(
        "clock_timestamp_seconds",
        "This machine's clock, to compare with the time of the scrape.",
        lambda p: seconds(p.clock.now()),
    ),
)


def _notification_failures(state: State) -> Labelled:
    return [((one.value,), state.overview.counted.get((FAILURES, one.value), 0)) for one in Channel]


OURSELVES = (
    of_process("scheduler_running", "0 if the scheduler does not run or hangs.", lambda p: p.scheduler.task.is_running),
    of_process(
        "scheduler_armed",
        "0 while the start-up restore holds the schedules.",
        lambda p: p.scheduler.is_armed,
    ),
    of_process(
        "leader",
        "1 if this sidecar runs the schedules: it is alone, or it leads its group.",
        lambda p: p.leadership.role is not Standing.FOLLOWER,
    ),
    of_process(
        "scheduler_restarts_total",
        "How often the scheduler failed and was restarted.",
        lambda p: p.scheduler.task.restarts,
    ),
    of_process(
        "history_durable",
        "0 while the record of runs cannot be written to the disk.",
        lambda p: p.history.is_durable,
    ),
    Family(
        "login_failures_total",
        Type.COUNTER,
        ("reason",),
        "Refused requests: a wrong token, or a page of another site.",
        _login_failures,
    ),
    Family(
        "notification_failures_total",
        Type.COUNTER,
        ("channel",),
        "Failed attempts to deliver a heartbeat, a webhook or a mail; each is tried again.",
        _notification_failures,
    ),
    Family(
        "alert_test",
        Type.GAUGE,
        ("severity",),
        "1 while `sidecar alert-test` asks for an alert of this severity.",
        _alert_test,
    ),
    Family(
        "build_info", Type.GAUGE, ("codec", "python", "version"), "Always 1; the labels say what is running.", _build
    ),
)
