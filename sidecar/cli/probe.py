"""Check whether the running sidecar answers. Imports very little, because a container does this every few seconds."""

import os
import socket
import sys
from collections.abc import Mapping
from typing import NamedTuple, TextIO

HOST, PORT = "0.0.0.0", "8001"  # noqa: S104 - the defaults of the settings, as a test checks
ITSELF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - the address to ask if the server listens on all
SECONDS = 5.0
OK, FAILED, USAGE = 0, 1, 2


class Address(NamedTuple):
    """The address on which the server listens."""

    host: str
    port: int
    is_tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_tls else 'http'}://{host}:{self.port}/healthz"


def address(environ: Mapping[str, str]) -> Address:
    """Return the address that SIDECAR_HOST, SIDECAR_PORT and SIDECAR_TLS_CERT give. Raises ValueError."""
    file = _file(environ.get("SIDECAR_CONFIG", ""))

    def value(variable: str, default: str) -> str:
        return environ.get(variable, str(file.get(variable.removeprefix("SIDECAR_").lower(), default))).strip()

    host, port = value("SIDECAR_HOST", HOST), value("SIDECAR_PORT", PORT)
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 2**16):
        raise ValueError(f"SIDECAR_PORT: expected the number of a port, not {port[:60]!r}")
    return Address(ITSELF.get(host, host), int(port), bool(value("SIDECAR_TLS_CERT", "")))


def _file(path: str) -> Mapping[str, object]:
    if not path:
        return {}
    import tomllib  # noqa: PLC0415 - needed only if there is a file

    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs more than all the rest
            return tomllib.load(file)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"SIDECAR_CONFIG: {path}: {error}") from None


def status(at: Address) -> int:
    """Ask for /healthz and return the HTTP status. Raises OSError, also if the answer is not HTTP."""
    with socket.create_connection((at.host, at.port), SECONDS) as plain:
        stream = _secured(plain) if at.is_tls else plain
        stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while b"\r\n" not in answer and (some := stream.recv(256)):
            answer += some
    words = answer.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():  # noqa: PLR2004 - version and status
        raise OSError("the answer is not HTTP")
    return int(words[1])


def _secured(plain: socket.socket) -> socket.socket:
    import ssl  # noqa: PLC0415 - needed only with TLS

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # localhost is not in the certificate
    return context.wrap_socket(plain)


def ask(environ: Mapping[str, str]) -> int:
    """Ask the sidecar, print its answer and return the exit code."""
    try:
        at = address(environ)
    except ValueError as error:
        _say(sys.stderr, f"error: {error}\n")
        return USAGE
    try:
        found = status(at)
    except (OSError, ValueError) as error:  # ValueError: SIDECAR_HOST cannot be a name
        _say(sys.stderr, f"error: {at}: {error}\nLook at the sidecar's log: it is not running, or does not answer.\n")
        return FAILED
    _say(sys.stdout, f"{at}: {found}\n")
    return OK if found == 200 else FAILED  # noqa: PLR2004 - what /healthz answers


def _say(stream: TextIO | None, text: str) -> None:
    """Print a text for people. If that fails, the exit code still counts."""
    try:
        if stream is not None:  # None if it was closed before we began
            stream.write(text)
            stream.flush()
    except OSError:
        return


def run() -> None:
    """Ask, and end the process."""
    os._exit(ask(os.environ))
