"""Nothing that waits for a disk is done on the event loop: a hung mount or somebody else's lock stops no answer.

Exempt is what does not lie on the disk of the backups: what Python itself reads while it imports, time zones, the files of the
resolver, certificates, /proc for the metrics of the process, and where the driver looks whether it is in a container.
"""

import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sidecar.bootstrap.server import serving
from sidecar.config import Secret, load
from sidecar.metrics import Telemetry
from support.rig import BUSES, DB, PEOPLE
from support.servers import ServerProcess, free_port, seed

ADMIN = {"Authorization": "Bearer an-admin-token-of-the-tests"}
AUDITED = ("open", "os.", "fcntl.", "sqlite3.connect", "tempfile.")
UNAUDITED = ("fsync", "stat", "lstat", "statvfs", "pwrite", "pread", "posix_fadvise")  # Python tells no hook of them
HARMLESS = {"os.putenv", "os.unsetenv", "os.fork", "os.register_at_fork"}


class Audit:
    """Remembers what blocks on the thread of the event loop, and from where in the sidecar."""

    def __init__(self) -> None:
        self.thread: int | None = None
        self.root = ""
        self.found: set[tuple[str, str, str]] = set()

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        if threading.get_ident() == self.thread and event.startswith(AUDITED) and event not in HARMLESS:
            what = args[0] if args else ""
            path = str(
                what if isinstance(what, str) else os.fsdecode(what) if isinstance(what, bytes | os.PathLike) else what
            )
            if path.startswith(self.root) or path.isdecimal():  # or a descriptor
                self.found.add((event, path, _place()))

    def patched(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def heard(*args: Any, **kwargs: Any) -> Any:
            self.hear(f"os.{name}", args)
            return call(*args, **kwargs)

        return heard

    @contextmanager
    def listening(self, root: Path) -> Iterator[None]:
        self.root = str(root)
        self.thread = threading.get_ident()
        try:
            yield
        finally:
            self.thread = None


def _place() -> str:
    frame = sys._getframe()
    while frame is not None:
        file = frame.f_code.co_filename
        if "/sidecar/" in file and "/tests/" not in file:
            return f"{file.rpartition('/sidecar/')[2]}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back  # type: ignore[assignment] # ends with None
    return ""


AUDIT = Audit()
sys.addaudithook(AUDIT.hear)  # there is no way to take it out again


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> Audit:
    AUDIT.found.clear()
    for name in UNAUDITED:
        monkeypatch.setattr(os, name, AUDIT.patched(getattr(os, name), name))
    return AUDIT


@asynccontextmanager
async def served(mongodb: ServerProcess, directory: Path) -> AsyncIterator[aiohttp.ClientSession]:
    port = free_port()
    settings = load(
        {
            "MONGO_URL": mongodb.uri,
            "DB_NAME": DB,
            "BACKUP_DIR": str(directory / "backups"),
            "MIN_STORAGE_MB": "0",
            "SIDECAR_HOST": "127.0.0.1",
            "SIDECAR_PORT": str(port),
            "SIDECAR_RESTORE_ON_EMPTY": "true",
        }
    )
    async with serving(settings, Secret("an-admin-token-of-the-tests"), Telemetry(), lambda _: None):  # noqa: SIM117 - the second needs the first to run
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=ADMIN) as client:
            yield client


async def test_nothing_that_waits_for_a_disk_is_done_on_the_event_loop(
    exact: ServerProcess, tmp_path: Path, audit: Audit
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    with audit.listening(tmp_path):
        async with served(exact, tmp_path) as client:  # a start, and a stop
            backups = "/api/admin/backups"
            async with client.post(f"{backups}/trigger?backup_type=main") as answer:
                assert answer.status == 200, await answer.text()
            async with client.post(f"{backups}/trigger?backup_type=main") as answer:
                body = await answer.json()
                assert answer.status == 200, body
            backup_id = body["main"]["metadata"]["backup_id"]
            for method, path, sent in (
                ("GET", f"{backups}/list", None),
                ("GET", f"{backups}/status", None),
                ("GET", f"{backups}/health", None),
                ("GET", "/api/admin/retention", None),
                ("GET", "/api/admin/jobs", None),
                ("GET", "/metrics", None),
                ("GET", f"{backups}/{backup_id}/download", None),
                ("POST", f"{backups}/verify/{backup_id}?deep=true", None),
                ("POST", f"{backups}/drill?backup_type=main", None),
                ("POST", f"{backups}/{backup_id}/restore", {"confirm": DB}),
                ("POST", f"{backups}/{backup_id}/restore", {"dry_run": True}),
                ("PUT", f"{backups}/{backup_id}/pin", {}),
                ("DELETE", f"{backups}/{backup_id}/pin", None),
                ("POST", "/api/admin/retention/prune?backup_type=main", None),
                ("DELETE", f"{backups}/{backup_id}?force=true", None),
            ):
                async with client.request(method, path, json=sent) as answer:
                    assert answer.status < 300, (path, await answer.text())
                    await answer.read()
    assert not audit.found, "\n".join(map(str, sorted(audit.found)))
