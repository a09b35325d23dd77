"""The sidecar with faults that nothing outside of it can cause. A file in the directory FAULTS switches on the one that it names.

scheduler   the loop dies whenever it attends to something
overview    nothing is looked at any more: as where a disk never answers
metrics     a family of metrics cannot be computed
clock       the wall clock, also that of backups, is as many seconds fast as the file says

REFRESH_SECONDS is how often everything is looked at, where a test would wait for that alone.
"""

import asyncio
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from sidecar.backup import make
from sidecar.cli import main
from sidecar.events import Listener, nobody
from sidecar.model import BackupId, Verdict
from sidecar.runs.scheduler import Routine, Scheduler
from sidecar.runtime.clock import SystemClock
from sidecar.service import Service
from sidecar.status import overview
from sidecar.status.overview import Overview

FAULTS = Path(os.environ["FAULTS"])
POLL_SECONDS = 0.1


def is_on(fault: str) -> bool:
    return (FAULTS / fault).exists()


class _Died(Exception):
    """On demand."""


_attend, _look, _verify_slice = Scheduler.attend, Overview.look, Service.verify_slice
_is_storage_up: Any = vars(Overview)["is_storage_up"]


async def attend(self: Scheduler, routine: Routine) -> None:
    if is_on("scheduler"):
        raise _Died
    await _attend(self, routine)


async def look(self: Overview, names: Iterable[str], *, again: bool = False) -> None:
    while is_on("overview"):  # noqa: ASYNC110 - whoever makes the file is another process
        await asyncio.sleep(POLL_SECONDS)
    await _look(self, names, again=again)


async def verify_slice(self: Service, set_name: str, listener: Listener = nobody) -> dict[BackupId, Verdict]:
    while is_on("verify"):  # noqa: ASYNC110 - whoever makes the file is another process
        await asyncio.sleep(POLL_SECONDS)
    return await _verify_slice(self, set_name, listener)


def is_storage_up(self: Overview) -> bool:
    if is_on("metrics"):
        raise _Died
    return bool(_is_storage_up.fget(self))


def now() -> datetime:
    fast = float((FAULTS / "clock").read_text()) if is_on("clock") else 0.0
    return datetime.now(UTC) + timedelta(seconds=fast)


class Fast(datetime):
    """What a backup is dated by."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override] # only ever asked so
        del tz
        return now()


if __name__ == "__main__":
    overview.REFRESH_SECONDS = float(os.environ.get("REFRESH_SECONDS", overview.REFRESH_SECONDS))
    make.datetime = Fast  # type: ignore[attr-defined] # a fault
    Scheduler.attend = attend  # type: ignore[method-assign] # the faults
    Overview.look = look  # type: ignore[method-assign] # a fault
    Service.verify_slice = verify_slice  # type: ignore[method-assign] # a fault
    Overview.is_storage_up = property(is_storage_up)  # type: ignore[method-assign,assignment] # a fault
    SystemClock.now = staticmethod(now)  # type: ignore[method-assign] # a fault
    main()
