"""Which backups of a set stay and which go. Pure: `now` is passed in.

The newest valid backup and a pinned one always stay. One that was made before a restore never counts: it may hold only a
part of the set. While the newest valid backup is a suspect one nothing goes; afterwards suspect ones go by a count of their
own, so that they never push out one that nobody doubts. Valid ones go by count, then everything goes by age, but an invalid
one only while there is a valid one: until then it is all that is left. The order of the input never matters.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sidecar.model import BackupId


@dataclass(frozen=True, slots=True)
class Candidate:
    """A backup as the rules see it."""

    id: BackupId
    is_valid: bool
    is_pinned: bool
    is_in_use: bool
    is_safety: bool = False  # made before a restore: it is no substitute for a backup of the set
    is_suspect: bool = False  # lost most of a collection, and nobody has confirmed that


@dataclass(frozen=True, slots=True)
class Policy:
    """`limit` newest valid backups are kept, none longer than `retention_days`."""

    limit: int
    retention_days: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a backup, why, and when its age will end it (None: never, as things stand)."""

    id: BackupId
    keep: bool
    reason: str
    expires_at: datetime | None


def expected(policy: Policy, interval_seconds: float, known_seconds: float) -> int:
    """How many valid backups a set would have that is known for so long, had every run succeeded."""
    made = int(known_seconds // interval_seconds)
    not_too_old = int(timedelta(days=policy.retention_days).total_seconds() // interval_seconds)
    return max(min(policy.limit, made, max(not_too_old, 1)), 0)


def judge(candidates: Iterable[Candidate], policy: Policy, now: datetime) -> list[Decision]:
    """A decision on each backup, newest first."""
    newest_first = sorted(candidates, key=lambda one: one.id, reverse=True)
    whole = [one for one in newest_first if one.is_valid and not one.is_safety]
    if whole and whole[0].is_suspect:
        reason = f"{whole[0].id} is suspect: nothing goes until it is confirmed or the data is back"
        return [Decision(one.id, keep=True, reason=reason, expires_at=None) for one in newest_first]
    trusted = [one for one in whole if not one.is_suspect]
    newest_valid = next((one.id for one in trusted), None)
    places = _places(trusted) | _places(one for one in whole if one.is_suspect)
    return [_decide(one, places.get(one.id), newest_valid, policy, now) for one in newest_first]


def _places(alike: Iterable[Candidate]) -> dict[BackupId, int]:
    return {one.id: place for place, one in enumerate((one for one in alike if not one.is_pinned), 1)}


def _decide(
    one: Candidate, place: int | None, newest_valid: BackupId | None, policy: Policy, now: datetime
) -> Decision:
    if one.id == newest_valid:
        return Decision(one.id, keep=True, reason="the newest valid backup", expires_at=None)
    if one.is_pinned:
        return Decision(one.id, keep=True, reason="pinned", expires_at=None)
    if newest_valid is None:
        return Decision(one.id, keep=True, reason="there is no valid backup", expires_at=None)
    expires_at = _expiry(one.id, policy)
    if place is not None and place > policy.limit:
        kind = "suspect" if one.is_suspect else "valid"
        reason, keep, expires_at = f"number {place} of the {kind} backups, {policy.limit} are kept", False, None
    elif expires_at is not None and now > expires_at:
        reason, keep = f"older than {policy.retention_days} days", False
    else:
        what = "made before a restore" if one.is_safety else "invalid"
        reason, keep = (f"number {place} of {policy.limit}" if place else f"{what}, kept until it is too old"), True
    if not keep and one.is_in_use:
        return Decision(one.id, keep=True, reason=f"in use; then: {reason}", expires_at=expires_at)
    return Decision(one.id, keep, reason, expires_at)


def _expiry(backup_id: BackupId, policy: Policy) -> datetime | None:
    try:
        return backup_id.taken_at + timedelta(days=policy.retention_days)
    except OverflowError:  # past the year 9999
        return None
