"""What is backed up together, and what is kept of it."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSet:
    """A named list of collections that are backed up together, and the rules for what is kept of them."""

    name: str
    collections: tuple[str, ...]  # ("*",) is every collection of the database
    prefix: str
    exclude: tuple[str, ...] = ()
    directory: PurePosixPath = field(default_factory=PurePosixPath)  # below BACKUP_DIR
    limit: int = 5
    retention_days: int = 30
    keep_hourly: int = 0  # beside the newest ones: the newest of so many hours that have one
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    keep_yearly: int = 0
    keep_within_days: int = 0  # all that are not older
    max_total_mb: float = 0.0  # all of its backups together; 0: no bound
    schedule: str | None = None  # five-field cron expression or @alias; wins over the interval
    interval_hours: float = 1.0
    jitter_seconds: float = 0.0  # everything begins later by a share of this that is the set's own
    blackout: tuple[str, ...] = ()  # windows in which nothing is begun by schedule
    compression: str = "none"
    compression_level: int = 1
    recipients: tuple[str, ...] = ()  # public keys of age or SSH; without any nothing is encrypted

    @property
    def is_compressed(self) -> bool:
        return self.compression != "none"

    @property
    def takes_all(self) -> bool:
        return self.collections == ("*",)

    def wants(self, collection: str) -> bool:
        """Whether a collection of this name belongs to the set."""
        return collection not in self.exclude and (self.takes_all or collection in self.collections)
