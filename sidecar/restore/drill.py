"""The drill: restore a backup into a scratch database, compare it there, and always drop that database.

A drill first creates a marker collection in its scratch database. A database is written to only if it was empty before, and
dropped only if it has the marker of this owner: any other database could be somebody's data.
"""

import asyncio
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from sidecar.errors import RestoreMismatch, SidecarError, SourceError, WriteRejected
from sidecar.logger import Logger
from sidecar.mongodb.database import Database
from sidecar.restore import restore
from sidecar.restore.staging import read_back
from sidecar.runtime.completion import completed

PREFIX = "sidecar_drill_"
MARKER = "made_by_a_restore_drill"
NAMESPACE_BYTES = 255  # the longest `database.collection` that a server takes

log = Logger(__name__)


async def drill(order: restore.Order, owner: str, name: str | None = None) -> restore.Restored:
    """Restore `order`'s backup into a scratch database, with all comparisons of a restore and one more of the finished whole.

    `owner` is eight hexadecimal digits, the same for all processes that may sweep the database. `name` is the database's name;
    None makes a new name for each drill. Raises the errors of a restore, and WriteRejected if the database cannot be created.
    """
    order = replace(order, target_db=name or f"{PREFIX}{owner}_{uuid.uuid4().hex[:8]}")
    chosen = await restore.choose(order)
    if name is None and not _has_room(order.target_db, chosen.items):
        order = replace(order, target_db=_short(owner))
    scratch = order.target_db
    _require_room(scratch, chosen.items)
    await sweep(order.database, owner, scratch)  # left behind by an earlier drill that could not drop it
    await _made(order.database, scratch, owner)
    try:
        restored = await restore.restore(order, chosen)
        await _require_still_there(order, scratch, restored)
    finally:
        await completed(_drop(order.database, scratch))
    return restored


def _has_room(scratch: str, names: Iterable[str]) -> bool:
    """Whether a server takes collections with these names in a database called `scratch`."""
    return all(len(f"{scratch}.{name}".encode()) <= NAMESPACE_BYTES for name in names)


def _require_room(scratch: str, names: Iterable[str]) -> None:
    if not _has_room(scratch, names):
        longest = max(names, key=lambda name: len(name.encode()))
        limit = NAMESPACE_BYTES - 1 - len(longest.encode())
        raise WriteRejected(
            f"the names of the scratch database {scratch} and of the collection {longest} have more than {NAMESPACE_BYTES} bytes "
            f"together: set SIDECAR_DRILL_DB to a name of at most {limit} bytes"
        )


def is_scratch(database: str) -> bool:
    """Whether the name is one that a drill makes, of this sidecar or of another."""
    return re.fullmatch(rf"{PREFIX}[0-9a-f]+_[0-9a-f]{{8}}|sd_[0-9a-f]+", database) is not None


def _short(owner: str) -> str:
    """The shorter database name, for long names of collections. It is the same each time, so one drill can use it at a time."""
    return f"sd_{owner}"


async def _require_still_there(order: restore.Order, scratch: str, restored: restore.Restored) -> None:
    """Read back every collection once more, after the last rename. Raises RestoreMismatch."""
    database = order.database
    there = await database.collections(scratch)
    for name, expected in restored.collections.items():
        held = (await read_back(database, scratch, there[name], order.codec)).details() if name in there else None
        if held != expected:
            raise RestoreMismatch(
                f"{name}: at the end of the drill the server holds {held}: expected {expected}, as restored"
            )


async def _made(database: Database, scratch: str, owner: str) -> None:
    """Create the scratch database. A cancellation waits for the server's answer and drops what was created."""
    making = asyncio.ensure_future(_make(database, scratch, _marker(owner)))
    try:
        await asyncio.shield(making)
    except asyncio.CancelledError:
        await completed(_take_back(making, database, scratch, owner))
        raise


async def _take_back(making: asyncio.Future[None], database: Database, scratch: str, owner: str) -> None:
    with suppress(SidecarError):
        await making
    with _left_over(scratch):
        await sweep(database, owner, scratch)


async def _make(database: Database, scratch: str, marker: str) -> None:
    _require_free(scratch, await database.collections(scratch))
    await database.command({"create": marker}, database=scratch, otherwise=WriteRejected)
    there = await database.collections(scratch)
    if there.keys() - {marker}:  # somebody else began at the same moment
        await database.command({"drop": marker}, database=scratch)
        _require_free(scratch, there)


def _require_free(scratch: str, there: Iterable[str]) -> None:
    if names := list(there):
        raise WriteRejected(f"the scratch database {scratch} exists already and holds {', '.join(names)}")


async def _drop(database: Database, scratch: str) -> None:
    with _left_over(scratch):
        await database.command({"dropDatabase": 1}, database=scratch, is_slow=True)


@contextmanager
def _left_over(scratch: str) -> Iterator[None]:
    """Log a failure to drop the scratch database instead of raising it: the next start sweeps the database."""
    try:
        yield
    except SourceError as error:
        log.warning("drill.leftover", scratch_database=scratch, error=str(error))


async def sweep(database: Database, owner: str, name: str | None = None) -> list[str]:
    """Drop the scratch databases that this owner's killed drills left behind, and return their names. Raises SourceError.

    No drill of this owner may be running. `name` is the one database to look at; None looks at all that are named for the owner.
    """
    candidates = [name] if name else await _named_for(database, owner)
    swept = [one for one in candidates if _marker(owner) in await database.collections(one)]
    for one in swept:
        await database.command({"dropDatabase": 1}, database=one, is_slow=True)
        log.warning("drill.swept", scratch_database=one)
    return swept


async def _named_for(database: Database, owner: str) -> list[str]:
    ours = re.compile(rf"{PREFIX}{owner}_[0-9a-f]{{8}}")
    reply = await database.command({"listDatabases": 1, "nameOnly": True}, database="admin")
    names = [str(one.get("name")) for one in reply.documents("databases")]
    return [name for name in names if ours.fullmatch(name) or name == _short(owner)]


def _marker(owner: str) -> str:
    return f"{MARKER}_{owner}"
