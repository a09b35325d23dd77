"""What `serve` says before it serves."""

import asyncio

import pytest
from structlog.testing import capture_logs

from sidecar.cli import serve


async def test_a_start_that_waits_for_its_storage_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "START_SECONDS", 0.01)
    with capture_logs() as said, pytest.raises(TimeoutError):
        await asyncio.wait_for(serve._tell_of_waiting(), timeout=0.5)
    assert said[0] == {
        "event": "sidecar.start_waits",
        "log_level": "warning",
        "about": "BACKUP_DIR: its storage answers slowly or not at all",
    }
