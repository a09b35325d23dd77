"""One connection each: counted from its first byte on, secured, and ended when its client keeps it without using it."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from sidecar.api.room import PROBES, Guests, Place, client_of

_HEAD_END = b"\r\n\r\n"
_LONGEST_PROBE = 256  # bytes of a request line
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_LOOKS = 4  # that find the same bytes unsent


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may do to all others."""

    connections: int = 512
    per_client: int = 384
    reserved: int = 32  # beside the others, for probes and metrics
    head_seconds: float = 10.0  # for the TLS handshake, and then for the first request's head
    keepalive_seconds: float = 30.0  # for each further head, from the answer before it on
    write_seconds: float = 60.0  # without a byte taken of what is sent; noticed after a quarter more
    grace_seconds: float = 3.0  # for requests that are being answered when the listener closes


class Connection(asyncio.Protocol):
    """Stands before the protocol that `make_inner` makes for it, which only hears of a connection that is open and secure."""

    def __init__(
        self,
        make_inner: Callable[[], asyncio.Protocol],
        limits: Limits,
        context: ssl.SSLContext | None,
        room: Guests,
    ) -> None:
        self._make_inner = make_inner
        self._inner = asyncio.Protocol()  # hears nothing
        self._limits = limits
        self._context = context
        self._room = room
        self._place = Place.NONE
        self.client = ""
        self._loop = asyncio.get_running_loop()
        self.ended = self._loop.create_future()
        self._socket = self._secured = asyncio.Transport()
        self._securing: asyncio.Task[None] | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._received = b""  # what came with the end of the handshake; later the last bytes of an unfinished head
        self._resumed = 0
        self._unsent = (0, 0)
        self._look_at = 0.0  # by the loop's clock
        self._found_the_same = 0

    def abort(self) -> None:
        self._socket.abort()

    # -- beginning and end ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream, which is what was listened for
        self._socket = transport
        self.client = client_of(str((transport.get_extra_info("peername") or ("",))[0]))
        self._place = self._room.enter(self)
        if self._place is Place.NONE:
            self._refuse(transport)
            return
        self._watch_writing()
        if self._context is None:
            self._begin(transport)
        else:
            self._securing = self._loop.create_task(self._secure(transport, self._context))

    def _refuse(self, transport: asyncio.Transport) -> None:
        if self._context is None or transport is not self._socket:
            transport.write(_FULL)
        transport.close()

    def waits_for_head(self) -> bool:
        return self._securing is not None or self._head_timer is not None

    async def _secure(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        """Not left to `create_server`, which tells nobody of a connection before its handshake is over."""
        try:
            secured = await self._loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=self._limits.head_seconds
            )
        except OSError:  # ssl.SSLError and the time-out are some
            secured = None
        if secured is None or self.ended.done():
            transport.abort()
            self._end()
            return
        received, self._received = self._received, b""
        self._begin(secured)
        self.data_received(received)

    def _begin(self, transport: asyncio.Transport) -> None:
        self._securing = None
        self._secured = transport
        self._head_timer = self._loop.call_later(self._limits.head_seconds, self.abort)
        self._inner = self._make_inner()
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self._inner.connection_lost(exc)

    def _end(self) -> None:
        self._room.leave(self)
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        if not self.ended.done():
            self.ended.set_result(None)

    # -- reading -------------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._securing is not None:
            self._received += data
            return
        if self._place is Place.RESERVED:
            data = self._reserved_for_probes(data)
        if data and self._head_timer is not None:
            self._look_for_head_end(data)
        if data:
            self._inner.data_received(data)

    def _reserved_for_probes(self, data: bytes) -> bytes:
        """What came when its first line is known and asks for what the place is reserved for; nothing before, nor else."""
        self._received += data
        line, end, _ = self._received.lstrip(b"\r\n").partition(b"\r\n")
        if not end and len(line) <= _LONGEST_PROBE:
            return b""
        match line.split(b" "):
            case [b"GET" | b"HEAD", target, _] if target.partition(b"?")[0] in PROBES:
                self._place = Place.ORDINARY
                received, self._received = self._received, b""
                return received
        self._refuse(self._secured)
        return b""

    def _look_for_head_end(self, data: bytes) -> None:
        # empty lines before a head do not count
        seen = self._received + data if self._received else data.lstrip(b"\r\n")
        self._received = seen[1 - len(_HEAD_END) :]
        if self._head_timer is not None and _HEAD_END in seen:
            self._head_timer.cancel()
            self._head_timer = None

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    # -- writing -------------------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._resumed += 1
        self._inner.resume_writing()

    def _watch_writing(self) -> None:
        """Whether the client has taken no byte for a while: the same bytes are still unsent.

        A look that comes late says nothing: this process was paused, and has not heard yet what the client took meanwhile.
        """
        before, self._unsent = self._unsent, (self._socket.get_write_buffer_size(), self._resumed)
        now, interval = self._loop.time(), self._limits.write_seconds / _LOOKS
        if self._unsent != before or not self._unsent[0]:
            self._found_the_same = 0
        elif now < self._look_at + interval:
            self._found_the_same += 1
        if self._found_the_same == _LOOKS:
            self.abort()
        else:
            self._look_at = now + interval
            self._write_timer = self._loop.call_at(self._look_at, self._watch_writing)
