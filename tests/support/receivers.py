"""What word is sent to: a small HTTP server and a small mail server, each in a thread, which keep what they get."""

import base64
import socket
import socketserver
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    body: str
    content_type: str | None


@dataclass
class HttpReceiver:
    """Listens inside the `with` block. `answers` are the statuses of the next requests; without any it is 200."""

    answers: list[int] = field(default_factory=list)
    says: str = "OK"
    received: list[Received] = field(default_factory=list)
    holds: bool = False  # and does not answer
    is_held: bool = False  # somebody waits

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
                while outer.holds:
                    outer.is_held = True
                    time.sleep(0.05)
                status = outer.answers.pop(0) if outer.answers else 200
                if status == 200:
                    outer.received.append(Received(self.path, body, self.headers["Content-Type"]))
                with suppress(OSError):  # whoever waited may be gone
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write(outer.says.encode())

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def paths(self) -> list[str]:
        return [one.path for one in self.received]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class MailReceiver:
    """Listens inside the `with` block. With `tls` it takes STARTTLS, and a login only behind it."""

    tls: ssl.SSLContext | None = None
    password: str = ""  # of the user `backups`; empty: no login
    mails: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        outer = self

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):  # whoever does not trust the certificate hangs up
                    _Conversation(outer, self.connection).hold()

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Conversation:
    """One client of the mail server."""

    def __init__(self, receiver: MailReceiver, connection: socket.socket) -> None:
        self._receiver = receiver
        self._is_known = not receiver.password
        self._offers = [*(["STARTTLS"] if receiver.tls else [])]
        self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")

    def _say(self, *lines: str) -> None:
        for number, line in enumerate(lines, 1):
            code, _, words = line.partition(" ")
            self._connection.sendall(f"{code}{' ' if number == len(lines) else '-'}{words}\r\n".encode())

    def hold(self) -> None:
        self._say("220 receiver")
        try:
            while (line := self._lines.readline()) and self._goes_on(line.decode().strip()):
                pass
        finally:
            self._lines.close()
            self._connection.close()

    def _goes_on(self, words: str) -> bool:
        match words.split(maxsplit=1)[0].upper():
            case "EHLO":
                self._say("250 receiver", *(f"250 {offer}" for offer in self._offers))
            case "STARTTLS" if self._receiver.tls is not None:
                self._say("220 go ahead")
                self._lines.close()
                self._take(self._receiver.tls.wrap_socket(self._connection, server_side=True))
                self._offers = ["AUTH PLAIN"]
            case "AUTH" if "AUTH PLAIN" in self._offers:
                _, user, password = base64.b64decode(words.split()[2]).split(b"\0")
                self._is_known = (user, password.decode()) == (b"backups", self._receiver.password)
                self._say("235 welcome" if self._is_known else "535 no")
            case "MAIL":
                self._say("250 ok" if self._is_known else "530 who are you")
            case "RCPT":
                self._receiver.recipients.append(words.partition("<")[2].rstrip(">"))
                self._say("250 ok")
            case "DATA":
                self._say("354 go on")
                self._receiver.mails.append(self._text())
                self._say("250 kept")
            case "RSET":
                self._say("250 ok")
            case "QUIT":
                self._say("221 bye")
                return False
            case _:
                self._say("502 unknown")
        return True

    def _text(self) -> str:
        lines = []
        while (line := self._lines.readline()) not in (b".\r\n", b""):
            lines.append(line.decode().rstrip("\r\n"))
        return "\n".join(lines)
