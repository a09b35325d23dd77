"""A socket in the backup directory, for commands on the same host. Whoever may open it owns the backups: it asks for no token."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from aiohttp import web

from sidecar.api.sessions import Principal, Role
from sidecar.logger import Logger
from sidecar.runtime.threads import in_thread

FOR_US_ALONE = 0o600
PRINCIPAL = Principal("the command line on the server's host", Role.ADMIN)

log = Logger(__name__)


@asynccontextmanager
async def listening_at(path: Path, factory: Callable[[], asyncio.BaseProtocol]) -> AsyncIterator[None]:
    """Inside the `with` block. Where the file system takes no sockets, there is none, and that is said."""
    try:
        bound = await in_thread(_bound, path)
        server = await asyncio.get_running_loop().create_unix_server(factory, sock=bound)
    except OSError as error:
        log.warning("local_socket.not_opened", path=str(path), error=str(error))
        yield
        return
    try:
        yield
    finally:
        server.close()
        with suppress(OSError):
            await in_thread(path.unlink, missing_ok=True)


def _bound(path: Path) -> socket.socket:
    """Where a server that was killed left its socket, that one goes. Raises OSError."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        bound.bind(str(path))
        path.chmod(FOR_US_ALONE)
    except OSError:
        bound.close()
        raise
    return bound


def is_local(request: web.Request) -> bool:
    """Whether a request came by the socket: what the kernel says, no header."""
    found = request.transport.get_extra_info("socket") if request.transport else None
    return found is not None and found.family == socket.AF_UNIX
