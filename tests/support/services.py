"""A service on a real server and a directory of its own, as the command line and the server open it."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from sidecar.bootstrap.service import open_service
from sidecar.config import load
from sidecar.service import Service
from support.rig import DB
from support.servers import ServerProcess


def open_on(server: ServerProcess, directory: Path, **variables: str) -> AbstractAsyncContextManager[Service]:
    ours = {"MONGO_URL": server.uri, "DB_NAME": DB, "BACKUP_DIR": str(directory / "backups"), "MIN_STORAGE_MB": "0"}
    return open_service(load(ours | variables))
