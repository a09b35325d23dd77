"""PromQL of the dashboards: selectors with the dashboard's variables, and the few questions that several panels ask.

The worst of all sidecars is shown where one number stands for many, so that a good one never hides a bad one.
"""

SIDECAR = 'cluster=~"$cluster", namespace=~"$namespace", job=~"$job", instance=~"$instance"'
SET = f'{SIDECAR}, set=~"$set"'
# Alerts may lack a label that was aggregated away; the empty alternative keeps those.
ALERT = (
    'alertname=~"MongoBackup.+", '
    'cluster=~"$cluster|", namespace=~"$namespace|", job=~"$job|", instance=~"$instance|", set=~"$set|"'
)
EACH = "by (cluster, namespace, job, set)"  # without the instance: a new pod continues the line of the old one
EACH_LEGEND = "{{cluster}} {{namespace}} {{job}} {{set}}"  # a label that is not there leaves no trace

INSTANCE = "{{cluster}} {{namespace}} {{instance}}"
ONE = "on (cluster, namespace, job, instance)"  # the same sidecar

NEVER, FAILED, GOOD = 0, 1, 2  # what `outcome` gives
NONE, OLD, FRESH = 0, 1, 2  # what `restorable` gives


def of_set(name: str, *matchers: str) -> str:
    """A metric of the chosen sets; `name` is without the prefix."""
    return f"mongobackup_{name}{{{', '.join((SET, *matchers))}}}"


def of_process(name: str, *matchers: str) -> str:
    """A metric of the chosen sidecars that has no label `set`."""
    return f"mongobackup_{name}{{{', '.join((SIDECAR, *matchers))}}}"


def of_rule(name: str) -> str:
    """What a recording rule made of the metrics of the chosen sets; the rules sum up over instances."""
    return f'mongobackup:{name}{{cluster=~"$cluster", namespace=~"$namespace", job=~"$job", set=~"$set"}}'


def judged(expr: str) -> str:
    """Without the followers of a leader group: what they did not do is no fault of theirs."""
    return f"({expr} unless {ONE} {of_process('leader')} == 0)"


def milliseconds(timestamp: str) -> str:
    """A time as Grafana's units want it."""
    return f"{timestamp} * 1000"


def happened(counter: str, by: str) -> str:
    """How often, in each step of the graph.

    Every series is there from the first scrape, and what counts runs does not begin again with the process: a difference
    is exact where `increase` would invent fractions. What does begin again shows no negative number.
    """
    return f"sum by ({by}) (clamp_min({counter} - {counter} offset $__interval, 0))"


def rate(counter: str) -> str:
    """Per second."""
    return f"rate({counter}[$__rate_interval])"


def outcome(last_at: str, last_success: str) -> str:
    """NEVER, FAILED or GOOD of the last run, verification or drill."""
    return judged(f"({of_set(last_at)} > bool 0) + {of_set(last_success)}")


def restorable() -> str:
    """NONE, OLD (a valid backup, older than it may be) or FRESH."""
    newest = of_set("newest_backup_timestamp_seconds")
    return judged(f"({newest} > bool 0) + (time() - {newest} <= bool {of_set('max_age_seconds')})")


def age_ratio() -> str:
    """Age of the newest backup as a share of the age at which its set says it is too old; +Inf without one."""
    return judged(f"{of_set('age_seconds')} / {of_set('max_age_seconds')}")


def loss_seconds() -> str:
    """What would be lost of the worst set: the time since its newest valid backup was begun; 0 where a set has none."""
    newest = judged(of_set("newest_backup_timestamp_seconds"))
    return f"max(time() - {newest}) * (min({newest}) > bool 0)"


def restore_seconds() -> str:
    """The longest measured restore; 0 where that of a set was never measured."""
    measured = judged(of_set("restore_drill_duration_seconds"))
    return f"max({measured}) * (min({measured}) > bool 0)"


def counted(condition: str) -> str:
    """How many; 0 or 1 per sidecar or set, added up."""
    return f"sum({condition})"
