"""The table of a set's keys: what each accepts, its default and what it is for. The docs table is made from it."""

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Final

from sidecar.archive.compression import LEVELS
from sidecar.config.keys import Key, boolean, integer, reference_table
from sidecar.config.parsing import LARGEST, notice_url, recipients_of
from sidecar.config.table import COMPRESSIONS, MOST_KEPT, SHORTEST_INTERVAL_HOURS
from sidecar.rules import blackout
from sidecar.rules.names import is_system
from sidecar.rules.schedule import Schedule

HOUR: Final = 3600
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")  # file names end at 255 bytes


def _number(lowest: float, highest: float) -> Callable[[object], str | None]:
    def fault(value: object) -> str | None:
        is_good = isinstance(value, int | float) and not isinstance(value, bool) and lowest <= value <= highest
        return None if is_good else f"a number from {lowest:g} to {highest}"

    return fault


def _collections(value: object) -> str | None:
    if value == ["*"]:
        return None
    return _names(value) or (None if value else 'at least one name, or ["*"]')


def _names(value: object) -> str | None:
    expected = "a list of different names of collections, none with a $ or NUL, none of system.*"
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        return expected
    is_bad = any("$" in name or "\0" in name or name == "*" or is_system(name) for name in value)
    return expected if is_bad or len(set(value)) != len(value) else None


def _schedule(value: object) -> str | None:
    if not isinstance(value, str):
        return "a cron expression"
    try:
        Schedule.parse(value)
    except ValueError as error:
        return str(error).removeprefix("expected ")
    return None


def _prefix(value: object) -> str | None:
    is_good = isinstance(value, str) and _PREFIX.fullmatch(value)
    return None if is_good else "up to 100 letters, digits, - and _, the latter not first"


def _directory(value: object) -> str | None:
    expected = "a path inside BACKUP_DIR without .. and without parts that begin with a dot"
    if not isinstance(value, str) or "\0" in value:
        return expected
    path = PurePosixPath(value)
    return expected if path.is_absolute() or any(part.startswith(".") for part in path.parts) else None


def _blackout(value: object) -> str | None:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return blackout.EXPECTED.removeprefix("expected ")
    try:
        blackout.parse(value)
    except ValueError as error:
        return str(error).removeprefix("expected ")
    return None


def _compression(value: object) -> str | None:
    return None if value in COMPRESSIONS else f"one of {', '.join(COMPRESSIONS)}"


def _heartbeat(value: object) -> str | None:
    if not isinstance(value, str):
        return 'an address https://…, or "" for none'
    try:
        if value:
            notice_url(value)
    except ValueError as error:
        return str(error)
    return None


def _recipients(value: object) -> str | None:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return "a list of public keys of age or SSH"
    try:
        recipients_of(value)
    except ValueError as error:
        return str(error).removeprefix("expected ")
    return None


SET_KEYS: Final = (
    Key("enabled", boolean, "true", "false: the set does not exist, also `main` or `attendance`."),
    Key("collections", _collections, "none", 'Names of collections, or `["*"]`: all but `system.*`.'),
    Key("exclude", _names, "[]", 'Collections that `["*"]` leaves out.'),
    Key("schedule", _schedule, "not set", "Cron expression; wins over the interval."),
    Key("interval_hours", _number(SHORTEST_INTERVAL_HOURS, LARGEST), "1", "Hours between two backups."),
    Key("jitter_seconds", _number(0, HOUR), "0", "Begin later by a share of this that is always the same for a set."),
    Key(
        "blackout",
        _blackout,
        "[]",
        'Windows in the zone of `SIDECAR_TIMEZONE` in which nothing begins by schedule, such as `"mon-fri 07:30-09:00"`.',
    ),
    Key("limit", integer(1, LARGEST), "`BACKUP_LIMIT`", "Keep the newest N valid backups."),
    Key(
        "retention_days",
        integer(1, LARGEST),
        "`BACKUP_RETENTION_DAYS`",
        "Delete a backup after N days, unless it is the newest valid one or a `keep_…` rule keeps it.",
    ),
    Key("keep_last", integer(1, LARGEST), "`limit`", "The same as `limit`: one of the two."),
    Key(
        "keep_hourly",
        integer(0, MOST_KEPT),
        "`SIDECAR_KEEP_HOURLY`",
        "Keep the newest backup of each of the last N hours that have one; 0: none.",
    ),
    Key("keep_daily", integer(0, MOST_KEPT), "`SIDECAR_KEEP_DAILY`", "The same for days."),
    Key("keep_weekly", integer(0, MOST_KEPT), "`SIDECAR_KEEP_WEEKLY`", "The same for weeks."),
    Key("keep_monthly", integer(0, MOST_KEPT), "`SIDECAR_KEEP_MONTHLY`", "The same for months."),
    Key("keep_yearly", integer(0, MOST_KEPT), "`SIDECAR_KEEP_YEARLY`", "The same for years."),
    Key(
        "keep_within_days",
        integer(0, LARGEST),
        "`SIDECAR_KEEP_WITHIN_DAYS`",
        "Keep every valid backup of the last N days.",
    ),
    Key(
        "max_total_mb",
        _number(0, LARGEST),
        "`SIDECAR_MAX_TOTAL_MB`",
        "Keep at most N MiB of backups; the oldest go first; 0: no limit.",
    ),
    Key("prefix", _prefix, "NAME_backup", "What the names of the set's files begin with."),
    Key("directory", _directory, "NAME", "Where they lie below `BACKUP_DIR`."),
    Key("compression", _compression, "`SIDECAR_COMPRESSION`", "`none` or `zstd`."),
    Key("compression_level", integer(LEVELS.start, LEVELS.stop - 1), "`SIDECAR_COMPRESSION_LEVEL`", "Of zstd."),
    Key("recipients", _recipients, "`SIDECAR_RECIPIENTS`", "Public keys; `[]`: not encrypted."),
    Key("heartbeat_url", _heartbeat, "`SIDECAR_HEARTBEAT_URL`", 'Address of this set alone; `""`: none.'),
)


def set_reference_table() -> str:
    """The keys as a Markdown table."""
    return reference_table(SET_KEYS)
