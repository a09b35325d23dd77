"""Which backups of a set stay and which go. Pure: `now` is passed in.

The newest valid backup and a pinned one always stay. One that was made before a restore never counts: it may hold only a
part of the set. While the newest valid backup is a suspect one nothing goes; afterwards suspect ones go by a count of their
own, so that they never push out one that nobody doubts. One that a wrong clock dated ahead takes no place and stays until its
time has come. Valid ones go by count, then everything goes by age, but an invalid one only while there is a valid one: until
then it is all that is left. The order of the input never matters.

Age is only as true as the clock: it counts from the last moment at which the clock is known to have been set.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from sidecar.model import BackupId, StoredBackup
from sidecar.rules import counting


@dataclass(frozen=True, slots=True)
class Candidate:
    """A backup as the rules see it."""

    id: BackupId
    is_valid: bool
    is_pinned: bool
    is_in_use: bool
    is_safety: bool = False  # made before a restore: it is no substitute for a backup of the set
    is_suspect: bool = False  # lost most of a collection, and nobody has confirmed that
    is_ahead: bool = False  # dated ahead of now by a clock that was wrong

    @classmethod
    def of(cls, one: StoredBackup, now: datetime, *, is_in_use: bool = False) -> Self:
        return cls(
            id=one.id,
            is_valid=one.verdict.is_valid,
            is_pinned=one.is_pinned,
            is_in_use=is_in_use,
            is_safety=one.is_safety,
            is_suspect=one.is_suspect,
            is_ahead=counting.is_ahead(one, now),
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """`limit` newest valid backups are kept, none longer than `retention_days`."""

    limit: int
    retention_days: int


@dataclass(frozen=True, slots=True)
class Steadiness:
    """What is known of the clock that ages are told by."""

    since: datetime | None = None  # when it was last found to have been set; None: never
    doubt: str | None = None  # why nothing may go by its age now


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a backup, why, and when its age will end it (None: never, as things stand)."""

    id: BackupId
    keep: bool
    reason: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Set:
    """All the backups of a set together: what a rule has to know to judge one of them."""

    policy: Policy
    now: datetime
    clock: Steadiness
    newest_valid: BackupId | None  # that nobody doubts
    held_by: BackupId | None  # the newest valid one, where it is suspect
    places: Mapping[BackupId, int]  # of those that count, from the newest on

    def expires_at(self, one: Candidate) -> datetime | None:
        born = max(one.id.taken_at, self.clock.since or one.id.taken_at)
        try:
            return born + timedelta(days=self.policy.retention_days)
        except OverflowError:  # past the year 9999
            return None


_Rule = Callable[[Candidate, _Set], Decision | None]


