"""MongoDB servers as child processes that tests can kill, pause and start again, and a way to fill them."""

import os
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from bson import encode
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from support.patience import wait_for
from support.processes import Process, begin

_TESTS: Final = Path(__file__).parents[1]
_SECANTUSD: Final = Path(sys.executable).with_name("secantusd-py")
_STDERR: Final = 2
_SEED_BATCH_BYTES: Final = 8 * 1024 * 1024
_SEED_BATCH_DOCUMENTS: Final = 100_000

Document = Mapping[str, Any] | bytes


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_TESTS), "PYTHONUNBUFFERED": "1"}


class ServerProcess(ABC):
    """A server on a port of the loopback interface. As a context manager it is running inside and reaped after."""

    def __init__(self) -> None:
        self.port = 0
        self._process: Process | None = None

    @property
    def uri(self) -> str:
        """Gives up on a server that is not there within 3 s; append further options with `&`."""
        return f"mongodb://127.0.0.1:{self.port}/?serverSelectionTimeoutMS=3000&heartbeatFrequencyMS=500"

    @property
    def process(self) -> Process:
        """Raises RuntimeError when the server was never started or has been killed."""
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> Self:
        """Returns once the server accepts connections. A second start takes the same port again."""
        if self._process is not None:
            raise RuntimeError("the server is running already")
        try:
            self._launch()
        except BaseException:
            self.kill()
            raise
        return self

    def kill(self) -> None:
        """SIGKILL, also to a paused server; nothing happens to one that is not running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> Self:
        self.kill()
        return self.start()

    def pause(self) -> None:
        """Connections stay open, the system accepts new ones, and nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    @abstractmethod
    def _launch(self) -> None:
        """Sets the port and the process, and waits until it can be used."""

    def _spawn(self, *command: str, stdout: int | IO[bytes], stderr: IO[bytes] | None = None) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=_environment(),
        )


class _OwnServer(ServerProcess):
    """A module of ours that prints `ready PORT`."""

    def __init__(self, module: str, arguments: tuple[str, ...]) -> None:
        super().__init__()
        self._module = module
        self._arguments = arguments

    def _launch(self) -> None:
        """A port that was ours may be the near end of a client's attempt to reach it, for a moment."""
        wait_for(self._is_ready, lambda: f"{self._module} did not start; its own words are on stderr")

    def _is_ready(self) -> bool:
        theirs, ours = os.pipe()
        with os.fdopen(theirs, "rb") as heard:
            try:
                arguments = [str(self.port), *self._arguments]
                self._process = begin(self._module, arguments, _environment(), (ours, _STDERR))
            finally:
                os.close(ours)
            words = heard.readline().split()
        if words[:1] != [b"ready"]:
            self.kill()
            return False
        self.port = int(words[1])
        return True


class _Secantus(ServerProcess):
    def __init__(self, path: Path, flags: tuple[str, ...]) -> None:
        super().__init__()
        self._path = path
        self._flags = flags

    def _launch(self) -> None:
        self.port = self.port or free_port()
        log = self._path.with_suffix(".log")
        with log.open("ab") as output:
            self._spawn(*self._command(), stdout=output, stderr=output)
        wait_for(lambda: self.process.poll() is not None or accepts_connections(self.port), log.read_text)
        if self.process.poll() is not None:
            raise RuntimeError(f"secantusd-py did not start:\n{log.read_text()}")

    def _command(self) -> list[str]:
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--storage-path", str(self._path)]
        how = ["--enable-test-commands", "--cache-size", "256M", "--log-level", "WARNING"]
        return [str(_SECANTUSD), *where, *how, *self._flags]


def exact_server(*flags: str) -> ServerProcess:
    """The server of `support.exact_server`, not started yet. It forgets everything when it is killed."""
    return _OwnServer("support.exact_server", flags)


def replay_server(total_mb: int, *flags: str) -> ServerProcess:
    """The server of `support.replay_server`, not started yet."""
    return _OwnServer("support.replay_server", (str(total_mb), *flags))


def secantus(path: Path, *flags: str) -> ServerProcess:
    """SecantusDB on a directory of its own, not started yet. A kill loses writes that were not journaled (`j=True`)."""
    return _Secantus(path, flags)


def seed(uri: str, db: str, collections: Mapping[str, Iterable[Document]]) -> None:
    """Inserts documents, raw ones byte for byte: empty timestamps stay empty and validators are bypassed.

    Raises pymongo.errors.BulkWriteError or OperationFailure where one is refused.
    """
    with MongoClient[dict[str, Any]](uri) as client:
        for name, documents in collections.items():
            for batch in _batches(documents):
                _insert(client[db], name, batch)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _batches(documents: Iterable[Document]) -> Iterator[list[RawBSONDocument]]:
    batch: list[RawBSONDocument] = []
    used = 0
    for document in documents:
        raw = document if isinstance(document, bytes) else encode(document)
        if batch and (used + len(raw) > _SEED_BATCH_BYTES or len(batch) == _SEED_BATCH_DOCUMENTS):
            yield batch
            batch, used = [], 0
        batch.append(RawBSONDocument(raw))
        used += len(raw)
    if batch:
        yield batch


def _insert(database: Database[dict[str, Any]], name: str, batch: list[RawBSONDocument]) -> None:
    reply = database.command(
        "insert",
        name,
        documents=batch,
        bypassDocumentValidation=True,
        bypassEmptyTsReplacement=True,
        writeConcern={"w": 1, "j": True},
    )
    if "writeErrors" in reply:
        raise BulkWriteError(reply)
