"""The row about what is about to go wrong: states that need no rules, alerts with their runbooks, failures, free space."""

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models import units

from grafana.panels import (
    ANY_IS_BAD,
    HEADROOM,
    NO_FAILURE,
    RUNBOOKS,
    Ask,
    Column,
    Frame,
    Panels,
    bars,
    lines,
    linked,
    number,
    rows,
)
from grafana.queries import ALERT, INSTANCE, SIDECAR, counted, happened, judged, milliseconds, of_process, of_set

NO_ALERT = "none, if the rules are loaded"


def trouble_panels() -> Panels:
    """States, alerts, failures and storage."""
    free = of_process("storage_free_bytes")
    tomorrow = f"(predict_linear({free}[6h], 86400) and {free} offset 1h)"  # no prophecy from a few minutes
    yield number(
        Frame(
            "What is not as it should be",
            "How many sets, backups or sidecars are in each of these states. Needs no rules; 0 is good.",
            units.NoUnit,
            width=24,
            height=5,
            steps=ANY_IS_BAD,
        ),
        Ask(counted(of_set("backups", 'state!="valid"')), "backups not valid"),
        Ask(counted(of_set("suspect_backups")), "suspect backups"),
        Ask(counted(judged(of_set("missing_collections"))), "missing collections"),
        Ask(counted(judged(f"{of_set('consecutive_run_failures')} > bool 0")), "sets whose runs fail"),
        Ask(counted(judged(f"{of_set('schedule_enabled')} == bool 0")), "paused schedules"),
        Ask(counted(of_set("retention_held")), "retention held"),
        Ask(counted(f"{of_process('storage_up')} == bool 0"), "directories away"),
        Ask(counted(f"{of_set('directory_writable')} == bool 0"), "directories read-only"),
        Ask(counted(of_set("future_backups")), "backups ahead of now"),
        Ask(counted(of_process("unconfigured_backups")), "backups of no set"),
        Ask(counted(of_process("uncovered_collections")), "collections in no backup"),
        Ask(counted(of_process("uncovered_databases")), "databases in no backup"),
        Ask(counted(f"{of_process('mongodb_up')} == bool 0"), "MongoDB away"),
        Ask(
            counted(f"1 - {of_process('scheduler_running')} * {of_process('scheduler_armed')}"),
            "schedulers dead or held",
        ),
        Ask(counted(f"{of_process('history_durable')} == bool 0"), "records not durable"),
        Ask(counted(f"up{{{SIDECAR}}} == bool 0"), "sidecars not scraped"),
    )
    yield _alerts()
    yield bars(
        Frame(
            "Failed runs by reason",
            "Runs that failed or were aborted in each step, by error code (docs/problems.md).",
            units.NoUnit,
            width=12,
            empty=NO_FAILURE,
            alerts=("MongoBackupRunFailed", "MongoBackupFailingRepeatedly"),
        ),
        Ask(f"{happened(of_set('run_failures_total'), 'reason')} > 0", "{{reason}}"),
    )
    yield lines(
        Frame(
            "Free space",
            "Free bytes, those below which the next run would not start, and what all backups take at full retention.",
            units.BytesIEC,
            width=12,
            alerts=("MongoBackupStorageShort", "MongoBackupStorageFillingUp", "MongoBackupStorageFullSoon"),
        ),
        Ask(free, f"{INSTANCE} free"),
        Ask(of_process("storage_required_bytes"), f"{INSTANCE} required"),
        Ask(of_process("storage_full_retention_bytes"), f"{INSTANCE} at full retention"),
    )
    yield number(
        Frame(
            "Free space now",
            "As a multiple of what the next run requires; below 1 it does not start.",
            "x",
            width=6,
            steps=HEADROOM,
            alerts=("MongoBackupStorageShort",),
        ),
        Ask(f"min({free} / {of_process('storage_required_bytes')})"),
    )
    yield number(
        Frame(
            "Free space in 24 hours",
            "The trend of the last 6 hours continued for a day, as a multiple of what the next run requires.",
            "x",
            width=6,
            empty="after an hour of history",
            steps=HEADROOM,
            alerts=("MongoBackupStorageFillingUp",),
        ),
        Ask(f"min(clamp_min({tomorrow}, 0) / {of_process('storage_required_bytes')})"),
    )


def _alerts() -> table.Panel:
    since = f"ALERTS{{{ALERT}}} * ignoring (alertstate) group_left () ALERTS_FOR_STATE{{{ALERT}}}"
    panel = rows(
        Frame(
            "Alerts, and what to do",
            "Pending and firing alerts; the name leads to the runbook.",
            units.NoUnit,
            width=12,
            empty=NO_ALERT,
        ),
        {"alertname": "Alert", "severity": "Severity", "alertstate": "State", "set": "Set", "instance": "Instance"},
        Column("Since", milliseconds(since), units.DateTimeFromNow),
    )
    return linked(panel, "alertname", "Runbook", f"{RUNBOOKS}/${{__value.text}}")
