"""The overview: can I restore, from when, how long would it take, and what is about to go wrong?"""

from grafana_foundation_sdk.builders import dashboard, table
from grafana_foundation_sdk.models import units

from grafana.frame import OVERVIEW_UID, SET_UID, empty_dashboard
from grafana.panels import (
    AGE,
    ANY_IS_BAD,
    EVERYTHING_IS_LOST,
    GONE_IS_BAD,
    NEVER_YET,
    NOT_MEASURED,
    OUTCOME,
    RESTORABLE,
    SHARE_OF_LIMIT,
    YES_OR_NO,
    Ask,
    Column,
    Frame,
    Panels,
    add_rows,
    lines,
    linked,
    number,
    rows,
    states,
)
from grafana.process import process_panels
from grafana.queries import (
    ALERT,
    EACH,
    EACH_LEGEND,
    age_ratio,
    loss_seconds,
    milliseconds,
    of_rule,
    of_set,
    outcome,
    restorable,
    restore_seconds,
)
from grafana.trouble import NO_ALERT, trouble_panels

NO_RULES = "the recording rules are not loaded"


def overview() -> dashboard.Dashboard:
    """The dashboard, ready to be built."""
    says = "Can I restore, from when, how long would it take, and what is about to go wrong?"
    made = empty_dashboard("MongoDB backups: overview", OVERVIEW_UID, says, one_set=False)
    add_rows(
        made,
        {
            "Can I restore?": _can_i_restore(),
            "From when?": _from_when(),
            "How long would it take?": _how_long(),
            "What is about to go wrong?": trouble_panels(),
            "The sidecar itself": process_panels(),
        },
    )
    return made


def _can_i_restore() -> Panels:
    yield number(
        Frame(
            "Can every set be restored?",
            "The worst set: whether there is a valid backup, and whether it is younger than the set's maximum age.",
            units.NoUnit,
            width=6,
            height=5,
            words=RESTORABLE,
            alerts=("MongoBackupNone", "MongoBackupTooOld"),
        ),
        Ask(f"min({restorable()})"),
    )
    yield number(
        Frame(
            "What would be lost",
            "If the database were lost now: the time since the oldest of the sets' newest valid backups was begun.",
            units.Seconds,
            width=4,
            height=5,
            words=EVERYTHING_IS_LOST,
        ),
        Ask(loss_seconds()),
    )
    yield number(
        Frame(
            "Age against its maximum",
            "The worst set's age of the newest backup as a share of its max_age_seconds, at which MongoBackupTooOld fires.",
            units.PercentUnit,
            width=4,
            height=5,
            steps=SHARE_OF_LIMIT,
            words=AGE,
            alerts=("MongoBackupTooOld",),
        ),
        Ask(f"max({age_ratio()})"),
    )
    yield number(
        Frame(
            "A restore takes",
            "The longest of the sets' last good restore drills: real restores, every document compared.",
            units.Seconds,
            width=4,
            height=5,
            words=NOT_MEASURED,
        ),
        Ask(restore_seconds()),
    )
    yield number(
        Frame(
            "Last restore drill",
            "The worst set: whether its last rehearsal of a restore ended well.",
            units.NoUnit,
            width=3,
            height=5,
            words=OUTCOME,
            alerts=("MongoBackupDrillFailed", "MongoBackupDrillOverdue"),
        ),
        Ask(f"min({outcome('restore_drill_timestamp_seconds', 'restore_drill_success')})"),
    )
    yield number(
        Frame(
            "Alerts firing",
            "Firing alerts of alerts/mongobackup.rules.yaml; below they are listed with their runbooks. Prometheus does not say"
            " that it has no such rules, so that nothing is not shown as good.",
            units.NoUnit,
            width=3,
            height=5,
            steps=ANY_IS_BAD,
            empty=NO_ALERT,
        ),
        Ask(f'count(ALERTS{{{ALERT}, alertstate="firing"}})'),
    )
    yield _sets()


