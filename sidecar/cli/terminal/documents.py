"""Print the versions of one document."""

import json
import shlex
from collections.abc import Iterable
from typing import Any

from sidecar.cli.terminal.console import remark, say
from sidecar.inspect.documents import Change, Way
from sidecar.inspect.history import LIVE, DocumentHistory, Version

SHOWN_CHARACTERS = 120  # of one value

_SIGNS = {Way.ADDED: "+", Way.REMOVED: "-", Way.CHANGED: "~"}


def history(found: DocumentHistory, collection: str, identity: str) -> None:
    """Print the versions, the newest last, and the command that restores the document if it differs now."""
    say(f"{collection} {identity}", "bold")
    for version in found.versions:
        say(f"{_where(version)}: {_what(version, found)}")
        for line in _changes(version.changes):
            say(f"    {line}")
    for backup_id, error in found.unread.items():
        remark(f"{backup_id} could not be read: {error}", "yellow")
    newest = found.newest
    if newest is None:
        say("No backup holds it.")
    elif found.versions[-1].document != newest.document:
        say(f"To bring it back: sidecar restore {newest.backups[-1]} -c {collection} --ids {shlex.quote(identity)}")


def _where(version: Version) -> str:
    if version.backups == [LIVE]:
        return "Now"
    first, last = version.backups[0], version.backups[-1]
    if last == LIVE:
        return f"{first} to now" if len(version.backups) > 1 else "Now"
    return first if first == last else f"{first} to {last} ({len(version.backups)} backups)"


def _what(version: Version, found: DocumentHistory) -> str:
    if version.document is None:
        return "not there"
    if version is found.versions[0]:
        return _short(version.document)
    return "changed" if version.changes else f"there again: {_short(version.document)}"


def _changes(changes: Iterable[Change]) -> Iterable[str]:
    for one in changes:
        before = "" if one.way is Way.ADDED else _short(one.before)
        after = "" if one.way is Way.REMOVED else _short(one.after)
        yield f"{_SIGNS[one.way]} {one.path}: {' → '.join(filter(None, (before, after)))}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
