"""Which retention rules keep which valid backups, and until when. Pure.

Each rule decides on its own, so that an additional rule never deletes a backup that is kept without it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sidecar.model import BackupId
from sidecar.rules.judged import Steadiness
from sidecar.rules.policy import Policy
from sidecar.rules.tiers import Rule, Tier, newest_of_each


@dataclass(frozen=True, slots=True)
class Claim:
    """One reason to keep one backup."""

    rule: Rule
    words: str
    until: datetime | None  # when the claim ends at the earliest; None: never, or not known

    @property
    def is_of_age(self) -> bool:
        """Whether the claim depends on the backup's age."""
        return self.rule in (Rule.LAST, Rule.WITHIN)


def claims(
    newest_first: Sequence[BackupId], policy: Policy, now: datetime, clock: Steadiness
) -> Mapping[BackupId, Sequence[Claim]]:
    """Return the claims on these backups, which must all take a place. Either all of them are suspect, or none."""
    found: dict[BackupId, list[Claim]] = defaultdict(list)
    for one, claim in _all(newest_first, policy, now, clock):
        found[one].append(claim)
    return found


def _all(
    newest_first: Sequence[BackupId], policy: Policy, now: datetime, clock: Steadiness
) -> Iterator[tuple[BackupId, Claim]]:
    yield from _last(newest_first, policy, now, clock)
    for tier, count in policy.tiers():
        yield from _of_tier(tier, count, newest_first, policy, now)
    if policy.keep_within_days:
        yield from _within(newest_first, policy.keep_within_days, now, clock)


def _last(
    newest_first: Sequence[BackupId], policy: Policy, now: datetime, clock: Steadiness
) -> Iterator[tuple[BackupId, Claim]]:
    for place, one in enumerate(newest_first[: policy.limit], 1):
        too_old = clock.age_ends(one, policy.retention_days)
        if too_old is None or now <= too_old:
            pushed_out = _made(policy, newest_first[0], policy.limit - place + 1)
            until = too_old if pushed_out is None else min(pushed_out, too_old or pushed_out)
            yield one, Claim(Rule.LAST, f"number {place} of {policy.limit}", until)


def _of_tier(
    tier: Tier, count: int, newest_first: Sequence[BackupId], policy: Policy, now: datetime
) -> Iterator[tuple[BackupId, Claim]]:
    """Claim the newest backup of each calendar bucket. Empty buckets are not counted, so that an outage deletes nothing."""
    representing = newest_of_each(newest_first, tier, lambda one: one.taken_at, policy.zone)
    for place, one in enumerate(representing, 1):
        if place > count:
            return
        words = f"{tier.rule} {place} of {count}"
        yield one, Claim(tier.rule, words, _pushed_out(tier, count - place + 1, newest_first[0], policy, now))


def _pushed_out(tier: Tier, by: int, newest: BackupId, policy: Policy, now: datetime) -> datetime | None:
    """When `by` newer buckets will hold a backup, if every run succeeds from now on; None: not known."""
    has_one = tier.begins(newest.taken_at, policy.zone) >= tier.begins(now, policy.zone)
    opens = tier.opens(max(now, newest.taken_at), by if has_one else by - 1, policy.zone)
    made = _made(policy, newest, by)
    return max(opens, made) if opens and made else opens


def _made(policy: Policy, newest: BackupId, further: int) -> datetime | None:
    """When `further` more backups will have been made, if every run succeeds; None: not known."""
    if policy.every is None:
        return None
    try:
        return newest.taken_at + further * policy.every
    except OverflowError:
        return None


def _within(
    newest_first: Sequence[BackupId], days: int, now: datetime, clock: Steadiness
) -> Iterator[tuple[BackupId, Claim]]:
    for one in newest_first:
        ends = clock.age_ends(one, days)
        if clock.doubt or ends is None or now <= ends:
            yield one, Claim(Rule.WITHIN, f"not older than {days} days", ends)
