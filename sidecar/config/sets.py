"""The backup sets: the two built in, what the file says of them, and what may not be."""

import re
from collections.abc import Container, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from sidecar.config import keys
from sidecar.config.parsing import recipients_of
from sidecar.config.set_keys import SET_KEYS
from sidecar.config.settings import Secret
from sidecar.model import BackupSet

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_RESERVED = frozenset({"all", "both"})
_VARIABLES = {
    ("main", "interval_hours"): "SEED_INTERVAL_HOURS",
    ("main", "schedule"): "SIDECAR_MAIN_SCHEDULE",
    ("attendance", "interval_hours"): "ATTENDANCE_INTERVAL_HOURS",
    ("attendance", "schedule"): "SIDECAR_ATTENDANCE_SCHEDULE",
}
KEPT = ("keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly", "keep_within_days", "max_total_mb")


def build(
    values: Mapping[str, Any], tables: Mapping[str, Any], variables: Container[str], problems: list[str]
) -> dict[str, BackupSet]:
    """The sets by name, the built-in ones first. What is wrong is added to `problems`.

    `values` are the parsed settings, `variables` the names in the environment, which win over the tables.
    """
    found: dict[str, BackupSet] = {}
    for name, base in (
        _built_in(values) | {name: _base(name, values) for name in tables if name not in ("main", "attendance")}
    ).items():
        table = tables.get(name, {})
        before = len(problems)
        _check(name, table, problems)
        if len(problems) == before and table.get("enabled", True):
            own = {key: value for key, value in table.items() if _VARIABLES.get((name, key), "") not in variables}
            own.setdefault("limit", own.get("keep_last", base["limit"]))
            found[name] = _made(name, {**base, **own})
    if not found and not problems:
        problems.append("sets: expected one that is enabled at least")
    problems.extend(_collisions(found.values()))
    return found


def heartbeats(names: Iterable[str], common: Secret | None, tables: Mapping[str, Any]) -> dict[str, Secret]:
    """The address that hears of each set's runs; a set without one is left out."""
    found = {}
    for name in names:
        address = tables.get(name, {}).get("heartbeat_url", common.reveal() if common else "")
        if address:
            found[name] = Secret(address.replace("{set}", name))
    return found


def _built_in(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    main = {
        "collections": ["users", "students", "buses", "routes", "stops", "holidays", "device_keys"],
        "prefix": "seed_backup",
        "directory": "",
        "schedule": values["main_schedule"],
        "interval_hours": values["seed_interval_hours"],
    }
    attendance = {
        "collections": ["attendance", "events", "photo_references"],
        "prefix": "attendance_backup",
        "directory": "attendance",
        "schedule": values["attendance_schedule"],
        "interval_hours": values["attendance_interval_hours"],
    }
    return {"main": _limits(values) | main, "attendance": _limits(values) | attendance}


def _base(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return _limits(values) | {
        "collections": [],
        "prefix": f"{name}_backup",
        "directory": name,
        "schedule": None,
        "interval_hours": 1.0,
    }


def _limits(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the settings say for every set."""
    kept = {"limit": values["backup_limit"], "retention_days": values["backup_retention_days"]}
    kept |= {key: values[key] for key in KEPT}
    stored = {key: values[key] for key in ("compression", "compression_level", "recipients")}
    return kept | stored | {"exclude": [], "jitter_seconds": 0.0, "blackout": []}


def _made(name: str, table: Mapping[str, Any]) -> BackupSet:
    return BackupSet(
        name=name,
        collections=tuple(table["collections"]),
        exclude=tuple(table["exclude"]),
        prefix=table["prefix"],
        directory=PurePosixPath(table["directory"]),
        limit=table["limit"],
        retention_days=table["retention_days"],
        **{key: table[key] for key in KEPT if key != "max_total_mb"},
        max_total_mb=float(table["max_total_mb"]),
        schedule=table["schedule"],
        interval_hours=float(table["interval_hours"]),
        jitter_seconds=float(table["jitter_seconds"]),
        blackout=tuple(" ".join(window.lower().split()) for window in table["blackout"]),
        compression=table["compression"],
        compression_level=table["compression_level"],
        recipients=recipients_of(table["recipients"]),
    )


def _check(name: str, table: Any, problems: list[str]) -> None:
    where = f"sets.{name}"
    if not _NAME.fullmatch(name) or name in _RESERVED:
        problems.append(f"{where}: a set's name is of a-z, 0-9, - and _ and neither `all` nor `both`")
        return
    if not isinstance(table, Mapping):
        problems.append(f"{where}: expected a table [sets.{name}]")
        return
    problems.extend(keys.problems(where, table, SET_KEYS))
    if "collections" not in table and name not in ("main", "attendance"):
        problems.append(f'{where}.collections: expected a list of names or ["*"]')
    if table.get("exclude") and table.get("collections") != ["*"]:
        problems.append(f'{where}.exclude: only goes with collections = ["*"]')


def _collisions(sets: Iterable[BackupSet]) -> list[str]:
    """Ids would be ambiguous where prefixes are the same; file systems that fold case would mix directories."""
    problems = []
    by_prefix: dict[str, BackupSet] = {}
    by_directory: dict[str, BackupSet] = {}
    for one in sets:
        other = by_prefix.setdefault(one.prefix.lower(), one)
        if other is not one:
            problems.append(f"sets.{one.name}.prefix: {one.prefix!r} is already that of the set {other.name}")
        neighbour = by_directory.setdefault(str(one.directory).lower(), one)
        if neighbour.directory != one.directory:
            problems.append(
                f"sets.{one.name}.directory: {str(one.directory)!r} differs from {str(neighbour.directory)!r} only in case"
            )
    return problems
