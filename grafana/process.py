"""The row about the sidecar as a process."""

from grafana_foundation_sdk.models import units

from grafana.panels import LEADS, NEVER_YET, YES_OR_NO, Ask, Column, Frame, Panels, bars, lines, rows, states
from grafana.queries import INSTANCE, ONE, SIDECAR, happened, milliseconds, of_process, rate

LEVELS = {"warning": "yellow", "error": "orange", "critical": "red"}
LOUD = 'level!~"debug|info"'


def process_panels() -> Panels:
    """Health of the process, what it says, who talks to it, what it needs."""
    yield states(
        Frame(
            "MongoDB, disk, scheduler, record",
            "Whether MongoDB answers, the backup directory is there, the scheduler lives, no start-up restore holds"
            " the schedules, and the record of runs reaches the disk.",
            units.NoUnit,
            width=10,
            words=YES_OR_NO,
            alerts=("MongoBackupMongoDBUnreachable", "MongoBackupSchedulerDown"),
        ),
        Ask(of_process("mongodb_up"), f"{INSTANCE} MongoDB up"),
        Ask(of_process("storage_up"), f"{INSTANCE} directory there"),
        Ask(of_process("scheduler_running"), f"{INSTANCE} scheduler runs"),
        Ask(of_process("scheduler_armed"), f"{INSTANCE} schedules armed"),
        Ask(of_process("history_durable"), f"{INSTANCE} record durable"),
    )
    yield rows(
        Frame(
            "What runs",
            "Each sidecar: its version, since when it runs, and when it last asked for MongoDB and for the free space.",
            units.NoUnit,
            width=14,
        ),
        {"instance": "Instance", "version": "Version", "codec": "Codec", "python": "Python"},
        Column("Started", _of_build(milliseconds(f"process_start_time_seconds{{{SIDECAR}}}")), units.DateTimeFromNow),
        Column(
            "MongoDB asked",
            _of_build(milliseconds(of_process("mongodb_checked_timestamp_seconds"))),
            units.DateTimeFromNow,
            words=NEVER_YET,
        ),
        Column(
            "Space asked",
            _of_build(milliseconds(of_process("storage_checked_timestamp_seconds"))),
            units.DateTimeFromNow,
            words=NEVER_YET,
        ),
        Column(
            "Free space",
            _of_build(f"{of_process('storage_free_bytes')} / {of_process('storage_capacity_bytes')}"),
            units.PercentUnit,
        ),
    )
    yield states(
        Frame(
            "Who leads",
            "Which sidecar of each leader group begins the backups that are due; one that is alone leads itself.",
            units.NoUnit,
            width=24,
            height=5,
            words=LEADS,
            alerts=("MongoBackupNoLeader",),
        ),
        Ask(of_process("leader")),
    )
    yield lines(
        Frame("Requests", "HTTP requests answered per second, by status code.", units.RequestsPerSecond, width=8),
        Ask(f"sum by (code) ({rate(of_process('http_requests_total'))})", "{{code}}"),
    )
    yield lines(
        Frame(
            "Time to answer",
            "95 of 100 requests are answered faster. A trigger that waits for its run is as slow as the run.",
            units.Seconds,
            width=8,
        ),
        Ask(
            f"histogram_quantile(0.95, sum by (le, route) ({rate(of_process('http_request_duration_seconds_bucket'))}))",
            "{{route}}",
        ),
    )
    yield bars(
        Frame(
            "Warnings and errors in the log",
            "Log messages above info in each step.",
            units.NoUnit,
            width=8,
            colours=LEVELS,
        ),
        Ask(happened(of_process("log_messages_total", LOUD), "level"), "{{level}}"),
    )
    yield bars(
        Frame(
            "Trouble of its own",
            "Scheduler restarts, metrics that could not be computed, requests refused for who sent them, notices not delivered.",
            units.NoUnit,
            width=8,
            alerts=("MongoBackupMetricsBroken", "MongoBackupLoginAttack", "MongoBackupNotificationsFailing"),
        ),
        Ask(happened(of_process("scheduler_restarts_total"), "job"), "scheduler restarts"),
        Ask(happened(of_process("metrics_errors_total"), "job"), "metrics not computed"),
        Ask(happened(of_process("login_failures_total"), "reason"), "login: {{reason}}"),
        Ask(happened(of_process("notification_failures_total"), "channel"), "not delivered: {{channel}}"),
    )
    yield lines(
        Frame("Memory", "Resident memory of the process.", units.BytesIEC, width=8),
        Ask(f"process_resident_memory_bytes{{{SIDECAR}}}"),
    )
    yield lines(
        Frame("CPU", "Share of one core.", units.PercentUnit, width=8),
        Ask(rate(f"process_cpu_seconds_total{{{SIDECAR}}}")),
    )


def _of_build(expr: str) -> str:
    """With the labels of what runs."""
    return f"{expr} * {ONE} group_left (codec, python, version) {of_process('build_info')}"