def _sets() -> table.Panel:
    def worst(how: str, expr: str) -> str:
        return f"{how} {EACH} ({expr})"

    never = NEVER_YET
    newest, oldest = of_set("newest_backup_timestamp_seconds"), of_set("oldest_backup_timestamp_seconds")
    panel = rows(
        Frame(
            "Every set",
            "One line per set; its name leads to its own dashboard. Times are those at which a backup was begun.",
            units.NoUnit,
            width=24,
            height=6,
        ),
        {"set": "Set", "job": "Job", "cluster": "Cluster", "namespace": "Namespace"},
        Column("Can it be restored?", worst("min", restorable()), units.NoUnit, words=RESTORABLE),
        Column("Newest valid backup", worst("min", milliseconds(newest)), units.DateTimeFromNow, words=never),
        Column("Age / maximum", worst("max", age_ratio()), units.PercentUnit, steps=SHARE_OF_LIMIT, words=AGE),
        Column("Oldest valid backup", worst("max", milliseconds(oldest)), units.DateTimeFromNow, words=never),
        Column("Valid", worst("min", of_set("backups", 'state="valid"')), units.NoUnit),
        Column("Size", worst("min", of_set("size_bytes")), units.BytesIEC),
        Column("Documents", worst("min", of_set("documents")), units.LocaleFormat),
        Column(
            "Last run",
            worst("min", outcome("last_run_timestamp_seconds", "last_run_success")),
            units.NoUnit,
            words=OUTCOME,
        ),
        Column(
            "Last drill",
            worst("min", outcome("restore_drill_timestamp_seconds", "restore_drill_success")),
            units.NoUnit,
            words=OUTCOME,
        ),
        Column(
            "A restore takes", worst("max", of_set("restore_drill_duration_seconds")), units.Seconds, words=NOT_MEASURED
        ),
    )
    url = f"/d/{SET_UID}?var-datasource=${{datasource}}&var-job=${{__data.fields.job}}&var-set=${{__data.fields.set}}"
    return linked(panel, "set", "Open the set", f"{url}&${{__url_time_range}}")


def _from_when() -> Panels:
    yield lines(
        Frame(
            "Age of the newest backup against its maximum",
            "At 100 % the newest backup is as old as it may be. A line that only climbs is a set without backups.",
            units.PercentUnit,
            width=12,
            steps=SHARE_OF_LIMIT,
            alerts=("MongoBackupTooOld",),
        ),
        Ask(f"max {EACH} ({age_ratio()} < +Inf)", EACH_LEGEND),
    )
    yield states(
        Frame(
            "Last run of each set",
            "How the last run ended, over time.",
            units.NoUnit,
            width=12,
            words=OUTCOME,
            alerts=("MongoBackupRunFailed", "MongoBackupFailingRepeatedly"),
        ),
        Ask(f"min {EACH} ({outcome('last_run_timestamp_seconds', 'last_run_success')})", EACH_LEGEND),
    )
    yield number(
        Frame(
            "Fresh in the last 30 days",
            "Share of the time in which the worst set had a valid backup in time, and the objective.",
            units.PercentUnit,
            width=6,
            height=5,
            empty=NO_RULES,
        ),
        Ask(f"min({of_rule('backup_fresh:ratio_30d')})", "fresh"),
        Ask("mongobackup:objective:ratio", "objective"),
    ).decimals(3)
    yield number(
        Frame(
            "Error budget left",
            "What is left of the time in which the objective lets a set be without a backup in time; below 0 it is missed.",
            units.PercentUnit,
            width=6,
            height=5,
            steps=GONE_IS_BAD,
            empty=NO_RULES,
        ),
        Ask(f"min({of_rule('error_budget_remaining:ratio_30d')})"),
    )
    yield states(
        Frame(
            "Fresh backup there",
            "Whether a valid backup younger than the set's maximum age was there, over time: what the objective counts.",
            units.NoUnit,
            width=12,
            height=5,
            words=YES_OR_NO,
            empty=NO_RULES,
        ),
        Ask(f"min {EACH} ({of_rule('backup_fresh')})", EACH_LEGEND),
    )


def _how_long() -> Panels:
    yield lines(
        Frame(
            "Measured recovery time",
            "How long the last good restore drill of each set took.",
            units.Seconds,
            width=8,
        ),
        Ask(f"max {EACH} ({of_set('restore_drill_duration_seconds')} > 0)", EACH_LEGEND),
    )
    yield lines(
        Frame("Duration of the last run", "How long the last backup took.", units.Seconds, width=8),
        Ask(f"max {EACH} ({of_set('last_run_duration_seconds')})", EACH_LEGEND),
    )
    yield lines(
        Frame("Size of the newest backup", "Bytes of the newest backup.", units.BytesIEC, width=8),
        Ask(f"max {EACH} ({of_set('size_bytes')})", EACH_LEGEND),
    )
