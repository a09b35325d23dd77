"""Ask the running server over the socket in the backup directory. On its host no address or token is needed."""

import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sidecar import config, errors
from sidecar.store.lock import DIRECTORY, SOCKET

ADMIN = "/api/admin"
SECONDS = 60.0


class NoServer(errors.SidecarError):
    """No server listens in the backup directory."""


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix domain socket."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(
    method: str,
    route: str,
    query: dict[str, object] | None = None,
    body: object = None,
    *,
    seconds: float = SECONDS,
) -> Any:
    """Send a request and return the body of the answer, decoded.

    Raises NoServer, and SidecarError with the server's message or if there is no answer in time.
    """
    root = config.load(os.environ).backup_dir
    given = {name: value for name, value in (query or {}).items() if value is not None}
    connection = _Connection(root / DIRECTORY / SOCKET, seconds)
    try:
        sent = None if body is None else json.dumps(body)
        connection.request(method, f"{ADMIN}{route}?{urlencode(given)}", sent, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        found = json.loads(answer.read() or b"null")
    except PermissionError:
        raise errors.SidecarError(f"the server of {root} belongs to another user: run this as that user") from None
    except TimeoutError:
        raise errors.SidecarError(f"the server of {root} does not answer: waited {seconds:g} seconds") from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise NoServer(f"no server answers in {root}: is `sidecar serve` running there?") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise errors.SidecarError(f"the server of {root} broke off its answer: {error}") from None
    finally:
        connection.close()
    if answer.status >= http.client.BAD_REQUEST:
        raise _refusal(answer.status, found)
    return found


def _refusal(status: int, problem: Any) -> errors.SidecarError:
    words = " ".join(part for part in (problem.get("detail") or problem.get("title"), problem.get("cure")) if part)
    match status:
        case http.client.CONFLICT:
            return errors.Busy(words)
        case http.client.NOT_FOUND | http.client.UNPROCESSABLE_ENTITY:
            return errors.UsageError(words)
    return errors.SidecarError(words)
