"""The limit of the total size of a set's backups (`max_total_mb`). Pure.

Sizes are added in this order: backups that always stay, valid ones, suspect ones, the others; the newest first in each group.
The first backup above the limit is deleted, with all after it.
"""

from collections.abc import Sequence
from dataclasses import replace

from sidecar.model import MB
from sidecar.rules.judged import Candidate, Decision
from sidecar.rules.policy import Policy
from sidecar.rules.tiers import Rule

ALWAYS = frozenset({Rule.HELD, Rule.NEWEST, Rule.PINNED, Rule.ALL_THAT_IS_LEFT, Rule.AHEAD})


def within_budget(candidates: Sequence[Candidate], decisions: Sequence[Decision], policy: Policy) -> list[Decision]:
    """Return the decisions, with `keep=False` for the backups above the limit. Both lists are newest first, in the same order."""
    if not policy.max_total_bytes:
        return list(decisions)
    kept = [(one, decision) for one, decision in zip(candidates, decisions, strict=True) if decision.keep]
    taken = sum(one.size_bytes for one, decision in kept if ALWAYS & set(decision.rules))
    gone = set()
    for one, decision in sorted(kept, key=lambda pair: _worth(pair[0])):  # stable: newest first among equals
        if not ALWAYS & set(decision.rules):
            taken += one.size_bytes
            if taken > policy.max_total_bytes:
                gone.add(one.id)
    reason = f"there is no room for it: the set may take {policy.max_total_bytes / MB:g} MiB"
    return [
        replace(one, keep=False, reason=reason, expires_at=None, rules=()) if one.id in gone else one
        for one in decisions
    ]


def _worth(one: Candidate) -> int:
    """The position of a backup's group in the order: 0 for valid ones, 1 for suspect ones, 2 for the others."""
    if not one.counts:
        return 2
    return 1 if one.is_suspect else 0