def expected(policy: Policy, interval_seconds: float, known_seconds: float) -> int:
    """How many valid backups a set would have that is known for so long, had every run succeeded."""
    made = int(known_seconds // interval_seconds)
    not_too_old = int(timedelta(days=policy.retention_days).total_seconds() // interval_seconds)
    return max(min(policy.limit, made, max(not_too_old, 1)), 0)


def is_held(candidates: Iterable[Candidate]) -> bool:
    """Whether nothing goes because the newest valid backup is suspect."""
    return _held_by(_whole(candidates)) is not None


def judge(
    candidates: Iterable[Candidate], policy: Policy, now: datetime, clock: Steadiness | None = None
) -> list[Decision]:
    """A decision on each backup, newest first: that of the first rule which has one."""
    newest_first = sorted(candidates, key=lambda one: one.id, reverse=True)
    whole = _whole(newest_first)
    trusted = [one for one in whole if not one.is_suspect]
    situation = _Set(
        policy=policy,
        now=now,
        clock=clock or Steadiness(),
        newest_valid=next((one.id for one in trusted), None),
        held_by=_held_by(whole),
        places=_places(trusted) | _places(one for one in whole if one.is_suspect),
    )
    return [_waiting(one, _first(one, situation)) for one in newest_first]


def _whole(candidates: Iterable[Candidate]) -> list[Candidate]:
    newest_first = sorted(candidates, key=lambda one: one.id, reverse=True)
    return [one for one in newest_first if one.is_valid and not one.is_safety and not one.is_ahead]


def _held_by(whole: Sequence[Candidate]) -> BackupId | None:
    return whole[0].id if whole and whole[0].is_suspect else None


def _places(alike: Iterable[Candidate]) -> dict[BackupId, int]:
    return {one.id: place for place, one in enumerate((one for one in alike if not one.is_pinned), 1)}


def _first(one: Candidate, situation: _Set) -> Decision:
    return next(decision for rule in RULES if (decision := rule(one, situation)) is not None)


def _waiting(one: Candidate, decision: Decision) -> Decision:
    """Whoever reads a backup may end."""
    if decision.keep or not one.is_in_use:
        return decision
    return replace(decision, keep=True, reason=f"in use; then: {decision.reason}")


# -- the rules, each of which decides or passes on --------------------------------------------------------------------------


def _hold_all(one: Candidate, situation: _Set) -> Decision | None:
    if situation.held_by is None:
        return None
    return _stays(one, f"{situation.held_by} is suspect: nothing goes until it is confirmed or the data is back")


def _keep_newest(one: Candidate, situation: _Set) -> Decision | None:
    return _stays(one, "the newest valid backup") if one.id == situation.newest_valid else None


def _keep_pinned(one: Candidate, _: _Set) -> Decision | None:
    return _stays(one, "pinned") if one.is_pinned else None


def _keep_all_that_is_left(one: Candidate, situation: _Set) -> Decision | None:
    return _stays(one, "there is no valid backup") if situation.newest_valid is None else None


def _keep_ahead(one: Candidate, situation: _Set) -> Decision | None:
    if not one.is_ahead or situation.now >= one.id.taken_at:
        return None
    return Decision(
        one.id, keep=True, reason="dated ahead of now, takes no place", expires_at=situation.expires_at(one)
    )


def _let_go_by_count(one: Candidate, situation: _Set) -> Decision | None:
    place, limit = situation.places.get(one.id, 0), situation.policy.limit
    if place <= limit:
        return None
    kind = "suspect" if one.is_suspect else "valid"
    return Decision(
        one.id, keep=False, reason=f"number {place} of the {kind} backups, {limit} are kept", expires_at=None
    )


def _let_go_by_age(one: Candidate, situation: _Set) -> Decision | None:
    expires_at = situation.expires_at(one)
    if expires_at is None or situation.now <= expires_at:
        return None
    reason = f"older than {situation.policy.retention_days} days"
    if doubt := situation.clock.doubt:
        return Decision(one.id, keep=True, reason=f"{reason}, but nothing goes by age: {doubt}", expires_at=expires_at)
    return Decision(one.id, keep=False, reason=reason, expires_at=expires_at)


def _keep_the_rest(one: Candidate, situation: _Set) -> Decision:
    place, expires_at = situation.places.get(one.id), situation.expires_at(one)
    what = "made before a restore" if one.is_safety else "dated ahead" if one.is_ahead else "invalid"
    reason = f"number {place} of {situation.policy.limit}" if place else f"{what}, kept until it is too old"
    if (since := situation.clock.since) is not None and since > one.id.taken_at:
        reason += f"; its age counts from {since:%Y-%m-%d %H:%M} UTC, when the clock was set"
    return Decision(one.id, keep=True, reason=reason, expires_at=expires_at)


def _stays(one: Candidate, reason: str) -> Decision:
    return Decision(one.id, keep=True, reason=reason, expires_at=None)


RULES: tuple[_Rule, ...] = (
    _hold_all,
    _keep_newest,
    _keep_pinned,
    _keep_all_that_is_left,
    _keep_ahead,
    _let_go_by_count,
    _let_go_by_age,
    _keep_the_rest,
)
