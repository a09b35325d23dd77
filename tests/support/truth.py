"""What the metrics of the sets must say, reckoned from the files, the record and the configuration by code of its own.

Nothing of the sidecar is imported: a mistake there is not repeated here.
"""

import hashlib
import json
import math
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

STATES: Final = ("valid", "invalid", "missing", "orphan")
TRIGGERS: Final = ("scheduled", "manual", "pre_restore", "start_up")
REAL: Final = "outcome IN ('succeeded', 'failed', 'aborted')"
MEANT: Final = "coalesce(code, '') != 'cancelled'"  # nobody ended it on purpose
BAD: Final = f"outcome IN ('failed', 'aborted') AND {MEANT}"
LAST: Final = "ORDER BY rowid DESC LIMIT 1"  # in the order in which they were recorded: clocks are set
SEVERITIES: Final = ("info", "warning", "critical")
QUARTER_OF_AN_HOUR: Final = 900
FIVE_MINUTES: Final = 300

Samples = dict[str, float]


@dataclass(frozen=True)
class SetFiles:
    """Where the backups of a set lie, what retention keeps, and how often they are made."""

    name: str
    directory: Path
    prefix: str
    interval_seconds: float
    limit: int


@dataclass(frozen=True)
class Stored:
    """One backup as its files are."""

    stamp: str
    state: str
    size_bytes: int
    manifest: Mapping[str, Any] | None
    is_confirmed: bool
    is_pinned: bool

    @property
    def taken_at(self) -> float:
        if self.manifest is None:
            return datetime.strptime(self.stamp, "%Y%m%d_%H%M%S").replace(tzinfo=UTC).timestamp()
        return datetime.fromisoformat(self.manifest["timestamp"]).timestamp()

    def is_ahead(self, now: float) -> bool:
        return self.taken_at > now + FIVE_MINUTES

    @property
    def is_whole(self) -> bool:
        return self.state != "orphan" and not (self.manifest and self.manifest["trigger"] == "pre_restore")

    @property
    def is_suspect(self) -> bool:
        return bool(self.manifest and self.manifest["suspicions"]) and not self.is_confirmed


