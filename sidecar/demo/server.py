"""SecantusDB, a MongoDB-compatible server, as a child process on the loopback interface.

It is GPL-2.0-only and therefore only ever runs as its own process; nothing of it is imported.
"""

import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_START_SECONDS = 30
_POLL_SECONDS = 0.02
_LAST_WORDS = 400  # characters of the server's log in the message of an error


class EmbeddedServerError(RuntimeError):
    """The embedded server is not installed or did not start; the message says which and what to do."""


class EmbeddedServer:
    """A server that runs inside the `with` block and keeps its data and its log in `directory`.

    Raises EmbeddedServerError where its program is missing or it ends, or accepts no connection within 30 s, at its start.
    """

    def __init__(self, directory: Path, executable: Path | None = None) -> None:
        self._directory = directory.absolute()
        self._executable = executable or Path(sys.executable).with_name("secantusd-py")
        self._process: subprocess.Popen[bytes] | None = None
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
        self._port = _free_port()
        process = self._process = self._launch()
        try:
            self._wait_until_ready(process)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def _launch(self) -> subprocess.Popen[bytes]:
        configuration = self._directory / "server.toml"
        configuration.touch()  # an empty one of our own keeps the server from picking up the user's
        where = ["--host", "127.0.0.1", "--port", str(self._port), "--storage-path", str(self._directory / "data")]
        how = ["--config", str(configuration), "--cache-size", "256M", "--log-level", "WARNING"]
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own virtual environment's program and arguments made here
                [self._executable, *where, *how],
                stdin=subprocess.DEVNULL,
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
            self._process.kill()
            self._process.wait()
            self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
