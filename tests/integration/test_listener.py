"""The guarded socket: real connections that stall, crowd and stay, certificates that change, and a stop that ends."""

import asyncio
import contextlib
import itertools
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from structlog.testing import capture_logs

from sidecar.api import listener
from sidecar.api.connections import Limits
from sidecar.api.listener import CannotListen, Certificate, Listening, listening, renewing
from sidecar.errors import ConfigError

HOST = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - the default
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HELLO = b"hello"
LARGE = 32 * 2**20  # more than any socket buffers
PATIENT = Limits(head_seconds=300, keepalive_seconds=300, write_seconds=300, grace_seconds=300)
SHORT = 0.3
LATE = 60  # seconds, after which nothing comes any more: long before a patient limit ends anything


class Handlers:
    """`/` answers, `/large` answers much, `/held` answers when it is told to."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.ends: list[str] = []

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self.hello)
        app.router.add_get("/large", self.large)
        app.router.add_get("/held", self.held)
        return app

    async def hello(self, _: web.Request) -> web.Response:
        return web.Response(body=HELLO)

    async def large(self, _: web.Request) -> web.Response:
        self.entered.set()
        return web.Response(body=b"x" * LARGE)

    async def held(self, _: web.Request) -> web.Response:
        self.entered.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.ends.append("cancelled")
            raise
        return web.Response(body=HELLO)


@asynccontextmanager
async def connected(
    at: Listening, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(HOST, at.port, ssl=context, limit=2**16)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the server ends the connection, which it must."""
    async with asyncio.timeout(LATE):
        received = b""
        with contextlib.suppress(ConnectionError):
            while some := await reader.read(2**16):
                received += some
        return received


async def drip(writer: asyncio.StreamWriter, data: bytes) -> None:
    """A byte every now and then, for ever."""
    for byte in itertools.chain(data, itertools.repeat(ord("x"))):
        writer.write(bytes([byte]))
        await asyncio.sleep(0.01)


async def hello_from(at: Listening, context: ssl.SSLContext | None = None) -> bytes:
    async with connected(at, context) as (reader, writer):
        writer.write(HEAD)
        return (await reader.readuntil(HELLO))[-len(HELLO) :]


async def room(at: Listening, context: ssl.SSLContext | None = None) -> None:
    """Returns as soon as the server takes one more connection: it hears of an end a little later than the client."""
    async with asyncio.timeout(LATE):
        while True:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                assert await hello_from(at, context) == HELLO
                return


@pytest.fixture
async def handlers() -> Handlers:
    return Handlers()


# -- heads -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost:", HEAD[:-1], b"\r\n\r\n", b"\r\n\r\n\r\n" + HEAD[:-2]])
async def test_a_connection_without_a_whole_head_is_closed(sent: bytes, handlers: Handlers) -> None:
    limits = replace(PATIENT, head_seconds=SHORT)
    async with listening(handlers.app(), HOST, 0, limits=limits) as at, connected(at) as (reader, writer):
        writer.write(sent)
        assert await rest(reader) == b""


async def test_a_head_that_drips_in_is_no_excuse(handlers: Handlers) -> None:
    limits = replace(PATIENT, head_seconds=SHORT)
    async with listening(handlers.app(), HOST, 0, limits=limits) as at, connected(at) as (reader, writer):
        dripping = asyncio.create_task(drip(writer, HEAD[:-2] + b"X: "))
        assert await rest(reader) == b""
        dripping.cancel()


@pytest.mark.parametrize("at_once", [len(HEAD), 1, 3])
async def test_an_answer_may_take_longer_than_a_head(at_once: int, handlers: Handlers) -> None:
    limits = replace(PATIENT, head_seconds=SHORT)
    head = b"\r\n" + HEAD.replace(b"/ ", b"/held ", 1)
    async with listening(handlers.app(), HOST, 0, limits=limits) as at, connected(at) as (reader, writer):
        for start in range(0, len(head), at_once):
            writer.write(head[start : start + at_once])
            await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(3 * SHORT, handlers.release.set)
        assert (await reader.readuntil(HELLO)).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("sent", [b"", HEAD[:-2] + b"X: "])
async def test_a_connection_without_a_further_head_is_closed(sent: bytes, handlers: Handlers) -> None:
    limits = replace(PATIENT, keepalive_seconds=SHORT)
    async with listening(handlers.app(), HOST, 0, limits=limits) as at, connected(at) as (reader, writer):
        writer.write(HEAD)
        await reader.readuntil(HELLO)
        dripping = asyncio.create_task(drip(writer, sent)) if sent else None
        assert await rest(reader) == b""
        if dripping is not None:
            dripping.cancel()


