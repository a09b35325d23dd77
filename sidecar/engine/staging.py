"""Which restores are under way, so that what a killed one left beside its targets can be told from one that is at work.

A file per restore among the locks, held with flock(2) while the restore lives; it names the target database.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import structlog

from sidecar.engine.lock import DIRECTORY, SetLock
from sidecar.engine.restore import Target
from sidecar.engine.source import STAGED, Database
from sidecar.errors import Busy, StorageError

PREFIX = ".restoring_"

log = structlog.get_logger(__name__)


@contextmanager
def noted(root: Path, target: Target) -> Iterator[None]:
    """While a restore is under way. A directory that cannot be written does not keep it from taking place."""
    with ExitStack() as stack:
        try:
            lock = SetLock(root, f"{PREFIX}{target.run_id}", f"restore into {target.target_db}")
            stack.enter_context(lock).note_unfinished(target.target_db)
            stack.callback(_path(root, target.run_id).unlink, missing_ok=True)
        except StorageError as error:
            log.info("restore.not_noted", error=str(error))
        yield


async def sweep(root: Path, database: Database) -> list[str]:
    """Drop the staged collections of restores that died, and return their names. Raises SourceError, StorageError."""
    swept = []
    for path in sorted((root / DIRECTORY).glob(f"{PREFIX}*.lock")):
        try:
            with SetLock(root, path.stem, "sweeping") as lock:
                swept += await _drop(database.of(lock.left_unfinished or database.name), path.stem)
                path.unlink(missing_ok=True)
        except Busy:  # its restore is alive
            continue
    return swept


async def _drop(database: Database, run: str) -> list[str]:
    found = [name for name in await database.collections() if STAGED.fullmatch(name) and name.endswith(run)]
    for name in found:
        await database.command({"drop": name})
        log.warning("restore.swept", database=database.name, collection=name)
    return found


def _path(root: Path, run_id: str) -> Path:
    return root / DIRECTORY / f"{PREFIX}{run_id}.lock"
