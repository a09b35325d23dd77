"""`sidecar` processes forked from one that has imported everything already: for campaigns that need hundreds of them.

A process begins where an ordinary one has done its imports; all that it does after that, its settings included, is the same.
"""

import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sidecar.cli import main
from support.command import Command
from support.patience import PATIENCE_SECONDS, wait_for
from support.served import Process, Served
from support.servers import free_port

_TESTS: Final = Path(__file__).parents[1]
_WORD: Final = 1 << 16
_COMMANDS: Final = ("program", "backup", "list", "restore", "serve", "verify")


class Forked:
    """One process, with what is needed here of `subprocess.Popen`."""

    def __init__(self, link: socket.socket) -> None:
        self.returncode: int | None = None
        self._link = link
        self.pid = int(self._heard())

    def poll(self) -> int | None:
        """The exit code, negative for a signal, once there is one."""
        self._link.setblocking(False)  # noqa: FBT003 - the socket's own signature
        try:
            return self._take_code()
        except BlockingIOError:
            return None

    def wait(self, timeout: float = PATIENCE_SECONDS) -> int:
        self._link.settimeout(timeout)
        return self._take_code()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _take_code(self) -> int:
        if self.returncode is None:
            self.returncode = int(self._heard())
            self._link.close()
        return self.returncode

    def _heard(self) -> bytes:
        word = self._link.recv(_WORD)
        assert word, "the process that forks has died"
        return word


@dataclass
class Nursery:
    """The process with the imports, inside the `with` block. `environment` is what the system itself needs, as LD_PRELOAD."""

    at: Path  # of its socket
    environment: Mapping[str, str]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.forked", str(self.at)],
            env={**os.environ, **self.environment, "PYTHONPATH": str(_TESTS)},
            stdin=subprocess.DEVNULL,
        )
        wait_for(lambda: self.at.exists() or self._process.poll() is not None)
        assert self._process.poll() is None, "it did not start; its own words are on stderr"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def begin(self, arguments: Sequence[str], environment: Mapping[str, str], stdout: int, stderr: int) -> Forked:
        """Run `sidecar` with these arguments; the descriptors are its standard output and error."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link.settimeout(PATIENCE_SECONDS)
        link.connect(str(self.at))
        words = json.dumps({"arguments": list(arguments), "environment": dict(environment)}).encode()
        socket.send_fds(link, [words], [stdout, stderr])
        return Forked(link)

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Returns when it has ended, with what it said."""
        said = [self.at.with_suffix(f".{name}") for name in ("stdout", "stderr")]
        with said[0].open("wb") as stdout, said[1].open("wb") as stderr:
            code = self.begin(arguments, environment, stdout.fileno(), stderr.fileno()).wait()
        return subprocess.CompletedProcess(arguments, code, *(path.read_text() for path in said))


@dataclass(frozen=True)
class ForkedCommand(Command):
    """The command, in processes that need no time to begin."""

    nursery: Nursery | None = None

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        assert self.nursery is not None
        return self.nursery.run(arguments, self.environment)


@dataclass
class ForkedServer(Served):
    """The server, in the same way."""

    nursery: Nursery | None = None

    def launch(self) -> Process:
        assert self.nursery is not None
        self.port = self.port or free_port()
        with self.log_path.open("ab") as log:
            self.process = self.nursery.begin(["serve"], self.environment, log.fileno(), log.fileno())
        return self.process


# -- the process itself ------------------------------------------------------------------------------------------------


def _serve(at: str) -> None:
    for command in _COMMANDS:
        importlib.import_module(f"sidecar.cli.{command}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks what became of those in between
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"{at}.new")
    listener.listen()
    Path(f"{at}.new").rename(at)
    gc.freeze()
    while True:
        link, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _stand_between(link)
        link.close()


def _stand_between(link: socket.socket) -> None:
    """Fork once more, tell who it is, and at the end how it ended."""
    words, descriptors, _, _ = socket.recv_fds(link, _WORD, 2)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        link.close()
        _become(json.loads(words), *descriptors)
    link.send(str(child).encode())
    _, status = os.waitpid(child, 0)
    link.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(order: Mapping[str, Any], stdout: int, stderr: int) -> None:
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.close(stdout)
    os.close(stderr)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv[:] = ["sidecar", *order["arguments"]]
    try:
        main()
    except BaseException:  # noqa: BLE001 - as an ordinary process would end
        traceback.print_exc()
    os._exit(1)


if __name__ == "__main__":
    _serve(sys.argv[1])