@pytest.mark.parametrize(
    ("line", "headers", "value", "status"),
    [(8000, 0, 0, 404), (9000, 0, 0, 400), (0, 63, 0, 200), (0, 64, 0, 400), (0, 0, 8000, 200), (0, 0, 9000, 400)],
)
async def test_a_head_that_is_too_large_is_refused(
    line: int, headers: int, value: int, status: int, handlers: Handlers
) -> None:
    more = b"".join(b"X-%d: x\r\n" % number for number in range(headers)) + (b"X: %b\r\n" % (b"x" * value)) * bool(
        value
    )
    async with listening(handlers.app(), HOST, 0, limits=PATIENT) as at, connected(at) as (reader, writer):
        writer.write(b"GET /%b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (b"x" * line, more))
        assert int((await reader.readline()).split()[1]) == status


# -- crowds ------------------------------------------------------------------------------------------------------------


FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def test_one_connection_too_many_is_told_so_until_there_is_room(handlers: Handlers) -> None:
    limits = replace(PATIENT, connections=2, reserved=0)
    async with listening(handlers.app(), HOST, 0, limits=limits) as at, connected(at) as (first, to_first):
        to_first.write(HEAD)
        await first.readuntil(HELLO)
        async with connected(at) as (second, to_second):
            to_second.write(HEAD)
            await second.readuntil(HELLO)
            async with connected(at) as (third, _):
                assert await rest(third) == FULL
            assert not first.at_eof()
        await room(at)


@pytest.mark.parametrize("limit", ["connections", "per_client"])
async def test_where_there_is_no_room_the_head_goes_that_is_waited_for_longest(limit: str, handlers: Handlers) -> None:
    limits = replace(PATIENT, **{limit: 2})
    async with (
        listening(handlers.app(), HOST, 0, limits=limits) as at,
        connected(at) as (first, to_first),
        connected(at) as (second, to_second),
    ):
        to_first.write(HEAD)
        await first.readuntil(HELLO)
        to_second.write(HEAD[:-2])
        async with connected(at) as (third, to_third):
            assert await rest(second) == b""
            to_third.write(HEAD)
            await third.readuntil(HELLO)
        assert not first.at_eof()


async def test_a_reserved_place_is_for_probes_alone(handlers: Handlers) -> None:
    app = handlers.app()
    app.router.add_get("/healthz", handlers.hello)
    limits = replace(PATIENT, connections=1, reserved=1)
    async with listening(app, HOST, 0, limits=limits) as at, connected(at) as (first, to_first):
        to_first.write(HEAD)
        await first.readuntil(HELLO)
        for head in (HEAD, HEAD.replace(b"GET / ", b"POST /healthz "), b"GET /healthzz HTTP/1.1\r\n", b"x" * 300):
            async with connected(at) as (other, to_other):
                to_other.write(head)
                assert await rest(other) == FULL
        async with connected(at) as (probe, to_probe):
            head = HEAD.replace(b"/ ", b"/healthz?now ", 1).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
            to_probe.write(head[:10])
            await to_probe.drain()
            to_probe.write(head[10:])
            assert (await rest(probe)).endswith(HELLO)


# -- slow readers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_tls", [False, True])
async def test_an_answer_that_nobody_reads_is_broken_off(
    is_tls: bool,  # noqa: FBT001 - a parameter of the test
    handlers: Handlers,
    tls: "Tls",
) -> None:
    limits = replace(PATIENT, write_seconds=SHORT, connections=1)
    certificate, context = (tls.certificate(), tls.client()) if is_tls else (None, None)
    async with listening(handlers.app(), HOST, 0, certificate, limits) as at, connected(at, context) as (_, writer):
        writer.write(HEAD.replace(b"/", b"/large", 1))
        await handlers.entered.wait()
        await room(at, context)  # which there is when that one is gone


async def test_a_reader_that_is_only_slow_gets_everything(handlers: Handlers) -> None:
    limits = replace(PATIENT, write_seconds=SHORT)
    async with listening(handlers.app(), HOST, 0, limits=limits) as at, connected(at) as (reader, writer):
        writer.write(HEAD.replace(b"/", b"/large", 1).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await reader.readuntil(b"\r\n\r\n")
        received, end_of_slowness = 0, time.monotonic() + 4 * SHORT
        while some := await reader.read(2**16):
            received += len(some)
            if time.monotonic() < end_of_slowness:
                await asyncio.sleep(0.005)
        assert received == LARGE


async def test_a_pause_of_the_server_is_not_taken_for_one_of_the_reader(handlers: Handlers) -> None:
    limits = replace(PATIENT, write_seconds=SHORT)
    async with listening(handlers.app(), HOST, 0, limits=limits) as at, connected(at) as (reader, writer):
        writer.write(HEAD.replace(b"/", b"/large", 1).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(8):
            time.sleep(SHORT / 2)  # noqa: ASYNC251 - the whole process hangs
            await asyncio.sleep(0)
        assert len(await reader.read()) == LARGE


# -- certificates ------------------------------------------------------------------------------------------------------


class Tls:
    """An authority, and the files of a certificate that it issues."""

    def __init__(self, directory: Path) -> None:
        self.ca = trustme.CA()
        self.chain, self.key = directory / "tls.crt", directory / "tls.key"
        self.issue()

    def issue(self) -> None:
        issued = self.ca.issue_cert(HOST)
        self.write_chain(issued)
        self.key.write_bytes(issued.private_key_pem.bytes())

    def write_chain(self, issued: trustme.LeafCert) -> None:
        self.chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))

    def certificate(self) -> Certificate:
        return Certificate(self.chain, self.key)

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context

    async def served_by(self, at: Listening) -> bytes:
        """The certificate that a new connection is shown."""
        async with connected(at, self.client()) as (_, writer):
            return bytes(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))

    def stored(self) -> bytes:
        return ssl.PEM_cert_to_DER_cert(self.chain.read_text().partition("-----END")[0] + "-----END CERTIFICATE-----")


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls(tmp_path)


