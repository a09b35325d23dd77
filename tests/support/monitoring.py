"""A real Prometheus, a real Alertmanager and the receiver of its webhooks, as processes and a thread of one test."""

import json
import os
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from support.alert_rules import ALERTMANAGER
from support.patience import wait_for
from support.servers import accepts_connections, free_port

Labels = dict[str, str]


# -- who is told -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """One alert of one notification."""

    receiver: str  # the last part of the webhook's path
    status: str  # firing, resolved
    labels: Labels
    annotations: Labels

    @property
    def name(self) -> str:
        return self.labels["alertname"]


class Receiver:
    """What the webhooks were told, in order."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver = self.path.rpartition("/")[2]
                told.extend(Told(receiver, one["status"], one["labels"], one["annotations"]) for one in body["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port

    @contextmanager
    def listening(self) -> Iterator["Receiver"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.1,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


# -- the processes -----------------------------------------------------------------------------------------------------


@dataclass
class Monitoring:
    """Watches the targets that it is told of, and knows what arrived at the receiver."""

    directory: Path
    receiver: Receiver
    prometheus_port: int
    alertmanager_port: int
    targets: dict[int, Labels] = field(default_factory=dict)  # by their ports

    def watch(self, job: str, port: int, **labels: str) -> None:
        self.targets[port] = {"job": job, **labels}
        self._write_targets()

    def forget(self, job: str) -> None:
        self.targets = {port: labels for port, labels in self.targets.items() if labels["job"] != job}
        self._write_targets()

    def _write_targets(self) -> None:
        groups = [{"targets": [f"127.0.0.1:{port}"], "labels": labels} for port, labels in self.targets.items()]
        new = self.directory / "targets.json.new"
        new.write_text(json.dumps(groups))
        new.rename(self.directory / "targets.json")

    # -- asking --------------------------------------------------------------------------------------------------------

    def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant query to Prometheus; its result vector."""
        parameters = urllib.parse.urlencode({"query": expression})
        answer = _json(f"http://127.0.0.1:{self.prometheus_port}/api/v1/query?{parameters}")
        return list(answer["data"]["result"])

    def inhibited(self, job: str, **labels: str) -> set[str]:
        """The names of a job's alerts with these labels that fire and that Alertmanager keeps to itself."""
        alerts = _json(f"http://127.0.0.1:{self.alertmanager_port}/api/v2/alerts")
        wanted = {"job": job, **labels}.items()
        return {
            one["labels"]["alertname"]
            for one in alerts
            if wanted <= one["labels"].items() and one["status"]["inhibitedBy"]
        }

    def told_of(self, job: str) -> list[Told]:
        return [one for one in self.receiver.told if one.labels.get("job") == job]

    # -- waiting -------------------------------------------------------------------------------------------------------

    def wait_until_scraped(self, job: str) -> None:
        """Two scrapes, so that whatever counters do next is an increase."""
        expression = f'count_over_time(mongobackup_build_info{{job="{job}"}}[30s]) >= 2'
        wait_for(lambda: self.query(expression), lambda: f"{job} is not scraped")

    def arrives(self, job: str, alert: str, **labels: str) -> Told:
        """Wait for a notification that an alert with these labels fires."""
        return self._told(job, alert, "firing", labels)

    def resolves(self, job: str, alert: str, **labels: str) -> Told:
        """Wait for a notification that it does no more, after all that it did."""
        return self._told(job, alert, "resolved", labels)

    def _told(self, job: str, alert: str, status: str, labels: Labels) -> Told:
        def last() -> Told | None:
            found = [one for one in self.told_of(job) if one.name == alert and labels.items() <= one.labels.items()]
            return found[-1] if found and found[-1].status == status else None

        wait_for(last, lambda: f"{alert} of {job} is not {status}; told: {self.summary(job)}")
        found = last()
        assert found is not None
        return found

    def summary(self, job: str) -> list[str]:
        return [f"{one.status} {one.name} {one.labels.get('set', '')}" for one in self.told_of(job)]


@contextmanager
def monitoring(directory: Path, rules: list[Path]) -> Iterator[Monitoring]:
    """Prometheus with these rules and Alertmanager with the example's routes and inhibitions, both in a hurry."""
    with Receiver().listening() as receiver:
        watching = Monitoring(directory, receiver, free_port(), free_port())
        watching._write_targets()
        (directory / "alertmanager.yml").write_text(_alertmanager_config(receiver.port))
        (directory / "prometheus.yml").write_text(_prometheus_config(rules, watching))
        with _running(_alertmanager(watching), watching.alertmanager_port, directory / "alertmanager.log"):  # noqa: SIM117 - one after the other
            with _running(_prometheus(watching), watching.prometheus_port, directory / "prometheus.log"):
                yield watching


def _alertmanager_config(receiver_port: int) -> str:
    text = ALERTMANAGER.read_text()
    for long, short in (
        ("127.0.0.1:9095", f"127.0.0.1:{receiver_port}"),
        ("_wait: 30s", "_wait: 1s"),
        ("_interval: 5m", "_interval: 1s"),
    ):
        assert long in text, long
        text = text.replace(long, short)
    return text


def _prometheus_config(rules: list[Path], watching: Monitoring) -> str:
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in rules],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{watching.alertmanager_port}"]}]}]},
        "scrape_configs": [
            {
                "job_name": "files",
                "file_sd_configs": [{"files": [str(watching.directory / "targets.json")], "refresh_interval": "1s"}],
            }
        ],
    }
    return yaml.safe_dump(config)


def _alertmanager(watching: Monitoring) -> list[str]:
    return [
        "prometheus-alertmanager",
        f"--config.file={watching.directory / 'alertmanager.yml'}",
        f"--storage.path={watching.directory / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{watching.alertmanager_port}",
        "--cluster.listen-address=",
    ]


def _prometheus(watching: Monitoring) -> list[str]:
    return [
        "prometheus",
        f"--config.file={watching.directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={watching.directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{watching.prometheus_port}",
        "--rules.alert.resend-delay=5s",
    ]


@contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={"PATH": os.environ["PATH"]}
        )
        try:
            wait_for(lambda: process.poll() is not None or accepts_connections(port), log.read_text)
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.kill()
            process.wait()


def _json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - the scheme is ours
        return json.load(answer)