def of_files(one: SetFiles, now: float, known_since: float) -> Samples:
    """The gauges that speak of what is stored."""
    stored = sorted(_stored(one), key=lambda backup: backup.stamp, reverse=True)
    whole = [backup for backup in stored if backup.is_whole and not backup.is_ahead(now)]
    valid = [backup for backup in whole if backup.state == "valid"]
    newest = whole[0] if whole else None
    manifest = newest.manifest if newest else None
    found: Samples = {
        "valid": newest is not None and newest.state == "valid",
        "size_bytes": newest.size_bytes if newest else 0,
        "documents": sum(valid[0].manifest["collections"].values()) if valid and valid[0].manifest else 0,
        "missing_collections": len(manifest["missing_collections"]) if manifest else 0,
        "restorable_backups": len(valid),
        "expected_backups": min(one.limit, (now - known_since) // one.interval_seconds),
        "suspect_backups": sum(backup.is_suspect for backup in whole),
        "retention_held": bool(valid) and valid[0].is_suspect,
        "stored_bytes": sum(backup.size_bytes for backup in stored),
        "future_backups": sum(backup.is_ahead(now) for backup in stored),
        "orphan_backups": sum(backup.state == "orphan" for backup in stored),
        "content_size_bytes": (manifest.get("content_size_bytes") or manifest["file_size_bytes"]) if manifest else 0,
        "sealed_backups": sum(bool(b.manifest and b.manifest.get("encryption")) for b in stored),
        "pinned_backups": sum(backup.is_pinned for backup in stored),
        "pinned_bytes": sum(backup.size_bytes for backup in stored if backup.is_pinned),
        "snapshot_consistency": manifest is not None and manifest["consistency"] == "snapshot",
        "directory_writable": os.access(one.directory if one.directory.exists() else one.directory.parent, os.W_OK),
        "directory_identity": _identity(one.directory),
        "newest_backup_timestamp_seconds": valid[0].taken_at if valid else 0,
        "oldest_backup_timestamp_seconds": valid[-1].taken_at if valid else 0,
        "schedule_interval_seconds": one.interval_seconds,
    }
    states = {f'backups{{set="{one.name}",state="{s}"}}': sum(b.state == s for b in stored) for s in STATES}
    return _labelled(found, one.name) | states


def age_seconds(one: SetFiles, now: float) -> float:
    """Of the newest backup, whatever its state; infinite without one."""
    counted = [backup.taken_at for backup in _stored(one) if backup.is_whole and not backup.is_ahead(now)]
    return now - max(counted) if counted else math.inf


def max_age_seconds(one: SetFiles, now: float) -> float:
    """From before the last due time but one, with a quarter of an hour for the run and some minutes to be told of it."""
    return now - _last_due_but_one(one, now - QUARTER_OF_AN_HOUR) + FIVE_MINUTES


def _last_due_but_one(one: SetFiles, moment: float) -> float:
    return (moment // one.interval_seconds - 1) * one.interval_seconds


def _identity(directory: Path) -> int:
    marker = directory / ".volume" / "id"
    return int.from_bytes(bytes.fromhex(marker.read_text().strip())[:6]) if marker.exists() else 0


def _stored(one: SetFiles) -> Iterator[Stored]:
    names = {path.name: path for path in one.directory.glob(f"{one.prefix}_*") if path.is_file()}
    stamps = {
        found[1] for name in names if (found := re.fullmatch(rf"{one.prefix}_(\d{{8}}_\d{{6}})(\.meta)?\.json", name))
    }
    for stamp in stamps:
        data, metadata = names.get(f"{one.prefix}_{stamp}.json"), names.get(f"{one.prefix}_{stamp}.meta.json")
        manifest = _manifest(metadata)
        yield Stored(
            stamp=stamp,
            state=_state(data, metadata, manifest),
            size_bytes=data.stat().st_size if data else 0,
            manifest=manifest,
            is_confirmed=f"{one.prefix}_{stamp}.confirmed.json" in names,
            is_pinned=f"{one.prefix}_{stamp}.pin.json" in names,
        )


def _manifest(path: Path | None) -> Mapping[str, Any] | None:
    try:
        return dict(json.loads(path.read_bytes())) if path else None
    except ValueError:
        return None


def _state(data: Path | None, metadata: Path | None, manifest: Mapping[str, Any] | None) -> str:
    if metadata is None:
        return "orphan"
    if manifest is None:
        return "invalid"
    if data is None:
        return "missing"
    return "valid" if hashlib.sha256(data.read_bytes()).hexdigest() == manifest["checksum"] else "invalid"


# -- the record --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """The database of runs, asked in SQL."""

    connection: sqlite3.Connection

    def _value(self, query: str, *values: object) -> float:
        found = self.connection.execute(query, values).fetchone()
        return found[0] or 0 if found else 0

    def known_since(self, name: str) -> float:
        first = self._value("SELECT min(started_at) FROM runs WHERE kind = 'backup' AND set_name = ?", name)
        schedule = self._value("SELECT min(accounted_until) FROM schedules WHERE name LIKE ?", f"%backup:{name}")
        return min(moment for moment in (first, schedule) if moment) / 1e6

    def of_set(self, name: str, interval_seconds: float) -> Samples:
        accounted = self._value("SELECT accounted_until FROM schedules WHERE name = ?", f"backup:{name}") / 1e6
        since = self._value("SELECT since FROM pauses WHERE name = ?", f"backup:{name}") / 1e6
        until = self._value("SELECT until FROM pauses WHERE name = ?", f"backup:{name}") / 1e6
        next_run = (max(accounted, until - 1e-6) // interval_seconds + 1) * interval_seconds
        found = {
            "known_since_timestamp_seconds": self.known_since(name),
            **self._last("last_run", "backup", name),
            "last_run_success": self._value(
                f"SELECT outcome = 'succeeded' FROM runs WHERE kind = 'backup' AND set_name = ? AND {REAL} AND {MEANT} {LAST}",  # noqa: S608 - constants
                name,
            ),
            "running": 0,
            "run_started_timestamp_seconds": 0,
            "last_success_timestamp_seconds": self._last_success("backup", name, "ended_at"),
            "last_success_duration_seconds": self._last_success("backup", name, "ended_at - started_at"),
            "consecutive_run_failures": self._consecutive_failures(name),
            "schedule_missed_runs_total": self._total("backup", name, "outcome = 'missed'"),
            "schedule_skipped_runs_total": self._total("backup", name, "outcome = 'skipped'"),
            "schedule_enabled": since == 0,
            "schedule_paused_since_timestamp_seconds": since,
            "schedule_paused_until_timestamp_seconds": until,
            "schedule_next_run_timestamp_seconds": 0 if since and not until else next_run,
            **{
                key: value for key, value in self._last("restore_drill", "drill", name).items() if "duration" not in key
            },
            "restore_drill_duration_seconds": self._last_success("drill", name, "ended_at - started_at"),
            "verifications_total": self._total("verify", name, REAL),
            "verification_failures_total": self._total("verify", name, BAD),
            "restores_total": self._total("restore", name, REAL),
            "restore_failures_total": self._total("restore", name, BAD),
            "retention_deleted_backups_total": self._counter("retention_deleted_backups", name),
            "retention_failures_total": self._counter("retention_failures", name),
        }
        return _labelled(found, name) | self._runs(name)

    def _last(self, prefix: str, kind: str, name: str) -> Samples:
        which = "outcome IN ('succeeded', 'failed')" if kind == "drill" else REAL  # one that was cut off proves nothing
        query = f"SELECT {{}} FROM runs WHERE kind = ? AND set_name = ? AND {which} {LAST}"  # noqa: S608 - constants
        return {
            f"{prefix}_timestamp_seconds": self._value(query.format("ended_at"), kind, name) / 1e6,
            f"{prefix}_success": self._value(query.format("outcome = 'succeeded'"), kind, name),
            f"{prefix}_duration_seconds": self._value(query.format("ended_at - started_at"), kind, name) / 1e6,
        }

    def _last_success(self, kind: str, name: str, what: str) -> float:
        where = f"kind = ? AND set_name = ? AND outcome = 'succeeded' {LAST}"
        return self._value(f"SELECT {what} FROM runs WHERE {where}", kind, name) / 1e6  # noqa: S608 - constants

    def _consecutive_failures(self, name: str) -> int:
        query = f"SELECT outcome FROM runs WHERE kind = 'backup' AND set_name = ? AND {REAL} AND {MEANT} ORDER BY rowid DESC"  # noqa: S608 - constants
        outcomes = [outcome for (outcome,) in self.connection.execute(query, (name,))]
        return next((number for number, outcome in enumerate(outcomes) if outcome == "succeeded"), len(outcomes))

    def _total(self, kind: str, name: str, which: str) -> float:
        return self._value(f"SELECT sum(count) FROM totals WHERE kind = ? AND set_name = ? AND {which}", kind, name)  # noqa: S608 - constants

    def _counter(self, counter: str, name: str) -> float:
        return self._value("SELECT value FROM counters WHERE name = ? AND set_name = ?", counter, name)

    def _runs(self, name: str) -> Samples:
        triggers = {
            f'runs_total{{set="{name}",trigger="{trigger}"}}': self._total(
                "backup", name, f"{REAL} AND trigger = '{trigger}'"
            )
            for trigger in TRIGGERS
        }
        query = f"SELECT code, sum(count) FROM totals WHERE kind = 'backup' AND set_name = ? AND {BAD} GROUP BY code"  # noqa: S608 - constants
        reasons = {
            f'run_failures_total{{reason="{code}",set="{name}"}}': float(count)
            for code, count in self.connection.execute(query, (name,))
        }
        return triggers | reasons | self._last_failure(name)

    def _last_failure(self, name: str) -> Samples:
        query = f"SELECT outcome, code FROM runs WHERE kind = 'backup' AND set_name = ? AND {REAL} AND {MEANT} {LAST}"  # noqa: S608 - constants
        outcome, code = self.connection.execute(query, (name,)).fetchone() or ("succeeded", None)
        return {} if outcome == "succeeded" else {f'last_run_failure{{reason="{code}",set="{name}"}}': 1.0}


def of_sets(sets: list[SetFiles], record: Path, now: float) -> Samples:
    """Everything that must be said of these sets; a reason for which nothing failed is left out. `now` is the sidecar's."""
    found: Samples = {}
    with closing(sqlite3.connect(f"file:{record}?mode=ro", uri=True)) as connection:
        asked = Record(connection)
        for one in sets:
            found |= of_files(one, now, asked.known_since(one.name)) | asked.of_set(one.name, one.interval_seconds)
    return found


def of_storage(
    disk: Path, sets: list[SetFiles], min_free_bytes: int, data_bytes: Mapping[str, int] | None = None
) -> Samples:
    """The file system, and what the next run needs of it; `data_bytes` is what the server holds of each set, if it is up."""
    largest = max(_predicted(one, data_bytes.get(one.name) if data_bytes else None) for one in sets)
    system = os.statvfs(disk)
    return {
        "storage_capacity_bytes": system.f_blocks * system.f_frsize,
        "storage_required_bytes": min_free_bytes + largest,
        "storage_up": 1,
    }


def free_bytes(disk: Path) -> int:
    system = os.statvfs(disk)
    return system.f_bavail * system.f_frsize


def unconfigured(sets: list[SetFiles]) -> int:
    """Metadata files in the directories that belong to no set."""
    ours = {(one.directory, one.prefix) for one in sets}
    found = [path for one in sets for path in one.directory.glob("*_????????_??????.meta.json")]
    return sum((path.parent, path.name[: -len("_YYYYMMDD_HHMMSS.meta.json")]) not in ours for path in found)


def alert_tests(directory: Path, now: float) -> Samples:
    """Which severity somebody asked for, by the note that the command leaves."""
    note = directory / ".alert-test.json"
    asked: dict[str, str] = json.loads(note.read_bytes()) if note.exists() else {}
    is_on = bool(asked) and now < datetime.fromisoformat(asked["until"]).timestamp()
    return {f'alert_test{{severity="{one}"}}': float(is_on and asked["severity"] == one) for one in SEVERITIES}


def _predicted(one: SetFiles, data_bytes: int | None) -> int:
    stored = sorted(_stored(one), key=lambda backup: backup.stamp, reverse=True)
    if data_bytes is None:
        newest = next((backup for backup in stored if backup.is_whole and backup.state == "valid"), None)
        return int(1.1 * newest.size_bytes) if newest else 0
    return int(data_bytes * next(filter(None, map(_stored_per_bson, stored)), 2.5))


def _stored_per_bson(backup: Stored) -> float | None:
    details = backup.manifest["collection_details"].values() if backup.manifest else ()
    size = sum(detail["bson_bytes"] for detail in details)
    return 1.1 * backup.manifest["file_size_bytes"] / size if backup.manifest and size else None


def _labelled(samples: Samples, name: str) -> Samples:
    return {f'{metric}{{set="{name}"}}': float(value) for metric, value in samples.items()}
