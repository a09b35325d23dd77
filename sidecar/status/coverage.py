"""Asks the server what it holds that no set backs up."""

from sidecar.config import Settings
from sidecar.errors import SidecarError
from sidecar.model import CollectionKind
from sidecar.mongodb.database import Database
from sidecar.restore.drill import is_scratch
from sidecar.rules.coverage import Uncovered, uncovered


async def look(settings: Settings, database: Database, within_seconds: float) -> Uncovered:
    """What is in no backup now; a view holds nothing. Raises SourceError."""
    sets = settings.sets.values()
    found = await database.collections()
    names = [name for name, one in found.items() if one.kind is not CollectionKind.VIEW] + list(found.unreadable)
    others = await _databases(settings, database, within_seconds) if any(one.takes_all for one in sets) else []
    return uncovered(list(sets), names, others, settings.ignore)


async def _databases(settings: Settings, database: Database, within_seconds: float) -> list[str]:
    """Those that the user may see, but for ours; none where the server does not tell."""
    ours = {settings.db_name, settings.drill_db}
    try:
        command = {"listDatabases": 1, "nameOnly": True}
        reply = await database.command(command, database="admin", within_seconds=within_seconds)
        names = [str(one.get("name")) for one in reply.documents("databases")]
    except SidecarError:
        return []
    return [name for name in names if name not in ours and not is_scratch(name)]
