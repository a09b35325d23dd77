"""What the backups of a set may take together. Pure.

What always stays is counted first, then valid backups that nobody doubts, suspect ones and the others, the newest first: the
first that has no room goes, with all after it.
"""

from collections.abc import Sequence
from dataclasses import replace

from sidecar.model import MB
from sidecar.rules.judged import Candidate, Decision
from sidecar.rules.policy import Policy
from sidecar.rules.tiers import Rule

ALWAYS = frozenset({Rule.HELD, Rule.NEWEST, Rule.PINNED, Rule.ALL_THAT_IS_LEFT, Rule.AHEAD})


def within_budget(candidates: Sequence[Candidate], decisions: Sequence[Decision], policy: Policy) -> list[Decision]:
    """The decisions on these candidates, newest first, with those let go that have no room."""
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
    """From the most on."""
    if not one.counts:
        return 2
    return 1 if one.is_suspect else 0
