"""Cluster time, and how far back the server can still read."""

import time
from typing import Final

from bson.timestamp import Timestamp

from support.exact_server.errors import CommandError

DEFAULT_HISTORY_SECONDS: Final = 300.0  # minSnapshotHistoryWindowInSeconds


def as_timestamp(moment: int) -> Timestamp:
    return Timestamp(moment >> 32, moment & 0xFFFFFFFF)


def from_timestamp(stamp: Timestamp) -> int:
    return stamp.time << 32 | stamp.inc


class ClusterClock:
    """Seconds and a counter in one int64, as in BSON's timestamp; every write gets a moment of its own."""

    def __init__(self, history_seconds: float = DEFAULT_HISTORY_SECONDS) -> None:
        self.now = int(time.time()) << 32 | 1
        self._history_seconds = history_seconds
        self._oldest = 0
        self._reads_until_loss: int | None = None

    def tick(self) -> int:
        """A later moment than any before."""
        self.now = max(self.now + 1, int(time.time()) << 32 | 1)
        return self.now

    def wait_for_nobody(self) -> int:
        """Now, also where nothing was written for long: a member of a replica set writes a no-op every ten seconds."""
        self.now = max(self.now, int(time.time()) << 32 | 1)
        return self.now

    def lose_history_after(self, reads: int) -> None:
        """After so many further snapshot reads, every moment up to then is too old."""
        self._reads_until_loss = reads
        self._lose_history_if_due()

    def check_readable(self, moment: int) -> None:
        """Counts one read of `moment`. Raises SnapshotTooOld (239)."""
        self._lose_history_if_due()
        age_seconds = time.time() - (moment >> 32)
        if moment < self._oldest or age_seconds > self._history_seconds:
            raise CommandError(
                239, f"Read timestamp {as_timestamp(moment)} is older than the oldest available timestamp."
            )
        if self._reads_until_loss is not None:
            self._reads_until_loss -= 1

    def _lose_history_if_due(self) -> None:
        if self._reads_until_loss == 0:
            self._reads_until_loss = None
            self._oldest = self.tick()
