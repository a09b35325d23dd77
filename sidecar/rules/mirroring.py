"""What is to be done so that a place elsewhere holds what it should. Pure: both listings and `now` are passed in.

Only what was proven counts: a backup here that was verified, one there that was read back. Neither side is mended from one that
nobody has read, that is suspect, or that is another one of the same name. Nothing goes there because it is missing here.
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
    """Newest first: what to send, what of that mends a damaged copy, what to fetch, and what cannot be helped."""

    send: tuple[BackupId, ...]
    mended_there: frozenset[BackupId]
    fetch: tuple[BackupId, ...]
    hopeless: Mapping[BackupId, str]


def plan(
    here: Iterable[StoredBackup],
    there: Iterable[StoredBackup],
    policy: Policy,
    now: datetime,
    clock: Steadiness | None = None,
) -> Queue:
    """`there`, what nobody has read back yet is NOT_READ: it is neither sent again nor mended from."""
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
    """The retention rules' verdicts on what lies there alone. While something there is unread, nothing goes."""
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
    """What would be kept there if all of it were there: anything else would be sent to be deleted."""
    union = [*local.values(), *(one for backup_id, one in remote.items() if not _is_good(local.get(backup_id)))]
    by_id = {one.id: one for one in union}  # of two the one there, where that here is not valid
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
