"""Tell systemd that the process is ready, alive or stopping, by the protocol of sd_notify(3): a datagram per message."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from sidecar.logger import Logger

log = Logger(__name__)


@asynccontextmanager
async def announced(environ: Mapping[str, str], status: str) -> AsyncIterator[None]:
    """Send READY at the start of the `with` block and STOPPING at its end, and in between feed the watchdog if asked to.

    `status` is what `systemctl status` shows. Does nothing if no service manager listens.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        yield
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(0)  # a manager that does not listen must not stop us
        _tell(manager, address, f"READY=1\nSTATUS={status}")
        watchdog = asyncio.create_task(_keep_alive(manager, address, _watchdog_seconds(environ)), name="watchdog")
        try:
            yield
        finally:
            _tell(manager, address, "STOPPING=1")
            watchdog.cancel()
            await asyncio.wait({watchdog})


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """Return after how many seconds without a message systemd kills us, None if it does not watch this process."""
    asked, watched = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", str(os.getpid()))
    return int(asked) / 1e6 if asked.isdecimal() and watched == str(os.getpid()) else None


async def _keep_alive(manager: socket.socket, address: str, silence_seconds: float | None) -> None:
    while silence_seconds:
        _tell(manager, address, "WATCHDOG=1")
        await asyncio.sleep(silence_seconds / 2)


def _tell(manager: socket.socket, address: str, message: str) -> None:
    name = f"\0{address[1:]}" if address.startswith("@") else address
    try:
        manager.sendto(message.encode(), name)
    except OSError as error:
        log.warning("systemd.not_told", message=message, error=str(error))
