"""`demo`: show everything with realistic data and an embedded, MongoDB-compatible server; the admin page is up first."""

import contextlib
import http
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pymongo
import typer

from sidecar import errors
from sidecar.cli import commands, exits
from sidecar.cli.terminal import console
from sidecar.demo.school import load_school
from sidecar.demo.server import EmbeddedServer, free_port

_POLL_SECONDS = 0.05

_CONFIGURATION = """\
# Half an hour after the demo began, so that no scheduled run comes between the steps of the demo.
main_schedule = "{minute} * * * *"
attendance_schedule = "{minute} * * * *"
verify_schedule = "{minute} 3 * * *"
drill_schedule = "{minute} 4 * * 0"

# The newest backup of so many hours, days, weeks and months stays.
keep_hourly = 24
keep_daily = 7
keep_weekly = 4
keep_monthly = 6

# A third set beside the two built-in ones: everything, with the view and the capped collection.
[sets.everything]
collections = ["*"]
schedule = "{minute} * * * *"
limit = 3

# A second directory, in place of a NAS or a bucket.
[copies.nas]
url = "{nas}"
sets = ["attendance"]
"""

app = commands.app()


@app.command()
def demo(
    directory: Annotated[
        Path, typer.Option(help="Directory of the demo. It is emptied first; the backups stay there.")
    ] = Path(".demo"),
    stay: Annotated[
        bool | None,
        typer.Option("--stay/--no-stay", help="Serve until Ctrl-C. Default: only on a terminal."),
    ] = None,
) -> None:
    """Start an embedded server with a school's data and the admin page; back up, verify, restore, copy, damage and heal."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C does: nothing that was started is left behind
    with EmbeddedServer(directory / "mongodb") as server:
        counts = _load(server.uri)
        console.say(
            f"An embedded server at {server.uri} holds {sum(counts.values()):,} documents in {len(counts)} collections."
        )
        environment = _environment(directory.resolve(), server.uri)
        with _serving(environment, log=directory / "sidecar.log") as (url, token):
            console.say(f"\nThe admin page is up, signed in: {url}/#token={token}")
            console.say("The backups that are made below appear there at once, and so does the damage to one of them.")
            _backups_and_restores(environment, directory)
            _copied(url, token)
            _damage(environment, directory)
            _copied(url, token)
            _asked(url, token)
            if sys.stdin.isatty() and sys.stdout.isatty() if stay is None else stay:
                _stay(url, token)
    console.say(f"\nDone. The backups are in {directory}/backups: look at them with jq, or read the README.")


def _backups_and_restores(environment: Mapping[str, str], directory: Path) -> None:
    _show(environment, "config", "check")
    _show(environment, "backup", "all")
    _show(environment, "list")
    _show(environment, "verify", "--all", "--deep")
    everything = str(_newest(directory, "everything"))
    _show(environment, "restore", "--backup-file", everything, "--target-db", "bus_tracker_copy", "--yes")


def _damage(environment: Mapping[str, str], directory: Path) -> None:
    newest = _newest(directory, "attendance")
    _flip_one_bit(newest)
    _show(environment, "status")
    _show(environment, "verify", newest.stem, expected=exits.INVALID)


def _copied(url: str, token: str) -> None:
    """Bring the copy up to date through the API: it sends missing backups and heals damaged ones here."""
    path = "/api/admin/copies/nas/sync"
    console.say(f"\nPOST {path}")
    while True:
        try:
            for body in _answer(f"{url}{path}", "POST", token).values():
                console.say(f"  {body['message']}")
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.CONFLICT:
                raise
            time.sleep(_POLL_SECONDS)  # the server is syncing it already
        else:
            return


def _asked(url: str, token: str) -> None:
    """Use the API: make a backup, run a drill, and show the status of every set."""
    for method, path in (
        ("POST", "trigger?backup_type=attendance"),
        ("POST", "drill?backup_type=main"),
        ("GET", "status?backup_type=all"),
    ):
        console.say(f"\n{method} /api/admin/backups/{path}")
        for name, body in _answer(f"{url}/api/admin/backups/{path}", method, token).items():
            console.say(f"  {name}: {body['message']}")


def _stay(url: str, token: str) -> None:
    ending = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)  # Ctrl-C may come as soon as it is mentioned
    console.say(f"\nThe admin page, signed in: {url}/#token={token}")
    console.say(f"The API is described at {url}/docs, its metrics are at {url}/metrics. Ctrl-C ends the demo.")
    signal.sigwait(ending)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)


@contextlib.contextmanager
def _serving(environment: Mapping[str, str], log: Path) -> Iterator[tuple[str, str]]:
    """Start `sidecar serve`, wait until it answers, and yield its URL and its token."""
    token, port = secrets.token_urlsafe(24), free_port()
    ours = {"SIDECAR_ADMIN_TOKEN": token, "SIDECAR_HOST": "127.0.0.1", "SIDECAR_PORT": str(port)}
    console.say("\n$ sidecar serve")
    with log.open("wb") as said:
        command = [sys.executable, "-m", "sidecar", "serve"]
        process = subprocess.Popen(command, env=dict(environment) | ours, stdout=said, stderr=said)  # noqa: S603 - ourselves
    with process:
        try:
            url = f"http://127.0.0.1:{port}"
            _await_ready(url, process, log)
            yield url, token
        finally:
            process.terminate()


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=5).close()  # noqa: S310 - the scheme is ours
        except OSError:
            time.sleep(_POLL_SECONDS)
        else:
            return
    raise errors.SidecarError(f"the server ended with {process.returncode} at its start; its log is {log}")


def _answer(url: str, method: str, token: str) -> Any:
    request = urllib.request.Request(url, method=method, headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - the scheme is ours
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the same
        return json.load(answer)


def _load(uri: str) -> dict[str, int]:
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(uri)
    with client:
        return load_school(client["bus_tracker"])


def _environment(directory: Path, uri: str) -> Mapping[str, str]:
    configuration = directory / "sidecar.toml"
    nas, minute = directory / "nas", (datetime.now(UTC).minute + 30) % 60
    nas.mkdir()
    configuration.write_text(_CONFIGURATION.format(minute=minute, nas=nas.as_uri()))
    ours = {
        "SIDECAR_CONFIG": str(configuration),
        "SIDECAR_LOG_LEVEL": "error",
        "MONGO_URL": uri,
        "BACKUP_DIR": str(directory / "backups"),
    }
    return {name: value for name, value in os.environ.items() if not name.startswith("SIDECAR_")} | ours


def _show(environment: Mapping[str, str], *arguments: str, expected: int = exits.OK) -> None:
    """Run a command of the sidecar as a person would. Raises SidecarError if its exit code is not the expected one."""
    console.say(f"\n$ sidecar {' '.join(arguments)}")
    ended = subprocess.run([sys.executable, "-m", "sidecar", *arguments], env=dict(environment), check=False)  # noqa: S603 - ourselves
    if ended.returncode != expected:
        raise errors.SidecarError(f"the demo expected exit code {expected} from this command, got {ended.returncode}")


def _newest(directory: Path, set_name: str) -> Path:
    return max(
        path for path in (directory / "backups" / set_name).glob("*.json") if not path.name.endswith(".meta.json")
    )


def _flip_one_bit(path: Path) -> None:
    console.say(f"\nOne bit of {path.name} is flipped now, as a failing disk would.")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
