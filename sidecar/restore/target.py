"""Where a restore puts what."""

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
    """Where collections are put in place, and who is asked and told."""

    database: Database
    target_db: str
    codec: Codec
    listener: Listener = nobody
    checks: tuple[Check, ...] = ()  # awaited just before a collection is replaced, which does not happen if one raises
    journal: Journal = field(default_factory=Journal)
    force: bool = False  # go on in spite of obstacles, and without what the server refuses of the indexes
