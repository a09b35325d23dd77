"""The retention rules: which backups of a set stay and which are deleted. Pure: `now` is passed in.

* The newest valid backup and pinned backups always stay.
* A safety backup never counts, because it may hold only a part of the set.
* While the newest valid backup is suspect, nothing is deleted. Suspect backups are counted separately, so that they never
  replace a good one.
* A backup that a wrong clock dated ahead is not counted, and stays until its time has come.
* A valid backup is deleted when no rule claims it any more (`claims`); invalid ones and safety backups are deleted by age.
* If there is no valid backup, nothing is deleted, because it may be all that is left.
* The limit of the total size is applied last (`budget`).

The order of the input does not matter. An age counts from the last moment at which the clock is known to have been set.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sidecar.model import BackupId
from sidecar.rules.budget import within_budget
from sidecar.rules.claims import Claim, claims
from sidecar.rules.judged import Candidate, Decision, Steadiness
from sidecar.rules.policy import Policy
from sidecar.rules.tiers import Rule

__all__ = ["Candidate", "Decision", "Policy", "Rule", "Steadiness", "is_held", "judge"]


@dataclass(frozen=True, slots=True)
class _Set:
    """What a rule must know about all backups of a set to judge one of them."""

    policy: Policy
    now: datetime
    clock: Steadiness
    newest_valid: BackupId | None  # the newest valid backup that is not suspect
    held_by: BackupId | None  # the newest valid backup if it is suspect, so that nothing is deleted
    places: Mapping[
        BackupId, int
    ]  # the place of each backup that counts, 1 for the newest; suspect ones have their own
    claimed: Mapping[BackupId, Sequence[Claim]]

    def expires_at(self, one: Candidate) -> datetime | None:
        return self.clock.age_ends(one.id, self.policy.retention_days)


_Rule = Callable[[Candidate, _Set], Decision | None]


def is_held(candidates: Iterable[Candidate]) -> bool:
    """Whether nothing is deleted because the newest valid backup is suspect."""
    return _held_by(_whole(candidates)) is not None


def judge(
    candidates: Iterable[Candidate], policy: Policy, now: datetime, clock: Steadiness | None = None
) -> list[Decision]:
    """Return a decision on each backup, newest first: that of the first rule that decides."""
    newest_first = sorted(candidates, key=lambda one: one.id, reverse=True)
    whole = _whole(newest_first)
    trusted = [one for one in whole if not one.is_suspect]
    alike = [_counting(trusted), _counting(one for one in whole if one.is_suspect)]
    clock = clock or Steadiness()
    situation = _Set(
        policy=policy,
        now=now,
        clock=clock,
        newest_valid=next((one.id for one in trusted), None),
        held_by=_held_by(whole),
        places={one: place for ids in alike for place, one in enumerate(ids, 1)},
        claimed={one: found for ids in alike for one, found in claims(ids, policy, now, clock).items()},
    )
    decided = within_budget(newest_first, [_first(one, situation) for one in newest_first], policy)
    return [_waiting(one, decision) for one, decision in zip(newest_first, decided, strict=True)]


def _whole(candidates: Iterable[Candidate]) -> list[Candidate]:
    newest_first = sorted(candidates, key=lambda one: one.id, reverse=True)
    return [one for one in newest_first if one.counts]


def _held_by(whole: Sequence[Candidate]) -> BackupId | None:
    return whole[0].id if whole and whole[0].is_suspect else None


def _counting(alike: Iterable[Candidate]) -> list[BackupId]:
    """The ids of the backups that take a place; a pinned one takes none."""
    return [one.id for one in alike if not one.is_pinned]


def _first(one: Candidate, situation: _Set) -> Decision:
    return next(decision for rule in RULES if (decision := rule(one, situation)) is not None)


def _waiting(one: Candidate, decision: Decision) -> Decision:
    """Keep a backup that is in use until it has been read."""
    if decision.keep or not one.is_in_use:
        return decision
    return replace(decision, keep=True, reason=f"in use; then: {decision.reason}", rules=(Rule.IN_USE,))


# -- the rules; each returns a decision, or None to let the next rule decide ------------------------------------------------


def _hold_all(one: Candidate, situation: _Set) -> Decision | None:
    if situation.held_by is None:
        return None
    reason = f"{situation.held_by} is suspect: nothing goes until it is confirmed or the data is back"
    return _stays(one, reason, Rule.HELD)


def _keep_newest(one: Candidate, situation: _Set) -> Decision | None:
    return _stays(one, "the newest valid backup", Rule.NEWEST) if one.id == situation.newest_valid else None


def _keep_pinned(one: Candidate, _: _Set) -> Decision | None:
    return _stays(one, "pinned", Rule.PINNED) if one.is_pinned else None


def _keep_all_that_is_left(one: Candidate, situation: _Set) -> Decision | None:
    return _stays(one, "there is no valid backup", Rule.ALL_THAT_IS_LEFT) if situation.newest_valid is None else None


def _keep_ahead(one: Candidate, situation: _Set) -> Decision | None:
    if not one.is_ahead or situation.now >= one.id.taken_at:
        return None
    return _stays(one, "dated ahead of now, takes no place", Rule.AHEAD, expires_at=situation.expires_at(one))


def _keep_claimed(one: Candidate, situation: _Set) -> Decision | None:
    """Keep a backup as long as any of its claims holds."""
    found = situation.claimed.get(one.id, ())
    if not found:
        return None
    reason = ", ".join(claim.words for claim in found)
    if any(claim.is_of_age for claim in found):
        reason += situation.clock.counts_from(one.id)
    ends = [claim.until for claim in found if claim.until is not None]
    expires_at = max(ends) if len(ends) == len(found) else None
    return _stays(one, reason, *(claim.rule for claim in found), expires_at=expires_at)


def _let_go_by_count(one: Candidate, situation: _Set) -> Decision | None:
    place, limit = situation.places.get(one.id, 0), situation.policy.limit
    if place <= limit:
        return None
    kind = "suspect" if one.is_suspect else "valid"
    reason = f"number {place} of the {kind} backups, {limit} are kept{_nor_else(situation)}"
    return Decision(one.id, keep=False, reason=reason, expires_at=None)


def _let_go_by_age(one: Candidate, situation: _Set) -> Decision | None:
    expires_at = situation.expires_at(one)
    if expires_at is None or situation.now <= expires_at:
        return None
    reason = f"older than {situation.policy.retention_days} days"
    if doubt := situation.clock.doubt:
        return _stays(one, f"{reason}, but nothing goes by age: {doubt}", Rule.AGE, expires_at=expires_at)
    if one.id in situation.places:
        reason += _nor_else(situation)
    return Decision(one.id, keep=False, reason=reason, expires_at=expires_at)


def _nor_else(situation: _Set) -> str:
    return ", and no other rule keeps it" if situation.policy.keeps_more else ""


def _keep_the_rest(one: Candidate, situation: _Set) -> Decision:
    what = "made before a restore" if one.is_safety else "dated ahead" if one.is_ahead else "invalid"
    reason = f"{what}, kept until it is too old{situation.clock.counts_from(one.id)}"
    return _stays(one, reason, Rule.AGE, expires_at=situation.expires_at(one))


def _stays(one: Candidate, reason: str, *rules: Rule, expires_at: datetime | None = None) -> Decision:
    return Decision(one.id, keep=True, reason=reason, expires_at=expires_at, rules=rules)


RULES: tuple[_Rule, ...] = (
    _hold_all,
    _keep_newest,
    _keep_pinned,
    _keep_all_that_is_left,
    _keep_ahead,
    _keep_claimed,
    _let_go_by_count,
    _let_go_by_age,
    _keep_the_rest,
)
