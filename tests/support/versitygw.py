"""versitygw, an S3 server that is right where it matters: conditional writes, checksums, locks, versions, signatures.

`make versitygw` builds it with Go; only `make copies` and `make alerts-live` need it.
"""

import hashlib
import hmac
import os
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from support.patience import wait_for

ACCESS, SECRET, REGION = "sidecar-of-a-test", "a-secret-of-a-test-0123456789", "us-east-1"
BUCKET: Final = "backups"


def program() -> str:
    """Raises FileNotFoundError with what helps."""
    found = shutil.which("versitygw") or shutil.which("versitygw", path=str(Path.home() / "go" / "bin"))
    if found is None:
        raise FileNotFoundError("versitygw is not there: `make versitygw` builds it, with Go")
    return found


@dataclass(frozen=True)
class Gateway:
    """A running server; a bucket is a directory below `root`."""

    port: int
    root: Path
    pid: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Signed (Signature Version 4) with the same credentials as the sidecar's; status, body and headers of the answer."""
        asked = urlencode(sorted((query or {}).items()), quote_via=quote)
        signed = _signed(method, quote(path), asked, body, f"127.0.0.1:{self.port}", headers or {})
        url = f"{self.endpoint}{quote(path)}" + (f"?{asked}" if asked else "")
        request = urllib.request.Request(url, data=body or None, method=method, headers=signed)  # noqa: S310 - ours
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the same
                return answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read(), dict(error.headers)


@contextmanager
def gateway(directory: Path, *, versioned: bool = False) -> Iterator[Gateway]:
    """A server with one bucket, with versions and locks if asked."""
    root = directory / "s3"
    root.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    arguments = ["--port", f"127.0.0.1:{port}", "--access", ACCESS, "--secret", SECRET, "--region", REGION, "--quiet"]
    versions = directory / "s3-versions"
    if versioned:
        versions.mkdir(exist_ok=True)
    backend = ["posix", *(["--versioning-dir", str(versions)] if versioned else []), str(root)]
    process = subprocess.Popen([program(), *arguments, *backend], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = Gateway(port, root, process.pid)
    try:
        wait_for(lambda: _answers(port))
        headers = {"x-amz-bucket-object-lock-enabled": "true"} if versioned else {}
        found.request("PUT", f"/{BUCKET}", headers=headers)
        yield found
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _signed(  # noqa: PLR0913 - the parts of a request
    method: str, path: str, query: str, body: bytes, host: str, headers: Mapping[str, str]
) -> dict[str, str]:
    now = datetime.now(UTC)
    moment, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(body).hexdigest()
    sent = {
        "host": host,
        "x-amz-content-sha256": digest,
        "x-amz-date": moment,
        **{k.lower(): v for k, v in headers.items()},
    }
    names = ";".join(sorted(sent))
    lines = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent))
    canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{digest}"
    scope = f"{day}/{REGION}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for part in (day, REGION, "s3", "aws4_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    sent["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    )
    return {name: value for name, value in sent.items() if name != "host"}
