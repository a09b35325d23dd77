"""What is stored, how well each set is protected, and what the retention rules say."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from rich.text import Text

from sidecar.cli.terminal.console import remark, say, shown
from sidecar.cli.terminal.tables import Column, Table, number
from sidecar.cli.terminal.units import size
from sidecar.model import BackupState, Manifest, StoredBackup
from sidecar.rules.health import age_in_words
from sidecar.rules.retention import Decision
from sidecar.status import reports

_STATE = {
    BackupState.VALID: ("✔ valid", "green"),
    BackupState.INVALID: ("✘ invalid", "red"),
    BackupState.MISSING: ("✘ data missing", "red"),
    BackupState.ORPHAN: ("? orphan", "yellow"),
}
_HEALTH = {"healthy": "green", "caution": "yellow", "warning": "dark_orange", "critical": "red"}


def made(manifest: Manifest) -> None:
    documents = f"{sum(manifest.collections.values()):,} documents"
    stored = size(manifest.file_size_bytes)
    say(f"{manifest.filename}: {documents}, {stored}, {manifest.consistency}, SHA-256 {manifest.checksum}")
    for lost in manifest.suspicions:
        remark(f"  suspect: {lost}; nothing is deleted until it is confirmed", "yellow")
    for missing in manifest.missing_collections:
        say(f"  missing: {missing}")
    for note in manifest.notes:
        say(f"  note: {note}")


def backups(stored: Iterable[StoredBackup], now: datetime) -> None:
    """The newest last, where the terminal ends."""
    table = Table(
        "Backups",
        Column("Backup", is_lead=True),
        Column("Set", may_go=True),
        Column("Taken (UTC)", may_go=True),
        "Age",
        number("Documents"),
        number("Size"),
        Column("State", is_lead=True),
    )
    for one in sorted(stored, key=lambda one: (one.taken_at, one.set_name)):
        row = reports.entry(one, now)
        reasons = row.suspicions if one.is_suspect else ()
        table.row(
            row.backup_id,
            one.set_name,
            f"{one.taken_at:%Y-%m-%d %H:%M:%S}",
            age_in_words(max(now - one.taken_at, timedelta())),
            f"{sum(row.collections.values()):,}",
            size(row.size_bytes),
            _state(one),
            remarks=reasons if one.verdict.is_valid else [one.verdict.message],
        )
    table.show()


def one(stored: StoredBackup, now: datetime) -> None:
    """All that is known of a backup."""
    backups([stored], now)
    if stored.manifest is None:
        return
    manifest = stored.manifest
    for name, value in (
        ("File", manifest.filename),
        ("SHA-256", manifest.checksum),
        ("Database", f"{manifest.db_name} at {manifest.mongo_url}"),
        ("Made by", f"{manifest.trigger}, {manifest.duration_seconds or 0:g} s, codec {manifest.codec or '–'}"),
        ("Consistency", manifest.consistency),
        *[("Missing", missing) for missing in manifest.missing_collections],
        *[("Note", note) for note in manifest.notes],
    ):
        say(f"{name}: {value}")
    table = Table("Collections", Column("Collection", is_lead=True), number("Documents"))
    for name, documents in manifest.collections.items():
        table.row(name, f"{documents:,}")
    table.show()


def _state(one: StoredBackup) -> Text:
    text = shown(*_STATE[one.verdict.state])
    if one.is_suspect:
        text.append(" suspect", "yellow")
    if one.is_safety:  # perhaps of a part of the set only
        text.append(" (before a restore)")
    elif one.is_pinned:
        text.append(" (pinned)")
    return text


def status(body: Mapping[str, reports.SetStatus], free_bytes: int) -> None:
    table = Table(
        "Status", Column("Set", is_lead=True), Column("Health", is_lead=True), "Newest backup", "Valid backups"
    )
    for name, one in body.items():
        newest = one.last_backup.backup_id if one.last_backup else "–"
        held = f"{one.backup_count} of {one.retention_limit}"
        table.row(name, shown(one.health, _HEALTH[one.health]), newest, held, remarks=[one.message, *_proofs(one)])
    table.show()
    say(f"Free space: {size(free_bytes)}.")


def _proofs(one: reports.SetStatus) -> Iterator[str]:
    """How far back one can go, and what was proven when."""
    if one.newest_restorable and one.oldest_restorable:
        newest, oldest = one.newest_restorable.timestamp, one.oldest_restorable.timestamp
        yield f"Restorable: from {oldest:%Y-%m-%d %H:%M} to {newest:%Y-%m-%d %H:%M} UTC"
    for what, proof in (("Last verification", one.last_verification), ("Last drill", one.last_drill)):
        if proof is not None:
            yield f"{what}: {'succeeded' if proof.success else 'failed'}, {proof.ended_at:%Y-%m-%d %H:%M} UTC"


def decisions(judged: Iterable[Decision]) -> None:
    table = Table(
        "Retention", Column("Backup", is_lead=True), Column("Verdict", is_lead=True), "Expires (UTC)", "Reason"
    )
    for one in judged:
        expires = f"{one.expires_at:%Y-%m-%d %H:%M}" if one.expires_at else "–"
        verdict = shown("keep", "green") if one.keep else shown("delete", "red")
        table.row(str(one.id), verdict, expires, one.reason)
    table.show()
