"""Processes of ours, begun in a tenth of the time: forked from one that has imported everything already.

Such a process begins where an ordinary one has done its imports. All that it does after that is the same: arguments,
environment, settings, signals, exit code. What the interpreter itself or the C library reads of an environment needs an
ordinary process, and gets one: see `begin`.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import re
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from support.patience import PATIENCE_SECONDS, wait_for

_TESTS: Final = Path(__file__).parents[1]
_WORD: Final = 1 << 17
_IMPORTED: Final = ("sidecar.cli", "sidecar.bootstrap", "sidecar.runs", "sidecar.api", "support.exact_server")
_READ_AT_START: Final = re.compile(r"PYTHON(?!PATH$|UNBUFFERED$).*|LC_.*|LANG|LD_.*|MALLOC_.*|TZ|FAKETIME.*")


class Process(Protocol):
    """What is needed here of `subprocess.Popen`."""

    returncode: Any

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float = ...) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...


class Forked:
    """One process, with what is needed here of `subprocess.Popen`."""

    def __init__(self, link: socket.socket) -> None:
        self.returncode: int | None = None
        self._link = link
        self.pid = int(self._heard())

    def poll(self) -> int | None:
        """The exit code, negative for a signal, once there is one."""
        if self.returncode is not None:
            return self.returncode
        self._link.settimeout(0)
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
            [sys.executable, "-m", "support.processes", str(self.at)],
            env={**os.environ, **self.environment, "PYTHONPATH": str(_TESTS)},
            stdin=subprocess.PIPE,  # its end is the end of this process
        )
        wait_for(lambda: self.at.exists() or self._process.poll() is not None)
        assert self._process.poll() is None, "it did not start; its own words are on stderr"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()

    def begin(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], output: tuple[int, int]
    ) -> Forked:
        """Run `python -m module` with these arguments and descriptors for its standard output and error."""
        order = {
            "module": module,
            "arguments": list(arguments),
            "environment": dict(environment),
            "cwd": str(Path.cwd()),
        }
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link.settimeout(PATIENCE_SECONDS)
        link.connect(str(self.at))
        socket.send_fds(link, [json.dumps(order).encode()], output)
        return Forked(link)


def begin(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    output: tuple[int, int],
    nursery: Nursery | None = None,
) -> Process:
    """Run `python -m module` with these descriptors for its standard output and error.

    It is forked from `nursery`, or from the one of this test process, or begins by itself where it must.
    """
    if nursery is None and any(map(_READ_AT_START.fullmatch, environment.keys() - os.environ.keys())):
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output[0], stderr=output[1])
    return (nursery or _of_this_process()).begin(module, arguments, environment, output)


@functools.cache
def _of_this_process() -> Nursery:
    folder = tempfile.TemporaryDirectory(prefix="nursery-")
    nursery = Nursery(Path(folder.name, "socket"), {}).__enter__()
    atexit.register(folder.cleanup)
    atexit.register(nursery.__exit__, None, None, None)
    return nursery


# -- the process itself ------------------------------------------------------------------------------------------------


def _serve(at: str) -> None:
    for package in _IMPORTED:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks what became of those in between
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"{at}.new")
    listener.listen(64)
    Path(f"{at}.new").rename(at)
    gc.freeze()
    while listener in select.select([listener, sys.stdin], [], [])[0]:
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
    for descriptor in descriptors:
        os.close(descriptor)
    with suppress(OSError):  # whoever asked for it may be gone
        link.send(str(child).encode())
        _, status = os.waitpid(child, 0)
        link.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(order: Mapping[str, Any], stdout: int, stderr: int) -> None:
    """End as the interpreter would: handlers, threads and buffers before the exit code."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in ((nothing, 0), (stdout, 1), (stderr, 2)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["cwd"])
    sys.argv[:] = [order["module"], *order["arguments"]]
    try:
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as an ordinary process would end
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined] # what the interpreter does at its end
    atexit._run_exitfuncs()
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
