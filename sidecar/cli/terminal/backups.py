"""What is stored, how well each set is protected, and what the retention rules say."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from rich.table import Table

from sidecar.cli.terminal.console import err, out, say
from sidecar.model import BackupState, Manifest, StoredBackup
from sidecar.rules.health import age_in_words
from sidecar.rules.retention import Decision
from sidecar.status import reports

_STATE = {
    BackupState.VALID: "[green]✔ valid[/]",
    BackupState.INVALID: "[red]✘ invalid[/]",
    BackupState.MISSING: "[red]✘ data missing[/]",
    BackupState.ORPHAN: "[yellow]? orphan[/]",
}
_HEALTH = {"healthy": "green", "caution": "yellow", "warning": "dark_orange", "critical": "red"}


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
        age = age_in_words(max(now - one.taken_at, now - now))
        table.add_row(
            row.backup_id,
            one.set_name,
            f"{one.taken_at:%Y-%m-%d %H:%M:%S}",
            age,
            f"{sum(row.collections.values()):,}",
            f"{row.size_mb:.2f}",
            _state(one, is_ahead=row.is_ahead),
            "; ".join(row.suspicions if one.is_suspect else ()) if one.verdict.is_valid else one.verdict.message,
        )
    out.print(table)


def _state(one: StoredBackup, *, is_ahead: bool) -> str:
    words = [_STATE[one.verdict.state]]
    if one.is_suspect:
        words.append("[yellow]suspect[/]")
    if is_ahead:
        words.append("[yellow]dated ahead[/]")
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
