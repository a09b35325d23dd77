"""Print backups, the status of each set, and the verdicts of the retention rules."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from rich.text import Text

from sidecar.archive.keys import key_name
from sidecar.cli.terminal.console import remark, say, shown
from sidecar.cli.terminal.tables import Column, Table, number
from sidecar.model import NOT_READ, BackupState, Manifest, StoredBackup, documents_in_words, size
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


def _brief(message: str) -> str:
    """Shorten each SHA-256 in a message to 12 digits, enough to compare by eye; `--json` has all of them."""
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1…", message)


def made(manifest: Manifest) -> None:
    """Print a new backup and its remarks."""
    documents = documents_in_words(sum(manifest.collections.values()))
    stored = size(manifest.file_size_bytes)
    say(f"{manifest.filename}: {documents}, {stored}, {manifest.consistency}, SHA-256 {manifest.checksum}")
    for lost in manifest.suspicions:
        remark(f"  suspect: {lost}; nothing is deleted until it is confirmed", "yellow")
    for missing in manifest.missing_collections:
        say(f"  missing: {missing}")
    for note in manifest.notes:
        say(f"  note: {note}")


def backups(stored: Iterable[StoredBackup], now: datetime) -> None:
    """Print a table of backups, the newest last, where the terminal ends."""
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
            remarks=reasons if one.verdict.is_valid else [_brief(one.verdict.message)],
        )
    table.show()


def one(stored: StoredBackup, now: datetime) -> None:
    """Print all that is known about a backup."""
    backups([stored], now)
    if stored.manifest is None:
        return
    manifest = stored.manifest
    for name, value in (
        ("File", manifest.filename),
        ("SHA-256", manifest.checksum),
        *_stored_as(manifest),
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


def read_when(stored: Iterable[StoredBackup]) -> None:
    """Print how old the verdicts of a listing are that read no data."""
    moments = sorted(one.verified_at for one in stored if one.verified_at)
    if moments:
        first, last = f"{moments[0]:%Y-%m-%d %H:%M}", f"{moments[-1]:%Y-%m-%d %H:%M}"
        say(f"Nothing was read: verdicts from {first if first == last else f'{first} to {last}'} UTC.")
    else:
        say("Nothing was read, now or before: `sidecar list` reads the backups.")


def _stored_as(manifest: Manifest) -> list[tuple[str, str]]:
    """Return lines on compression and encryption, none for a plain backup."""
    facts = [("Compression", str(manifest.compression))] if manifest.compression else []
    if manifest.encryption:
        facts.append(("Encrypted for", ", ".join(map(key_name, manifest.encryption.recipients))))
    if facts:
        facts.append(("Text", f"{size(manifest.text_bytes)}, SHA-256 {manifest.content_checksum}"))
    return facts


def _state(one: StoredBackup) -> Text:
    text = shown("? not read", "yellow") if one.verdict == NOT_READ else shown(*_STATE[one.verdict.state])
    if one.is_sealed:
        text.append(", content not checked here")
    if one.is_suspect:
        text.append(" suspect", "yellow")
    if one.is_safety:  # it may hold only a part of the set
        text.append(" (before a restore)")
    elif one.is_pinned:
        text.append(" (pinned)")
    return text


def status(body: Mapping[str, reports.SetStatus], free_bytes: int) -> None:
    """Print a table of the sets. The time of the newest restorable backup comes first; a newer damaged one does not count."""
    table = Table(
        "Status", Column("Set", is_lead=True), Column("Health", is_lead=True), "Can go back to (UTC)", "Valid backups"
    )
    for name, one in body.items():
        newest = f"{one.newest_restorable.timestamp:%Y-%m-%d %H:%M:%S}" if one.newest_restorable else "nothing"
        remarks = [_brief(one.message), *_proofs(one), f"Retention reaches back {one.retention.reaches_back}"]
        table.row(name, shown(one.health, _HEALTH[one.health]), newest, f"{one.backup_count}", remarks=remarks)
    table.show()
    say(f"Free space: {size(free_bytes)}.")


def _proofs(one: reports.SetStatus) -> Iterator[str]:
    """Yield lines on the newest and oldest restorable backup, and on the last verification and drill."""
    if one.newest_restorable and one.oldest_restorable:
        yield f"Newest that can be restored: {one.newest_restorable.backup_id}"
        yield f"Oldest that can be restored: {one.oldest_restorable.backup_id}"
    if one.last_backup and not one.last_backup.is_valid:
        yield f"Newest backup, damaged: {one.last_backup.backup_id}"
    for what, proof in (
        ("Last scheduled verification", one.last_verification),
        ("Last drill of the server", one.last_drill),
    ):
        ended = (
            f"{'succeeded' if proof.success else 'failed'}, {proof.ended_at:%Y-%m-%d %H:%M} UTC" if proof else "never"
        )
        yield f"{what}: {ended}"


def decisions(judged: Iterable[Decision]) -> None:
    """Print which backups the retention rules keep or delete, and why."""
    table = Table(
        "Retention", Column("Backup", is_lead=True), Column("Verdict", is_lead=True), "Expires (UTC)", "Reason"
    )
    for one in judged:
        expires = f"{one.expires_at:%Y-%m-%d %H:%M}" if one.expires_at else "–"
        verdict = shown("keep", "green") if one.keep else shown("delete", "red")
        table.row(str(one.id), verdict, expires, one.reason)
    table.show()
