"""Between the sidecar and an S3 server: what networks and providers do to requests, on demand."""

import random
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

FAULTS: Final = (
    "slow_down",
    "too_many",
    "cut_answer",
    "lying_put",
    "stale_list",
    "hang",
    "skew",
    "half_put",
    "lost_answer",
)
LISTINGS: Final = 5  # times as likely: there are few of them
REMEMBERED: Final = 20  # listings: a stale one is as old
SLOW_DOWN: Final = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
SKEWED: Final = b"<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>"


@dataclass
class FaultProxy:
    """`share` of the requests meet a fault, as long as `left` is not used up; `met` counts them by kind, as evenly as can be."""

    server_port: int
    dice: random.Random
    share: float = 0.0
    left: int = 0
    port: int = 0
    met: dict[str, int] = field(default_factory=dict)
    lists: dict[str, deque[bytes]] = field(default_factory=dict)  # the last answers to each listing
    over: threading.Event = field(default_factory=threading.Event)
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, method: str, path: str) -> str | None:
        """What shall befall this request."""
        with self.mutex:
            fitting = [one for one in FAULTS if _fits(one, method, path)]
            share = LISTINGS * self.share if "stale_list" in fitting else self.share
            if self.left <= 0 or self.dice.random() > share:
                return None
            chosen = min(fitting, key=lambda one: (self.met.get(one, 0), self.dice.random()))
            self.left -= 1
            self.met[chosen] = self.met.get(chosen, 0) + 1
            return chosen


def _fits(fault: str, method: str, path: str) -> bool:
    match fault:
        case "lying_put" | "half_put" | "lost_answer":
            return method == "PUT"
        case "stale_list":
            return method == "GET" and "list-type=2" in path
        case "cut_answer":
            return method == "GET"
    return True


@contextmanager
def fault_proxy(server_port: int, seed: int) -> Iterator[FaultProxy]:
    proxy = FaultProxy(server_port, random.Random(seed))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Bound", (_Handler,), {"proxy": proxy}))
    server.daemon_threads = True
    proxy.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One request a connection: a fault that ends it hurts nothing else."""

    proxy: FaultProxy

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with suppress(OSError):  # the client has gone
            self._answer(body, self.proxy.fault(self.command, self.path))
        self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass  # noqa: N815 - the base class's names

    def _answer(self, body: bytes, fault: str | None) -> None:
        match fault:
            case "slow_down":
                self._send(503, SLOW_DOWN)
            case "too_many":
                self._send(429, SLOW_DOWN, {"Retry-After": "1"})
            case "skew":
                self._send(403, SKEWED)
            case "hang":
                self.proxy.over.wait(20)
            case "lying_put":
                self._send(200, b"", {"ETag": '"0123456789abcdef0123456789abcdef"'})
            case "half_put":
                self._half(body)
            case "lost_answer":
                self._forward(body)
            case _:
                self._tell(self._forward(body), fault)

    def _forward(self, body: bytes) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection("127.0.0.1", self.proxy.server_port, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "expect"):
                connection.putheader(name, value)
        connection.putheader("Connection", "close")
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer, answer.read()

    def _half(self, body: bytes) -> None:
        connection = HTTPConnection("127.0.0.1", self.proxy.server_port, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body[: len(body) // 2])
        connection.close()

    def _tell(self, answered: tuple[HTTPResponse, bytes], fault: str | None) -> None:
        answer, content = answered
        if self.command == "GET" and "list-type=2" in self.path:
            lists = self.proxy.lists.setdefault(self.path, deque(maxlen=REMEMBERED))
            lists.append(content)
            content = lists[0] if fault == "stale_list" else content
        headers = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() not in ("connection", "transfer-encoding", "content-length")
        }
        cut = len(content) // 2 if fault == "cut_answer" else None
        self._send(answer.status, content, headers, cut, length=answer.getheader("Content-Length"))

    def _send(
        self,
        status: int,
        content: bytes,
        headers: dict[str, str] | None = None,
        cut: int | None = None,
        *,
        length: str | None = None,
    ) -> None:
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        size = length if self.command == "HEAD" and length else str(len(content))
        self.send_header("Content-Length", size)
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:cut])
