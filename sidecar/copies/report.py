"""The report of a sync, and its patience with errors: one bad backup does not keep the others from being copied."""

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

IN_A_ROW: Final = 3  # backups in a row that failed because of the place: then the sync ends
FIRST_SECONDS = 1.0
MOST_SECONDS: Final = 60.0

log = Logger(__name__)


@dataclass(slots=True)
class Report:
    """What a sync did, and its errors."""

    sent: list[BackupId] = field(default_factory=list)
    fetched: list[BackupId] = field(default_factory=list)
    proven: int = 0
    mended_there: list[BackupId] = field(default_factory=list)
    mended_here: list[BackupId] = field(default_factory=list)
    deleted: list[BackupId] = field(default_factory=list)
    locked: int = 0  # backups that only an object lock keeps
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
        """Raise the last error, if there is one, with a summary of the rest."""
        if self.failures:
            others = len(self.failures) - 1
            more = f"{others} more failed; otherwise: {self}" if others else f"otherwise: {self}"
            raise self.failures[-1].with_more(more)


class Patience:
    """How long one sync goes on after errors: an error of one backup is reported, and the next one is tried."""

    def __init__(self, report: Report, sleep: Callable[[float], None] = time.sleep) -> None:
        self.failed: set[BackupId] = set()
        self._report = report
        self._sleep = sleep
        self._in_a_row = 0

    @contextmanager
    def with_place(self) -> Iterator[None]:
        """Wrap the whole sync, so that the error that ends it is reported too."""
        try:
            yield
        except CopyError as error:
            if not any(error is known for known in self._report.failures):
                self._report.failures.append(error)

    @contextmanager
    def with_one(self, backup_id: BackupId) -> Iterator[None]:
        """Wrap the work on one backup, and report its error. Raises only errors that end the whole sync."""
        try:
            yield
        except CopyForeign:  # the place has another owner now: nothing more may be written there
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
        """Wait after an error of the place or the network. Raises the error after too many in a row."""
        self._in_a_row += 1
        if self._in_a_row == IN_A_ROW:
            raise error
        self._sleep(pause_seconds(self._in_a_row, FIRST_SECONDS, MOST_SECONDS))
