"""What a sync did and could not do, and how much it puts up with: one bad backup spoils nothing beside it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from sidecar.errors import (
    BackupInvalid,
    BackupNotFound,
    Busy,
    CopyDamaged,
    CopyError,
    CopyForeign,
    SidecarError,
    StorageError,
)
from sidecar.logger import Logger
from sidecar.model import BackupId
from sidecar.runtime.backoff import pause_seconds

IN_A_ROW: Final = 3  # failures of the place, one backup after the other: then it is left alone until the next sync
FIRST_SECONDS = 1.0
MOST_SECONDS: Final = 60.0

log = Logger(__name__)


@dataclass(slots=True)
class Report:
    """What came of a sync."""

    sent: list[BackupId] = field(default_factory=list)
    fetched: list[BackupId] = field(default_factory=list)
    proven: int = 0
    mended_there: list[BackupId] = field(default_factory=list)
    mended_here: list[BackupId] = field(default_factory=list)
    deleted: list[BackupId] = field(default_factory=list)
    locked: int = 0  # that would go if they were not locked
    failures: list[SidecarError] = field(default_factory=list)

    def __str__(self) -> str:
        done = [
            ("sent", len(self.sent)),
            ("fetched", len(self.fetched)),
            ("read back", self.proven),
            ("healed there", len(self.mended_there)),
            ("healed here", len(self.mended_here)),
            ("deleted there", len(self.deleted)),
            ("kept because they are locked", self.locked),
        ]
        return ", ".join(f"{number} {what}" for what, number in done if number) or "nothing to do"

    def require_success(self) -> None:
        """Raises the last failure, and says what else there was."""
        if self.failures:
            others = len(self.failures) - 1
            more = f"{others} more failed; otherwise: {self}" if others else f"otherwise: {self}"
            raise self.failures[-1].with_more(more)


class Patience:
    """With one place during one sync. What fails with a backup is reported, and the next one is tried."""

    def __init__(self, report: Report, sleep: Callable[[float], None] = time.sleep) -> None:
        self.failed: set[BackupId] = set()
        self._report = report
        self._sleep = sleep
        self._in_a_row = 0

    @contextmanager
    def with_place(self) -> Iterator[None]:
        """Around the whole sync: what ends it is reported too."""
        try:
            yield
        except CopyError as error:
            if not any(error is known for known in self._report.failures):
                self._report.failures.append(error)

    @contextmanager
    def with_one(self, backup_id: BackupId) -> Iterator[None]:
        """Around the work on one backup. Raises what ends the whole sync."""
        try:
            yield
        except CopyForeign:  # it is not ours any more: nothing else may be written there
            raise
        except (BackupInvalid, BackupNotFound, CopyError, Busy, StorageError) as error:
            log.warning("copy.backup_failed", backup_id=str(backup_id), code=error.code, error=str(error))
            self.failed.add(backup_id)
            self._report.failures.append(error)
            if isinstance(error, CopyError) and not isinstance(error, CopyDamaged):
                self._wait(error)
        else:
            self._in_a_row = 0

    def _wait(self, error: CopyError) -> None:
        """The place itself failed, or the way to it: give it time, or give up."""
        self._in_a_row += 1
        if self._in_a_row == IN_A_ROW:
            raise error
        self._sleep(pause_seconds(self._in_a_row, FIRST_SECONDS, MOST_SECONDS))
