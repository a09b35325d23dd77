"""What a service manager is told: ready, alive, stopping. The protocol of sd_notify(3), which is one datagram per message."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from sidecar.logger import Logger

log = Logger(__name__)


@asynccontextmanager
async def announced(environ: Mapping[str, str], status: str) -> AsyncIterator[None]:
    """Say READY on the way in and STOPPING on the way out, and in between, as often as was asked for, that the event loop turns.

    `status` is what `systemctl status` shows. Where no service manager listens, nothing happens.
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
    """Seconds without a sign of life that systemd allows; None if it does not watch this process."""
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
