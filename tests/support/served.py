"""`sidecar serve` as its users meet it: a real process, spoken to over a real socket."""

import http.client
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pymongo import MongoClient

from support.patience import PATIENCE_SECONDS, wait_for
from support.processes import Nursery, Process, begin
from support.rig import DB
from support.servers import ServerProcess, accepts_connections, free_port

BACKUPS: Final = "/api/admin/backups"
ADMIN: Final = "an-admin-token-of-the-tests"
READER: Final = "a-reading-token-of-the-tests"
_NOW: Final = datetime.now(UTC)
FAR_AT: Final = datetime(_NOW.year + (_NOW.month + 5) // 12, (_NOW.month + 5) % 12 + 1, 1, tzinfo=UTC)
FAR: Final = f"0 0 1 {FAR_AT.month} *"  # once a year, and on no day that is near


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """Runs inside the `with` block, with the configuration of one set `main` of two collections and no schedule that is near."""

    mongodb: ServerProcess
    directory: Path  # of the backups; the log lies beside it
    variables: Mapping[str, str] = field(default_factory=dict)
    log_at: Path | None = None
    module: str = "sidecar"  # what is run; `support.faulty_sidecar` is the same with faults on demand
    port: int = 0
    nursery: Nursery | None = None  # None: that of the tests
    process: Process | None = None

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        ours = {
            "MONGO_URL": self.mongodb.uri,
            "DB_NAME": DB,
            "BACKUP_DIR": str(self.directory),
            "MIN_STORAGE_MB": "0",
            "SIDECAR_HOST": "127.0.0.1",
            "SIDECAR_PORT": str(self.port),
            "SIDECAR_ADMIN_TOKEN": ADMIN,
            "SIDECAR_READ_TOKEN": READER,
            "SIDECAR_MAIN_SCHEDULE": FAR,
            "SIDECAR_ATTENDANCE_SCHEDULE": FAR,
        }
        return inherited | ours | dict(self.variables)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_path(self) -> Path:
        return self.log_at or self.directory.with_name(f"{self.directory.name}.log")

    def start(self) -> Self:
        """Returns when the listener is open. A second start takes the same port again."""
        process = self.launch()
        wait_for(lambda: process.poll() is not None or accepts_connections(self.port), self.log_path.read_text)
        assert process.poll() is None, self.log_path.read_text()
        return self

    def launch(self) -> Process:
        """Start it, and wait for nothing."""
        self.port = self.port or free_port()
        with self.log_path.open("ab") as log:
            said = log.fileno()
            self.process = begin(self.module, ["serve"], self.environment, (said, said), self.nursery)
        return self.process

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE_SECONDS)
        self.process = None
        return code

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    # -- talking to it -------------------------------------------------------------------------------------------------

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str | None = ADMIN,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, sent)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read())
        finally:
            connection.close()

    def lab(self, **command: Any) -> None:
        """A command to the test server, `lab(labFault="find", action="error")`."""
        with MongoClient[dict[str, Any]](self.mongodb.uri) as client:
            client[DB].command(command)

    def get(self, path: str, token: str | None = ADMIN) -> Answer:
        return self.call("GET", path, token=token)

    def post(self, path: str, body: Any = None, token: str | None = ADMIN, **headers: str) -> Answer:
        return self.call("POST", path, body, token, headers)

    def back_up(self, backup_type: str = "main") -> dict[str, Any]:
        """A backup that must succeed; its metadata."""
        answer = self.post(f"/api/admin/backups/trigger?backup_type={backup_type}")
        assert answer.status == 200, answer.body
        return dict(answer.json[backup_type]["metadata"])

    def metrics(self) -> dict[str, float]:
        """Every sample by its name and labels as they are written, without the prefix."""
        text = self.get("/metrics", token=None).body.decode()
        samples = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("mongobackup_")]
        return {name.removeprefix("mongobackup_"): float(value) for name, value in samples}

    def wait_until(self, path: str, holds: str, value: Any) -> Any:
        """Poll a route until a key of its answer has a value; the answer."""

        def answer_that_holds() -> Any:
            answer = self.get(path).json
            return answer if answer[holds] == value else None

        return wait_for(answer_that_holds, lambda: self.get(path).json)

    def log(self) -> list[dict[str, Any]]:
        lines = self.log_path.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]