async def test_https_is_served(handlers: Handlers, tls: Tls) -> None:
    async with listening(handlers.app(), HOST, 0, tls.certificate(), PATIENT) as at:
        assert at == Listening(at.port, f"https://{HOST}:{at.port}")
        assert [await hello_from(at, tls.client()) for _ in range(3)] == [HELLO] * 3


def test_nothing_older_than_tls_1_2_is_spoken(tls: Tls) -> None:
    assert tls.certificate().context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_a_client_without_tls_gets_nothing(handlers: Handlers, tls: Tls) -> None:
    async with listening(handlers.app(), HOST, 0, tls.certificate(), PATIENT) as at, connected(at) as (reader, writer):
        writer.write(HEAD)
        assert b"200 OK" not in await rest(reader)


async def test_a_handshake_or_a_head_behind_it_that_does_not_come_ends_the_connection(
    handlers: Handlers, tls: Tls
) -> None:
    limits = replace(PATIENT, head_seconds=SHORT)
    async with listening(handlers.app(), HOST, 0, tls.certificate(), limits) as at:
        for context in (None, tls.client()):
            async with connected(at, context) as (reader, _):
                assert await rest(reader) == b""


async def test_unfinished_handshakes_count_as_connections(handlers: Handlers, tls: Tls) -> None:
    limits = replace(PATIENT, connections=1)
    async with listening(handlers.app(), HOST, 0, tls.certificate(), limits) as at:
        async with connected(at) as (first, _), connected(at):
            assert await rest(first) == b""  # the one that has been waited for longest
        await room(at, tls.client())


async def test_a_new_certificate_is_used_and_half_of_one_is_not(handlers: Handlers, tls: Tls) -> None:
    certificate, first = tls.certificate(), tls.stored()
    async with listening(handlers.app(), HOST, 0, certificate, PATIENT) as at:
        with capture_logs() as lines:
            renewed = tls.ca.issue_cert(HOST)
            tls.write_chain(renewed)
            certificate.renew()
            certificate.renew()
            assert await tls.served_by(at) == first
            tls.key.write_bytes(renewed.private_key_pem.bytes())
            certificate.renew()
            certificate.renew()
            assert await tls.served_by(at) == tls.stored() != first
    assert [line["event"] for line in lines] == ["tls.reload_failed", "tls.reloaded"]


async def test_a_new_certificate_is_noticed(handlers: Handlers, tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "CERTIFICATE_SECONDS", 0.01)
    certificate = tls.certificate()
    async with (
        listening(handlers.app(), HOST, 0, certificate, PATIENT) as at,
        renewing(certificate).running(),
        asyncio.timeout(LATE),
    ):
        tls.issue()
        while await tls.served_by(at) != tls.stored():
            pass


def test_files_that_are_being_replaced_change_nothing(tls: Tls) -> None:
    certificate = tls.certificate()
    tls.key.unlink()
    with capture_logs() as lines:
        certificate.renew()
    assert lines == []


def unreadable(tls: Tls) -> None:
    tls.chain.unlink()


