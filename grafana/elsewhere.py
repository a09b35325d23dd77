"""A row of one set: its copies elsewhere."""

from grafana_foundation_sdk.models import units

from grafana.panels import AGE, YES_OR_NO, Ask, Frame, Panels, bars, lines, number, states
from grafana.queries import INSTANCE, happened, of_process, of_set

COPY = "{{copy}}"


def copies() -> Panels:
    """How old they are, what is missing there, and what was healed."""
    yield number(
        Frame(
            "Age of the newest copy",
            "Of the newest backup elsewhere that was read back there, and the age from which it is too old.",
            units.Seconds,
            width=6,
            height=6,
            words=AGE,
            alerts=("MongoBackupCopyTooOld",),
        ),
        Ask(of_set("copy_age_seconds"), COPY),
        Ask(of_set("copy_max_age_seconds"), f"{COPY} limit"),
    )
    yield states(
        Frame(
            "Newest copy read back",
            "Whether the newest backup there was read back as it was written, and whether the place answered when last asked.",
            units.NoUnit,
            width=10,
            height=6,
            words=YES_OR_NO,
            alerts=("MongoBackupCopyUnreachable",),
        ),
        Ask(of_set("copy_valid"), COPY),
        Ask(of_process("copy_up"), f"{COPY} answers"),
    )
    yield lines(
        Frame(
            "Copies",
            "Backups there that were read back, that wait to be sent, that are damaged, and that lack their lock.",
            units.NoUnit,
            width=8,
            height=6,
            alerts=("MongoBackupCopyLagging", "MongoBackupCopyDamaged", "MongoBackupCopyUnlocked"),
        ),
        Ask(of_set("copy_backups"), f"{COPY} read back"),
        Ask(of_set("copy_lag_backups"), f"{COPY} waiting"),
        Ask(of_set("copy_damaged_backups"), f"{COPY} damaged"),
        Ask(of_set("copy_unlocked_backups"), f"{COPY} without lock"),
    )
    yield bars(
        Frame(
            "Mended and failed",
            "Damaged backups that were healed on either side, and attempts that failed, in each step.",
            units.NoUnit,
            width=24,
            height=6,
        ),
        Ask(happened(of_set("copy_healed_total"), "copy, direction"), f"{INSTANCE} {COPY} healed {{{{direction}}}}"),
        Ask(happened(of_set("copy_failures_total"), "copy, reason"), f"{INSTANCE} {COPY} {{{{reason}}}}"),
    )
