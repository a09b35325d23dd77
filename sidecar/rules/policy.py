"""The retention policy: how many backups to keep, from the configuration. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, timedelta, tzinfo
from typing import Protocol, Self

from sidecar.model import MB
from sidecar.rules.tiers import TIERS, Tier


class Words(Protocol):
    """The configuration keys of a retention policy, in a set and in an off-site copy."""

    @property
    def limit(self) -> int: ...
    @property
    def retention_days(self) -> int: ...
    @property
    def keep_hourly(self) -> int: ...
    @property
    def keep_daily(self) -> int: ...
    @property
    def keep_weekly(self) -> int: ...
    @property
    def keep_monthly(self) -> int: ...
    @property
    def keep_yearly(self) -> int: ...
    @property
    def keep_within_days(self) -> int: ...
    @property
    def max_total_mb(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """Which backups to keep.

    Kept are the `limit` newest valid backups up to an age of `retention_days`, the newest backup of so many hours, days, weeks,
    months and years, and all backups not older than `keep_within_days`; together at most `max_total_mb`. 0 means none, and for
    `max_total_mb` no limit.
    """

    limit: int
    retention_days: int
    keep_hourly: int = 0
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    keep_yearly: int = 0
    keep_within_days: int = 0
    max_total_mb: float = 0
    zone: tzinfo = UTC  # the time zone of hours, days, weeks, months and years
    every: timedelta | None = None  # the time from one backup to the next; None: not known

    @classmethod
    def of(cls, words: Words, zone: tzinfo = UTC, every: timedelta | None = None) -> Self:
        return cls(
            limit=words.limit,
            retention_days=words.retention_days,
            keep_hourly=words.keep_hourly,
            keep_daily=words.keep_daily,
            keep_weekly=words.keep_weekly,
            keep_monthly=words.keep_monthly,
            keep_yearly=words.keep_yearly,
            keep_within_days=words.keep_within_days,
            max_total_mb=words.max_total_mb,
            zone=zone,
            every=every,
        )

    def but(self, **changes: float | None) -> Self:
        """Return the policy with these values changed; None leaves a value unchanged, `keep_last` is the limit."""
        given = {
            "limit" if name == "keep_last" else name: value for name, value in changes.items() if value is not None
        }
        return replace(self, **given)  # type: ignore[arg-type] # the names are those of fields

    @property
    def newest_only(self) -> Self:
        """The policy with `limit` and `retention_days` only, without tiers and `keep_within_days`."""
        none = {tier.rule: 0 for tier in TIERS}
        return self.but(keep_within_days=0, **{f"keep_{name}": count for name, count in none.items()})

    def tiers(self) -> Iterator[tuple[Tier, int]]:
        """The tiers in use, each with the number of backups to keep."""
        counts = (self.keep_hourly, self.keep_daily, self.keep_weekly, self.keep_monthly, self.keep_yearly)
        return ((tier, count) for tier, count in zip(TIERS, counts, strict=True) if count)

    @property
    def max_total_bytes(self) -> int:
        return int(self.max_total_mb * MB)

    @property
    def keeps_more(self) -> bool:
        """Whether any rule keeps more than the newest backups."""
        return bool(self.keep_within_days) or any(True for _ in self.tiers())
