"""The rehearsal of a restore: into a scratch database of its own, compared there, and dropped again whatever happened.

A scratch database is known by its name and by a marker that is made in it before anything else. One that exists already, or
that lacks the marker, could be anyone's and is never touched.
"""

import re
import uuid
from dataclasses import replace

import structlog

from sidecar.engine import restore
from sidecar.engine.loading import read_back
from sidecar.engine.source import Database
from sidecar.errors import RestoreMismatch, SourceError, WriteRejected

PREFIX = "sidecar_drill_"
MARKER = "made_by_a_restore_drill"

log = structlog.get_logger(__name__)


async def drill(order: restore.Order, owner: str) -> restore.Restored:
    """Restore `order`'s backup into a new scratch database, with every comparison that a restore makes and one at the end.

    `owner` is eight hexadecimal digits, the same for all that may sweep it. Raises what a restore raises, and WriteRejected
    where the scratch database cannot be made.
    """
    scratch = f"{PREFIX}{owner}_{uuid.uuid4().hex[:8]}"
    await _make(order.database, scratch)
    try:
        restored = await restore.restore(replace(order, target_db=scratch))
        await _require_still_there(order.database, scratch, restored)
    finally:
        await _drop(order.database, scratch)
    return restored


async def _require_still_there(database: Database, scratch: str, restored: restore.Restored) -> None:
    """Every collection once more, now that all of them are in their places."""
    there = await database.collections(scratch)
    for name, expected in restored.collections.items():
        held = (await read_back(database, scratch, there[name])).details() if name in there else None
        if held != expected:
            raise RestoreMismatch(f"{name}: in its place the server holds {held}, {expected} was restored")


async def _make(database: Database, scratch: str) -> None:
    if there := await database.collections(scratch):
        raise WriteRejected(f"the scratch database {scratch} exists already and holds {', '.join(there)}")
    await database.command({"create": MARKER}, database=scratch, otherwise=WriteRejected)


async def _drop(database: Database, scratch: str) -> None:
    """A server that is gone keeps it; the next start sweeps it."""
    try:
        await database.command({"dropDatabase": 1}, database=scratch, is_slow=True)
    except SourceError as error:
        log.warning("drill.leftover", scratch_database=scratch, error=str(error))


async def sweep(database: Database, owner: str) -> list[str]:
    """Drop the scratch databases of the owner's drills that were killed, and return their names. Raises SourceError.

    None of the owner's drills may be under way.
    """
    ours = re.compile(rf"{PREFIX}{owner}_[0-9a-f]{{8}}")
    reply = await database.command({"listDatabases": 1, "nameOnly": True}, database="admin")
    named = [str(one["name"]) for one in reply["databases"] if ours.fullmatch(one["name"])]
    swept = [name for name in named if MARKER in await database.collections(name)]
    for name in swept:
        await database.command({"dropDatabase": 1}, database=name, is_slow=True)
        log.warning("drill.swept", scratch_database=name)
    return swept