def garbage(tls: Tls) -> None:
    tls.chain.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")


def mismatch(tls: Tls) -> None:
    tls.key.write_bytes(tls.ca.issue_cert(HOST).private_key_pem.bytes())


def encrypted(tls: Tls) -> None:
    key = serialization.load_pem_private_key(tls.key.read_bytes(), None)
    tls.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )


NOT_PEM = "expected PEM: a certificate with its chain, and its key without a password"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (unreadable, "No such file or directory"),
        (garbage, NOT_PEM),
        (mismatch, "the key is not the certificate's"),
        (encrypted, NOT_PEM),
    ],
)
def test_a_pair_that_cannot_be_used_is_a_mistake_in_the_configuration(
    damage: Callable[[Tls], None], reason: str, tls: Tls
) -> None:
    damage(tls)
    expected = f"SIDECAR_TLS_CERT and SIDECAR_TLS_KEY: {tls.chain} and {tls.key}: {reason}"
    with pytest.raises(ConfigError, match=f"^{re.escape(expected)}$"):
        tls.certificate()


# -- stopping ----------------------------------------------------------------------------------------------------------


async def test_what_is_being_answered_is_finished_but_nothing_new_is_begun(handlers: Handlers) -> None:
    async with asyncio.timeout(LATE):
        async with listening(handlers.app(), HOST, 0, limits=PATIENT) as at, connected(at) as (idle, _):
            reader, writer = await asyncio.open_connection(HOST, at.port)
            writer.write(HEAD.replace(b"/", b"/held", 1))
            await handlers.entered.wait()
            asyncio.get_running_loop().call_later(SHORT, handlers.release.set)
        assert (await rest(reader)).endswith(HELLO)
        assert await rest(idle) == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(HOST, at.port)
        writer.close()


@pytest.mark.parametrize("path", [b"/held", b"/large"])
async def test_nobody_holds_up_the_stop(path: bytes, handlers: Handlers) -> None:
    limits = replace(PATIENT, grace_seconds=2 * SHORT)
    async with contextlib.AsyncExitStack() as clients:
        async with listening(handlers.app(), HOST, 0, limits=limits) as at:
            for _ in range(3):
                _, writer = await clients.enter_async_context(connected(at))
                writer.write(HEAD.replace(b"/", path, 1))
                await handlers.entered.wait()
                handlers.entered.clear()
            began = time.monotonic()
        took = time.monotonic() - began
    assert SHORT < took < LATE
    assert handlers.ends == (["cancelled"] * 3 if path == b"/held" else [])


async def test_a_handshake_under_way_does_not_hold_up_the_stop_either(handlers: Handlers, tls: Tls) -> None:
    async with contextlib.AsyncExitStack() as clients:
        limits = replace(PATIENT, grace_seconds=SHORT)
        async with listening(handlers.app(), HOST, 0, tls.certificate(), limits) as at:
            reader, writer = await clients.enter_async_context(connected(at))
            writer.write(b"\x16\x03\x01")
            await hello_from(at, tls.client())
        assert await rest(reader) == b""


# -- addresses ---------------------------------------------------------------------------------------------------------


def _has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
        return True


IPV6 = [("::1", "[::1]")] if _has_ipv6() else []


@pytest.mark.parametrize(("host", "shown"), [(HOST, HOST), (EVERYWHERE, HOST), ("localhost", "localhost"), *IPV6])
async def test_the_address_is_told_as_one_that_can_be_opened(host: str, shown: str, handlers: Handlers) -> None:
    async with listening(handlers.app(), host, 0, limits=PATIENT) as at:
        assert at == Listening(at.port, f"http://{shown}:{at.port}")
        reader, writer = await asyncio.open_connection(shown.strip("[]"), at.port)
        writer.write(HEAD)
        assert await reader.readuntil(HELLO)
        writer.close()


async def test_a_port_that_is_taken_is_named(handlers: Handlers) -> None:
    async with listening(handlers.app(), HOST, 0, limits=PATIENT) as at:
        with pytest.raises(CannotListen, match=f"^{HOST}:{at.port}: .*address already in use$"):
            async with listening(Handlers().app(), HOST, at.port, limits=PATIENT):
                pass
        assert await hello_from(at) == HELLO


@pytest.mark.parametrize("host", ["a" * 64, "no.such.host.invalid", "192.0.2.1"])
async def test_a_host_that_is_not_ours_is_named(host: str, handlers: Handlers) -> None:
    with pytest.raises(CannotListen, match=f"^{host}:0: "):
        async with listening(handlers.app(), host, 0):
            pass
