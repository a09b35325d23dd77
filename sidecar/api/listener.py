"""The socket: aiohttp behind the limits that it lacks, certificates that are read again, and a stop that ends."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage

from sidecar.api.connections import Connection, Limits
from sidecar.api.local_socket import listening_at
from sidecar.api.room import Guests
from sidecar.errors import ConfigError, SidecarError
from sidecar.logger import Logger
from sidecar.runtime.clock import SystemClock
from sidecar.runtime.supervision import Supervised

MOST_HEADERS = 64
CERTIFICATE_SECONDS = 10.0  # between two looks at the certificate's files
_NO_PASSWORD = ""  # without one, OpenSSL asks the terminal for that of an encrypted key, and everything waits

log = Logger(__name__)


class CannotListen(SidecarError):
    """The address cannot be listened on."""

    code = "cannot_listen"
    cure = "Set SIDECAR_HOST and SIDECAR_PORT to an address that is free."


@dataclass(frozen=True, slots=True)
class Listening:
    """Where it listens."""

    port: int
    url: str


# -- certificates ------------------------------------------------------------------------------------------------------


class Certificate:
    """A certificate chain and its key, in files that may be renewed."""

    def __init__(self, chain: Path, key: Path) -> None:
        self._chain = chain
        self._key = key
        self._seen = self._identity()
        self.context = self._loaded()

    def _loaded(self) -> ssl.SSLContext:
        """Raises ConfigError."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self._chain, self._key, _NO_PASSWORD)
        except ssl.SSLError as error:
            raise self._unusable(
                "the key is not the certificate's"
                if error.reason == "KEY_VALUES_MISMATCH"
                else "expected PEM: a certificate with its chain, and its key without a password"
            ) from None
        except OSError as error:
            raise self._unusable(error.strerror or "cannot be read") from None
        return context

    def _unusable(self, reason: str) -> ConfigError:
        return ConfigError([f"SIDECAR_TLS_CERT and SIDECAR_TLS_KEY: {self._chain} and {self._key}: {reason}"])

    def _identity(self) -> list[object]:
        try:
            found = [path.stat() for path in (self._chain, self._key)]
        except OSError:  # being replaced
            return []
        return [(one.st_mtime_ns, one.st_size, one.st_ino) for one in found]

    def renew(self) -> None:
        """Use what the files hold now, for new connections; what cannot be used is said, and the old one stays."""
        identity = self._identity()
        if identity in (self._seen, []):
            return
        self._seen = identity
        try:
            self._loaded()  # a broken pair would leave a context that is in use half changed
            self.context.load_cert_chain(self._chain, self._key, _NO_PASSWORD)
        except (ConfigError, OSError) as error:
            log.error("tls.reload_failed", error=str(error))  # noqa: TRY400 - the sentence says it all
        else:
            log.info("tls.reloaded", certificate=str(self._chain))

    async def keep_renewing(self, task: Supervised) -> None:
        while True:
            task.beat()
            await asyncio.sleep(CERTIFICATE_SECONDS)
            self.renew()


# -- listening ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def listening(  # noqa: PLR0913 - one place where all ways in are given
    app: web.Application,
    host: str,
    port: int,
    certificate: Certificate | None = None,
    limits: Limits | None = None,
    local: Path | None = None,
) -> AsyncIterator[Listening]:
    """Serve inside the `with` block, also at the socket `local`. After it, what is being answered has `grace_seconds`.

    Raises CannotListen.
    """
    limits = limits or Limits()
    runner = web.AppRunner(
        app,
        handle_signals=False,
        access_log=None,
        logger=_logger(),
        keepalive_timeout=limits.keepalive_seconds,
        shutdown_timeout=limits.grace_seconds / 2,  # aiohttp waits twice
        max_headers=MOST_HEADERS,
        auto_decompress=False,  # nobody packs 64 kB of JSON, and aiohttp logs a body that does not unpack as a defect of ours
    )
    room = Guests(limits.connections, limits.per_client, limits.reserved)
    context = certificate.context if certificate else None
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_stop, runner, room, limits.grace_seconds)
        await runner.setup()
        assert runner.server is not None  # noqa: S101 - it was set up
        if local is not None:  # first: who is answered on the port takes it that all of the server is there
            await stack.enter_async_context(listening_at(local, runner.server))
        server = await _listen(partial(Connection, runner.server, limits, context, room), host, port)
        stack.callback(server.close)
        yield _listening(server, host, certificate)


def _logger() -> logging.Logger:
    """aiohttp's, without a traceback for everything that is no HTTP: anybody can send that."""
    logger = logging.getLogger("sidecar.http")
    logger.addFilter(_is_our_fault)
    return logger


def _is_our_fault(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], BadHttpMessage))


async def _stop(runner: web.AppRunner, room: Guests, grace_seconds: float) -> None:
    """Whatever still waits for a client that does not read is broken off."""
    now = asyncio.get_running_loop().time
    deadline = now() + grace_seconds
    await runner.cleanup()
    if len(room):
        await asyncio.wait([one.ended for one in room], timeout=max(deadline - now(), 0))
    for one in room:
        one.abort()
    await asyncio.gather(*(one.ended for one in room))


async def _listen(factory: Callable[[], asyncio.Protocol], host: str, port: int) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(factory, host, port, reuse_address=True)
    except OSError as error:
        raise CannotListen(f"{host}:{port}: {error.strerror or error}") from None
    except UnicodeError:
        raise CannotListen(f"{host}:{port}: not a host name") from None


def _listening(server: asyncio.Server, host: str, certificate: Certificate | None) -> Listening:
    port = server.sockets[0].getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared
    return Listening(port, f"{'https' if certificate else 'http'}://{shown}:{port}")


def renewing(certificate: Certificate) -> Supervised:
    """The task that looks at the certificate's files."""
    return Supervised("certificate", certificate.keep_renewing, SystemClock(), silence_seconds=4 * CERTIFICATE_SECONDS)
