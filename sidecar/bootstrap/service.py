"""The service put together, with nothing that only the server needs."""

import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from sidecar import config
from sidecar.archive.choose import choose_codec
from sidecar.config import Settings
from sidecar.mongodb.connection_string import require_understood
from sidecar.mongodb.database import Database
from sidecar.runtime.memory import arrange_memory
from sidecar.service import Service


def load_settings(environ: Mapping[str, str]) -> Settings:
    """For whoever connects: the driver is asked about the connection string too. Raises ConfigError with all problems."""
    return config.load(environ, require_understood)


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator[Service]:
    """A service on its database and directory. Nothing is connected to before the first use."""
    gc.enable()  # the command line starts without, see sidecar.cli
    arrange_memory()
    database = Database(
        settings.mongo_url.reveal(),
        settings.db_name,
        stall_seconds=settings.stall_timeout_seconds,
        max_read_mb_s=settings.max_read_mb_s,
        workspace=settings.backup_dir,
    )
    async with database:
        yield Service(settings, database, choose_codec(settings.codec))
