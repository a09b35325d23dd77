"""The target of a restore."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sidecar.archive.codec import Codec
from sidecar.events import Listener, nobody
from sidecar.model import Collection
from sidecar.mongodb.database import Database
from sidecar.restore.journal import Journal

Check = Callable[[Collection], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The database that is written to, and the checks, the listener and the journal of the restore."""

    database: Database
    target_db: str
    codec: Codec
    listener: Listener = nobody
    checks: tuple[Check, ...] = ()  # awaited just before a collection is replaced; an error stops the replacement
    journal: Journal = field(default_factory=Journal)
    force: bool = False  # restore in spite of obstacles, and leave out the indexes that the server refuses
