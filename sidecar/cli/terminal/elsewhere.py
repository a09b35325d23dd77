"""Print copies for people, and return them as JSON for scripts."""

import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import typer
from rich.text import Text

from sidecar.cli.terminal.console import say, shown
from sidecar.cli.terminal.tables import Column, Table, number
from sidecar.copies.copies import CopyView
from sidecar.copies.memory import Held
from sidecar.errors import UsageError
from sidecar.model import size
from sidecar.rules.health import age_in_words

_VERSIONED = "Old versions are kept there: they take room until a lifecycle rule of the bucket removes them"


def standings(found: Iterable[CopyView], now: datetime) -> None:
    """Print a table of copies, a row for each set."""
    table = Table(
        "Copies",
        Column("Copy", is_lead=True),
        Column("Set", is_lead=True),
        Column("Newest copy", is_lead=True),
        number("Copies"),
        number("To send"),
        "Last contact (UTC)",
    )
    for one in found:
        newest = one.restorable[0] if one.restorable else None
        age = f"{age_in_words(max(now - newest.taken_at, timedelta()))} old" if newest else "none"
        contact = f"{one.contact.at:%Y-%m-%d %H:%M}" if one.contact else "never"
        error = one.contact.error if one.contact and one.contact.error else ""
        remarks = [one.copy.url, error, _VERSIONED if _is_versioned(one) else "", *_damaged(one.held)]
        late = shown(age, "yellow" if is_late(one, now) else "green")
        table.row(one.copy.name, one.set_name, late, str(len(one.restorable)), str(one.lag), contact, remarks=remarks)
    table.show()


def _is_versioned(one: CopyView) -> bool:
    return one.contact is not None and one.contact.is_versioned


def is_late(one: CopyView, now: datetime) -> bool:
    """Return whether the newest backup in a copy is older than the copy's `max_age_hours`, or there is none."""
    limit = timedelta(hours=one.copy.max_age_hours)
    return not one.restorable or now - one.restorable[0].taken_at > limit


def listing(held: Iterable[Held]) -> None:
    """Print the backups in a copy, the newest last."""
    table = Table(
        "There", Column("Backup", is_lead=True), "Set", number("Size"), Column("State", is_lead=True), "Read back (UTC)"
    )
    for one in sorted(held, key=lambda one: one.backup.id):
        backup = one.backup
        read = f"{backup.verified_at:%Y-%m-%d %H:%M}" if backup.verified_at else "never"
        locked = f"Locked until {one.locked_until:%Y-%m-%d %H:%M} UTC" if one.locked_until else ""
        reason = backup.verdict.message if one.is_damaged else ""
        table.row(str(backup.id), backup.set_name, size(backup.size_bytes), _state(one), read, remarks=[reason, locked])
    table.show()


def _state(one: Held) -> Text:
    if one.is_proven:
        return shown("✔ read back", "green")
    return shown(f"✘ {one.backup.verdict.state}", "red") if one.is_damaged else shown("? not read back", "yellow")


def _damaged(held: Iterable[Held]) -> list[str]:
    return [f"Damaged there: {one.backup.id}: {one.backup.verdict.message}" for one in held if one.is_damaged]


def body(one: CopyView, now: datetime) -> dict[str, Any]:
    """Return one set of a copy for `copies status --json`."""
    newest = one.restorable[0] if one.restorable else None
    return {
        "copy": one.copy.name,
        "backup_type": one.set_name,
        "url": one.copy.url,
        "newest_backup": str(newest.id) if newest else None,
        "newest_timestamp": newest.taken_at if newest else None,
        "is_late": is_late(one, now),
        "backups": len(one.restorable),
        "damaged_backups": sum(held.is_damaged for held in one.held),
        "lag_backups": one.lag,
        "is_versioned": _is_versioned(one),
        "asked_at": one.contact.at if one.contact else None,
        "answered_at": one.contact.answered_at if one.contact else None,
        "error": one.contact.error if one.contact else None,
    }


def entry(one: Held) -> dict[str, Any]:
    """Return a backup in a copy for `copies list --json`; `is_valid` is None if it was never read back."""
    backup = one.backup
    return {
        "backup_id": str(backup.id),
        "backup_type": backup.set_name,
        "filename": backup.filename,
        "timestamp": backup.taken_at,
        "size_bytes": backup.size_bytes,
        "is_valid": True if one.is_proven else False if one.is_damaged else None,
        "message": backup.verdict.message,
        "read_back_at": backup.verified_at,
        "locked_until": one.locked_until,
    }


def require_consent(copy: str, owner: str) -> None:
    """Ask before a copy is taken over, because its owner may still run. Raises UsageError without a terminal."""
    if not sys.stdin.isatty():
        raise UsageError(f"{copy} belongs to the sidecar {owner}: expected --yes where there is no terminal to ask on")
    say(f"{copy} belongs to the sidecar {owner}. Two sidecars that write to one copy delete each other's backups.")
    typer.confirm("Is that sidecar gone for good?", abort=True)
