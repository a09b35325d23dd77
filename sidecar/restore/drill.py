"""The rehearsal of a restore: into a scratch database of its own, compared there, and dropped again whatever happened.

A scratch database is known by its name and by a marker that is made in it before anything else. One that holds something else,
or that lacks the marker of its owner, could be anyone's and is never touched.
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
NAMESPACE_BYTES = 255  # that a database, a dot and a collection have together

log = Logger(__name__)


async def drill(order: restore.Order, owner: str, name: str | None = None) -> restore.Restored:
    """Restore `order`'s backup into a scratch database, with every comparison that a restore makes and one at the end.

    `owner` is eight hexadecimal digits, the same for all that may sweep it; `name` is that of the database, new each time if
    there is none. Raises what a restore raises, and WriteRejected where the scratch database cannot be made.
    """
    order = replace(order, target_db=name or f"{PREFIX}{owner}_{uuid.uuid4().hex[:8]}")
    chosen = await restore.choose(order)
    if name is None and not _has_room(order.target_db, chosen.items):
        order = replace(order, target_db=_short(owner))
    scratch = order.target_db
    _require_room(scratch, chosen.items)
    await sweep(order.database, owner, scratch)  # what an earlier one could not drop
    await _made(order.database, scratch, owner)
    try:
        restored = await restore.restore(order, chosen)
        await _require_still_there(order, scratch, restored)
    finally:
        await completed(_drop(order.database, scratch))
    return restored


def _has_room(scratch: str, names: Iterable[str]) -> bool:
    """Whether the server takes these names in such a database."""
    return all(len(f"{scratch}.{name}".encode()) <= NAMESPACE_BYTES for name in names)


def _require_room(scratch: str, names: Iterable[str]) -> None:
    if not _has_room(scratch, names):
        longest = max(names, key=lambda name: len(name.encode()))
        limit = NAMESPACE_BYTES - 1 - len(longest.encode())
        raise WriteRejected(
            f"the name of the scratch database {scratch} and that of {longest} together have more than {NAMESPACE_BYTES} bytes: "
            f"set SIDECAR_DRILL_DB to a name of at most {limit} bytes"
        )


def is_scratch(database: str) -> bool:
    """Whether a database has a name of those that drills make, here or of another sidecar."""
    return re.fullmatch(rf"{PREFIX}[0-9a-f]+_[0-9a-f]{{8}}|sd_[0-9a-f]+", database) is not None


def _short(owner: str) -> str:
    """For collections whose names leave no room for more. One at a time."""
    return f"sd_{owner}"


async def _require_still_there(order: restore.Order, scratch: str, restored: restore.Restored) -> None:
    """Every collection once more, now that all of them are in their places."""
    database = order.database
    there = await database.collections(scratch)
    for name, expected in restored.collections.items():
        held = (await read_back(database, scratch, there[name], order.codec)).details() if name in there else None
        if held != expected:
            raise RestoreMismatch(f"{name}: in its place the server holds {held}, {expected} was restored")


async def _made(database: Database, scratch: str, owner: str) -> None:
    """Make the scratch database, or nothing: a cancellation waits for the server's answer and takes back what was made."""
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
    """A server that is gone keeps the database; the next start sweeps it."""
    try:
        yield
    except SourceError as error:
        log.warning("drill.leftover", scratch_database=scratch, error=str(error))


async def sweep(database: Database, owner: str, name: str | None = None) -> list[str]:
    """Drop the scratch databases of the owner's drills that were killed, and return their names. Raises SourceError.

    None of the owner's drills may be under way. `name` is that of the database they take place in, if it is always the same.
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
