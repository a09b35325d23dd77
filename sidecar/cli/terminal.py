"""What people see: tables, and a progress bar on a terminal. Results go to stdout, everything else to stderr."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from sidecar.errors import ConfigError, SidecarError
from sidecar.events import Listener, Progressed, nobody
from sidecar.inspect.compare import Difference
from sidecar.model import BackupState, Manifest, StoredBackup
from sidecar.restore.plan import Plan
from sidecar.restore.restore import Restored
from sidecar.rules.health import age_in_words
from sidecar.rules.retention import Decision
from sidecar.status import reports

_WIDTH = None if sys.stdout.isatty() else 180  # a file or a pipe has no width of its own
out = Console(highlight=False, width=_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_STATE = {
    BackupState.VALID: "[green]✔ valid[/]",
    BackupState.INVALID: "[red]✘ invalid[/]",
    BackupState.MISSING: "[red]✘ data missing[/]",
    BackupState.ORPHAN: "[yellow]? orphan[/]",
}
_HEALTH = {"healthy": "green", "caution": "yellow", "warning": "dark_orange", "critical": "red"}


def say_json(value: object) -> None:
    text = json.dumps(value, default=str, ensure_ascii=False)
    if out.is_terminal:
        out.print_json(text)
    else:
        out.file.write(text + "\n")


def say(text: str) -> None:
    out.print(text, markup=False, soft_wrap=True)


def complain(error: SidecarError) -> None:
    """The error in one sentence and its cure, on stderr."""
    for problem in error.problems if isinstance(error, ConfigError) else [str(error)]:
        err.print(f"error: {problem}", style="red", markup=False)
    if error.cure:
        err.print(error.cure, markup=False)


def made(manifest: Manifest) -> None:
    documents = f"{sum(manifest.collections.values()):,} documents"
    say(
        f"{manifest.filename}: {documents}, {manifest.file_size_mb} MB, {manifest.consistency}, SHA-256 {manifest.checksum}"
    )
    for lost in manifest.suspicions:
        err.print(f"  suspect: {lost}; nothing is deleted until it is confirmed", style="yellow", markup=False)
    for missing in manifest.missing_collections:
        say(f"  missing: {missing}")
    for note in manifest.notes:
        say(f"  note: {note}")


def backups(stored: Iterable[StoredBackup], now: datetime) -> None:
    table = Table(title="Backups", title_justify="left")
    for heading in ("Backup", "Set", "Taken (UTC)", "Age"):
        table.add_column(heading, no_wrap=True)
    table.add_column("Documents", justify="right")
    table.add_column("MB", justify="right")
    table.add_column("State", no_wrap=True)
    table.add_column("Why", overflow="fold")
    for one in stored:
        row = reports.entry(one, now)
        age = age_in_words(max(now - reports.taken_at(one), now - now))
        table.add_row(
            row.backup_id,
            one.set_name,
            f"{reports.taken_at(one):%Y-%m-%d %H:%M:%S}",
            age,
            f"{sum(row.collections.values()):,}",
            f"{row.size_mb:.2f}",
            _state(one),
            "; ".join(row.suspicions if one.is_suspect else ()) if one.verdict.is_valid else one.verdict.message,
        )
    out.print(table)


def _state(one: StoredBackup) -> str:
    words = [_STATE[one.verdict.state]]
    if one.is_suspect:
        words.append("[yellow]suspect[/]")
    if one.is_safety:  # perhaps of a part of the set only
        words.append("(before a restore)")
    elif one.is_pinned:
        words.append("(pinned)")
    return " ".join(words)


def status(body: Mapping[str, reports.SetStatus]) -> None:
    table = Table(title="Status", title_justify="left")
    for heading in ("Set", "Health", "Message", "Newest backup", "Valid backups"):
        table.add_column(heading)
    for name, one in body.items():
        colour = _HEALTH[one.health]
        newest = one.last_backup.backup_id if one.last_backup else "–"
        table.add_row(
            name,
            f"[{colour}]{one.health}[/]",
            one.message,
            newest,
            f"{one.backup_count} of {one.retention_limit}",
        )
    out.print(table)


def decisions(judged: Iterable[Decision]) -> None:
    table = Table(title="Retention", title_justify="left")
    for heading in ("Backup", "Verdict", "Reason", "Expires (UTC)"):
        table.add_column(heading)
    for one in judged:
        expires = f"{one.expires_at:%Y-%m-%d %H:%M}" if one.expires_at else "–"
        table.add_row(str(one.id), "[green]keep[/]" if one.keep else "[red]delete[/]", one.reason, expires)
    out.print(table)


def plan(planned: Plan, target_db: str, estimated_seconds: float | None) -> None:
    table = Table(title=f"Restore into {target_db}", title_justify="left")
    table.add_column("Collection")
    table.add_column("Kind")
    for heading in ("Documents in the backup", "Replaces", "New", "Changed", "Unchanged", "Removed"):
        table.add_column(heading, justify="right")
    for one in planned.collections:
        replaces = "nothing" if one.replaces_documents is None else f"{one.replaces_documents:,} documents"
        compared = (one.inserted, one.replaced, one.unchanged, one.removed)
        figures = ["" if number is None else f"{number:,}" for number in compared]
        table.add_row(one.collection, one.kind.value, f"{one.documents:,}", replaces, *figures)
    out.print(table)
    for one in planned.collections:
        for warning in one.warnings:
            err.print(f"{one.collection}: {warning}", style="yellow", markup=False)
    for obstacle in planned.obstacles:
        err.print(f"refused without --force: {obstacle}", style="red", markup=False)
    if estimated_seconds is not None:
        say(f"It will take about {estimated_seconds:g} s, by the measure of the last drill.")


def restored(result: Restored) -> None:
    say(f"Restored {result.backup_id} into {result.target_db}: counts and fingerprints are equal.")
    table = Table()
    table.add_column("Collection")
    table.add_column("Documents", justify="right")
    table.add_column("Fingerprint")
    for name, detail in result.collections.items():
        table.add_row(name, f"{detail.documents:,}", f"{detail.fingerprint[:16]}…")
    for name in result.views:
        table.add_row(name, "view", "")
    out.print(table)


def drills(bodies: Mapping[str, Mapping[str, Any]]) -> None:
    table = Table(title="Restore drill", title_justify="left")
    table.add_column("Set")
    table.add_column("Result")
    table.add_column("Documents", justify="right")
    table.add_column("Seconds", justify="right")
    table.add_column("Backup, or what failed", overflow="fold")
    for name, body in bodies.items():
        result = "[green]✔ proven[/]" if body["success"] else "[red]✘ failed[/]"
        figures = (f"{body['documents']:,}", f"{body['seconds']}") if body["success"] else ("", "")
        table.add_row(name, result, *figures, Text(body["message"]))
    out.print(table)


def differences(found: Mapping[str, Difference]) -> None:
    table = Table(title="Differences", title_justify="left")
    table.add_column("Collection")
    for heading in ("Documents", "Added", "Removed", "Changed"):
        table.add_column(heading, justify="right")
    table.add_column("Definition")
    table.add_column("Some ids", overflow="fold")
    for name, one in found.items():
        ids = "; ".join(f"{kind}: {', '.join(some)}" for kind, some in one.ids.items())
        definition = "changed" if one.definition_changed else "same"
        documents = f"{one.left_documents:,} → {one.right_documents:,}"
        table.add_row(name, documents, f"{one.added:,}", f"{one.removed:,}", f"{one.changed:,}", definition, Text(ids))
    out.print(table)


def settings(rows: Iterable[tuple[str, str, str]]) -> None:
    table = Table(title="Configuration", title_justify="left")
    for heading in ("Setting", "Value", "From"):
        table.add_column(heading, overflow="fold")
    for name, value, source in rows:
        table.add_row(name, Text(value), source)
    out.print(table)


@contextmanager
def progress() -> Iterator[Listener]:
    """A listener that draws a bar per collection; silent where stderr is no terminal."""
    if not err.is_terminal:
        yield nobody
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[documents]:,} documents"))
    with Progress(*columns, DownloadColumn(), TransferSpeedColumn(), TimeElapsedColumn(), console=err) as bars:
        tasks: dict[tuple[str, str], TaskID] = {}

        def draw(event: Progressed) -> None:
            key = (event.action, event.collection)
            if key not in tasks:
                tasks[key] = bars.add_task(f"{event.action} {event.collection}", documents=0)
            share = event.documents / event.expected_documents if event.expected_documents else 1.0
            total = event.bson_bytes / share if share else None
            bars.update(tasks[key], completed=event.bson_bytes, total=total, documents=event.documents)

        yield draw
