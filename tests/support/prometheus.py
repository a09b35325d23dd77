"""A real Prometheus on a free port that scrapes what a test names, every second."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from support.patience import wait_for
from support.servers import free_port


@dataclass
class Prometheus:
    """Runs inside the `with` block. `targets`: ports of this machine by job; `settings`: further keys of its file."""

    folder: Path
    targets: Mapping[str, Sequence[int]]
    rules: Sequence[Path] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def _configuration(self) -> dict[str, Any]:
        jobs = [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
            for job, ports in self.targets.items()
        ]
        often = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        files = [str(path.resolve()) for path in self.rules]
        return {"global": often, "scrape_configs": jobs, "rule_files": files, **self.settings}

    def start(self) -> Self:
        """Returns when every target has been scraped well. A second start keeps port and data."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        file = self.folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(self._configuration))
        where = [f"--config.file={file}", f"--storage.tsdb.path={self.folder / 'data'}"]
        how = [f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(["prometheus", *where, *how], stdout=log, stderr=log)
        try:
            self.wait_until(lambda: self.query("up == 1"), sum(map(len, self.targets.values())))
        except BaseException:
            self.stop()
            raise
        return self

    @property
    def log_path(self) -> Path:
        return self.folder / "prometheus.log"

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def query(self, expr: str) -> list[dict[str, Any]]:
        """An instant query: a list of `{"metric": labels, "value": [time, text]}`."""
        return list(self.get("query", query=expr)["result"])

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer of `/api/v1/…`."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 # http, ours
            return json.load(answer)["data"]

    def wait_until(self, asked: Callable[[], Sequence[Any]], count: int = 1) -> None:
        """Ask again until there are at least `count` results; a Prometheus that is not listening yet has none."""
        wait_for(lambda: self._has_ended() or len(self._results(asked)) >= count, self.log_path.read_text)
        assert not self._has_ended(), self.log_path.read_text()

    def _has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    @staticmethod
    def _results(asked: Callable[[], Sequence[Any]]) -> Sequence[Any]:
        try:
            return asked()
        except OSError:
            return ()
