"""The socket: aiohttp behind the limits that it lacks, certificates that are read again, and a stop that ends."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from sidecar.clock import SystemClock
from sidecar.errors import ConfigError, SidecarError
from sidecar.supervision import Supervised

HEAD_SECONDS = 10.0  # for a request's head to arrive after the connection was made
KEEPALIVE_SECONDS = 30.0
GRACE_SECONDS = 3.0  # for requests that are being answered when the listener closes
MOST_CONNECTIONS = 256
MOST_HEADERS = 64
CERTIFICATE_SECONDS = 10.0  # between two looks at the certificate's files
_HEAD_END = b"\r\n\r\n"
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

log = structlog.get_logger(__name__)


class CannotListen(SidecarError):
    """The address cannot be listened on."""

    code = "cannot_listen"
    cure = "Set SIDECAR_HOST and SIDECAR_PORT to an address that is free."


@dataclass(frozen=True, slots=True)
class Listening:
    """Where it listens."""

    port: int
    url: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may do to all others."""

    head_seconds: float = HEAD_SECONDS
    connections: int = MOST_CONNECTIONS


# -- certificates ------------------------------------------------------------------------------------------------------


class Certificate:
    """A certificate chain and its key, as files that somebody renews."""

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
            context.load_cert_chain(self._chain, self._key)
        except OSError as error:  # ssl.SSLError is one
            reason = error.strerror or "not a PEM certificate with its key"
            raise ConfigError(
                [f"SIDECAR_TLS_CERT and SIDECAR_TLS_KEY: {self._chain} and {self._key}: {reason}"]
            ) from None
        return context

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
            self.context.load_cert_chain(self._chain, self._key)
        except (ConfigError, OSError) as error:
            log.error("tls.reload_failed", error=str(error))  # noqa: TRY400 - the sentence says it all
        else:
            log.info("tls.reloaded", certificate=str(self._chain))

    async def keep_renewing(self, task: Supervised) -> None:
        while True:
            task.beat()
            await asyncio.sleep(CERTIFICATE_SECONDS)
            self.renew()


# -- connections -------------------------------------------------------------------------------------------------------


class _Guard(asyncio.Protocol):
    """Stands before aiohttp's own protocol: closes a connection whose first request does not arrive, and one too many."""

    def __init__(self, inner: asyncio.Protocol, limits: Limits, connections: set["_Guard"]) -> None:
        self._inner = inner
        self._limits = limits
        self._connections = connections
        self._tail = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream, which is what was listened for
        if len(self._connections) >= self._limits.connections:
            self._inner = asyncio.Protocol()
            transport.write(_FULL)
            transport.close()
            return
        self._connections.add(self)
        self._timer = asyncio.get_running_loop().call_later(self._limits.head_seconds, transport.abort)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._disarm()
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._timer is not None:
            if _HEAD_END in self._tail + data:
                self._disarm()
            self._tail = (self._tail + data)[1 - len(_HEAD_END) :]
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


# -- listening ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, certificate: Certificate | None = None, limits: Limits | None = None
) -> AsyncIterator[Listening]:
    """Serve inside the `with` block. After it, what is being answered has three seconds. Raises CannotListen."""
    runner = web.AppRunner(
        app,
        handle_signals=False,
        access_log=None,
        keepalive_timeout=KEEPALIVE_SECONDS,
        shutdown_timeout=GRACE_SECONDS,
        max_headers=MOST_HEADERS,
    )
    await runner.setup()
    try:
        server = await _listen(_guarding(runner, limits or Limits()), host, port, certificate)
        try:
            yield _listening(server, host, certificate)
        finally:
            server.close()
    finally:
        await runner.cleanup()


def _guarding(runner: web.AppRunner, limits: Limits) -> Callable[[], asyncio.Protocol]:
    connections: set[_Guard] = set()

    def guarded() -> asyncio.Protocol:
        assert runner.server is not None  # noqa: S101 - it was set up
        return _Guard(runner.server(), limits, connections)

    return guarded


async def _listen(
    factory: Callable[[], asyncio.Protocol], host: str, port: int, certificate: Certificate | None
) -> asyncio.Server:
    context = certificate.context if certificate else None
    handshake = HEAD_SECONDS if certificate else None
    try:
        return await asyncio.get_running_loop().create_server(
            factory, host, port, ssl=context, ssl_handshake_timeout=handshake, reuse_address=True
        )
    except OSError as error:
        raise CannotListen(f"{host}:{port}: {error.strerror or error}") from None


def _listening(server: asyncio.Server, host: str, certificate: Certificate | None) -> Listening:
    port = server.sockets[0].getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared
    return Listening(port, f"{'https' if certificate else 'http'}://{shown}:{port}")


def renewing(certificate: Certificate) -> Supervised:
    """The task that looks at the certificate's files."""
    return Supervised("certificate", certificate.keep_renewing, SystemClock(), silence_seconds=4 * CERTIFICATE_SECONDS)
