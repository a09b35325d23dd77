"""What a service manager hears, on a socket such as systemd gives to a unit of Type=notify."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.runtime.systemd import announced
from support.patience import PATIENCE_SECONDS
from support.served import Served
from support.servers import ServerProcess, accepts_connections

QUIET_SECONDS = 0.5  # ten times as long as the watchdog's half below


class Manager:
    """The other end. `hear` blocks, the event loop as well."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def hear(self, within_seconds: float = PATIENCE_SECONDS) -> str:
        self.socket.settimeout(within_seconds)
        return self.socket.recv(4096).decode()

    def environ(self, **more: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.address, **more}


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.socket.close()


def test_a_server_is_ready_when_it_listens_then_alive_and_says_when_it_stops(
    manager: Manager, exact: ServerProcess, tmp_path: Path
) -> None:
    with Served(exact, tmp_path / "backups", variables=manager.environ(WATCHDOG_USEC="200000")) as served:
        assert manager.hear() == f"READY=1\nSTATUS=Serving http://127.0.0.1:{served.port}"
        assert accepts_connections(served.port)
        assert [manager.hear() for _ in range(3)] == ["WATCHDOG=1"] * 3
        assert served.stop() == 0
        while (last := manager.hear()) == "WATCHDOG=1":
            pass
        assert last == "STOPPING=1"


async def test_a_blocked_event_loop_is_silent(manager: Manager) -> None:
    async with announced(manager.environ(WATCHDOG_USEC="100000"), "here"):
        assert manager.hear() == "READY=1\nSTATUS=here"
        await asyncio.sleep(0)  # to where the watchdog begins
        assert manager.hear() == "WATCHDOG=1"
        with pytest.raises(TimeoutError):
            manager.hear(QUIET_SECONDS)  # waiting here keeps the event loop from turning
        await asyncio.to_thread(manager.hear)  # and here it turns


@pytest.mark.parametrize("watched", [{}, {"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "often"}])
async def test_nobody_watching_means_no_watchdog(manager: Manager, watched: dict[str, str]) -> None:
    async with announced(manager.environ(**watched), "here"):
        assert manager.hear() == "READY=1\nSTATUS=here"
        await asyncio.sleep(0)
    assert manager.hear() == "STOPPING=1"


async def test_an_abstract_socket_is_heard_as_well() -> None:
    manager = Manager(f"@sidecar-test-{os.getpid()}")
    async with announced(manager.environ(), "here"):
        assert manager.hear() == "READY=1\nSTATUS=here"
    manager.socket.close()


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "/nowhere/at/all"])
async def test_a_manager_that_cannot_be_reached_stops_nothing(address: str) -> None:
    async with announced({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "100000"}, "here"):
        await asyncio.sleep(0)
