"""SecantusDB, a MongoDB-compatible server, as a child process on the loopback interface.

It is GPL-2.0-only and therefore only ever runs as its own process; nothing of it is imported.
"""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from sidecar.errors import SidecarError

_START_SECONDS = 30
_POLL_SECONDS = 0.02
_LAST_WORDS = 400  # characters of the server's log in the message of an error

# The shell becomes the server. What it leaves behind in the server's process group reads a pipe whose other end only we
# hold, and kills the group when that end closes: however we end, SIGKILL included, the server ends with us.
_TETHERED = """
exec 3<&0 </dev/null
(read -r _ <&3; kill -9 0) &
exec "$@" 3<&-
"""


class EmbeddedServerError(SidecarError):
    """The embedded server is not installed or did not start; the message says which and what to do."""

    code = "embedded_server_failed"


class EmbeddedServer:
    """A server that runs inside the `with` block; its log stays in `directory`, its data is below it and goes with the block.

    It is a standalone: as a replica set it would accept snapshot reads without isolating them, and backups of it would
    claim a consistency that they do not have. Raises EmbeddedServerError if its program is missing or it ends, or
    accepts no connection within 30 s, at its start.
    """

    def __init__(self, directory: Path, executable: Path | None = None) -> None:
        self._directory = directory.absolute()
        self._executable = executable or Path(sys.executable).with_name("secantusd-py")
        self._process: subprocess.Popen[bytes] | None = None
        self._data: Path | None = None
        self._port = 0

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self._port}/"

    @property
    def log(self) -> Path:
        return self._directory / "server.log"

    def __enter__(self) -> Self:
        if not self._executable.exists():
            raise EmbeddedServerError(f"{self._executable} is missing: pip install 'mongodb-backup-sidecar[demo]'")
        self._directory.mkdir(parents=True, exist_ok=True)
        self._data = Path(tempfile.mkdtemp(prefix="data-", dir=self._directory))
        self._port = free_port()
        try:
            process = self._process = self._launch(self._data)
            self._wait_until_ready(process)
        except BaseException:  # whatever it was, no server stays behind
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def _launch(self, data: Path) -> subprocess.Popen[bytes]:
        configuration = self._directory / "server.toml"
        configuration.touch()  # an empty one of our own keeps the server from picking up the user's
        where = ["--host", "127.0.0.1", "--port", str(self._port), "--storage-path", str(data)]
        how = ["--standalone", "--config", str(configuration), "--cache-size", "256M", "--log-level", "WARNING"]
        with self.log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own virtual environment's program and arguments made here
                ["/bin/sh", "-c", _TETHERED, "sh", str(self._executable), *where, *how],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                start_new_session=True,  # Ctrl-C is for the demo, which then ends the server in its own order
            )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not _accepts_connections(self._port):
            if process.poll() is not None:
                raise EmbeddedServerError(
                    f"the embedded server ended with {process.returncode} at its start; {self._last_words()}"
                )
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"the embedded server was not ready within {_START_SECONDS} s; {self._last_words()}"
                )
            time.sleep(_POLL_SECONDS)

    def _last_words(self) -> str:
        words = self.log.read_text(errors="replace").strip()[-_LAST_WORDS:]
        return f"its log {self.log} ends: {words}" if words else f"its log {self.log} is empty"

    def _end(self) -> None:
        # Not SIGTERM: its listening thread notices that only after 2 s, and the data is thrown away in any case.
        if self._process is not None:
            with self._process as process:
                process.kill()
            self._process = None
        if self._data is not None:
            shutil.rmtree(self._data, ignore_errors=True)
            self._data = None


def free_port() -> int:
    """A port of the loopback interface that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
