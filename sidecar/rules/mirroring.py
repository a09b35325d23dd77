"""Decide what to do so that an off-site copy holds the backups that it should. Pure: both lists and `now` are passed in.

Only a local backup that was verified and a remote one that was read back count as good. Neither side is repaired from a backup
that was not read, is suspect, or is a different one of the same id. A remote backup is never deleted because the local one is
missing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sidecar.model import NOT_READ, BackupId, BackupState, StoredBackup
from sidecar.rules import retention
from sidecar.rules.policy import Policy
from sidecar.rules.retention import Candidate, Decision, Steadiness

BOTH_BAD: Final = "damaged here and there: nothing to heal it from"
NOT_THE_SAME: Final = "another backup of the same name lies there: neither is touched"


@dataclass(frozen=True, slots=True)
class Queue:
    """What to do, newest first."""

    send: tuple[BackupId, ...]
    mended_there: frozenset[BackupId]  # those to send that replace a damaged remote backup
    fetch: tuple[BackupId, ...]  # remote backups that replace a damaged local one
    hopeless: Mapping[BackupId, str]  # those that cannot be repaired, with the reason


def plan(
    here: Iterable[StoredBackup],
    there: Iterable[StoredBackup],
    policy: Policy,
    now: datetime,
    clock: Steadiness | None = None,
) -> Queue:
    """Compare local backups (`here`) with remote ones (`there`). A remote one that is NOT_READ is neither replaced nor used."""
    local, remote = {one.id: one for one in here}, {one.id: one for one in there}
    wanted = _wanted(local, remote, policy, now, clock)
    both = sorted(local.keys() | remote.keys(), reverse=True)
    pairs = [(one, local.get(one), remote.get(one)) for one in both]
    hopeless = {one: why for one, mine, theirs in pairs if (why := _hopeless(mine, theirs))}
    send = tuple(one for one, mine, theirs in pairs if one in wanted and one not in hopeless and _to_send(mine, theirs))
    return Queue(
        send=send,
        mended_there=frozenset(one for one in send if one in remote),
        fetch=tuple(one for one, mine, theirs in pairs if one not in hopeless and _to_fetch(mine, theirs)),
        hopeless=hopeless,
    )


def to_delete(
    there: Sequence[StoredBackup],
    pinned: Iterable[BackupId],
    policy: Policy,
    now: datetime,
    clock: Steadiness | None = None,
) -> list[Decision]:
    """Return the retention decisions on the remote backups. Nothing is deleted while any of them was not read back."""
    kept = set(pinned)
    whole = [replace(one, is_pinned=one.id in kept) for one in there if one.verdict.state is not BackupState.ORPHAN]
    decisions = retention.judge([Candidate.of(one, now) for one in whole], policy, now, clock)
    if any(one.verdict == NOT_READ for one in there):
        return [
            one if one.keep else replace(one, keep=True, reason="not everything there was read back yet")
            for one in decisions
        ]
    return decisions


def _wanted(
    local: Mapping[BackupId, StoredBackup],
    remote: Mapping[BackupId, StoredBackup],
    policy: Policy,
    now: datetime,
    clock: Steadiness | None,
) -> set[BackupId]:
    """The ids that retention would keep if all backups were there. Sending any other backup would only lead to its deletion."""
    union = [*local.values(), *(one for backup_id, one in remote.items() if not _is_good(local.get(backup_id)))]
    by_id = {one.id: one for one in union}  # if the local backup is not valid, the remote one counts
    decisions = retention.judge([Candidate.of(one, now) for one in by_id.values()], policy, now, clock)
    return {one.id for one in decisions if one.keep}


def _is_good(one: StoredBackup | None) -> bool:
    return one is not None and one.verdict.is_valid


def _is_bad(one: StoredBackup | None) -> bool:
    return one is not None and not one.verdict.is_valid and one.verdict != NOT_READ


def _to_send(mine: StoredBackup | None, theirs: StoredBackup | None) -> bool:
    return _is_good(mine) and (theirs is None or _is_bad(theirs))


def _to_fetch(mine: StoredBackup | None, theirs: StoredBackup | None) -> bool:
    return _is_bad(mine) and theirs is not None and _is_good(theirs) and not theirs.is_suspect


def _hopeless(mine: StoredBackup | None, theirs: StoredBackup | None) -> str | None:
    if mine is None or theirs is None:
        return None
    if _is_bad(mine) and _is_bad(theirs):
        return BOTH_BAD
    if mine.metadata and theirs.metadata and mine.metadata.brief.checksum != theirs.metadata.brief.checksum:
        return NOT_THE_SAME
    return None
