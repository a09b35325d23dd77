"""Compare the MongoDB user's privileges with those that the configuration needs, which `deploy/mongodb/roles.json` grants."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sidecar.config import Settings
from sidecar.mongodb.database import Database
from sidecar.rules.names import LEASES

_READ = ("find", "listCollections", "listIndexes")
_WRITE = (
    "createCollection",
    "convertToCapped",
    "insert",
    "bypassDocumentValidation",
    "createIndex",
    "collMod",
    "renameCollectionSameDB",
    "dropCollection",
)
BACKUP = (*_READ, "collStats")
RESTORE = (*_READ, *_WRITE)
DRILL = (*RESTORE, "dropDatabase")
LEASE = ("find", "insert", "update")
_OF_THE_DATABASE = {"listCollections", "dropDatabase", "renameCollectionSameDB"}  # not granted on a collection


@dataclass(frozen=True, slots=True)
class Purpose:
    """A kind of work and the actions that it needs. An empty name means every database, or every collection."""

    name: str
    actions: Sequence[str]
    database: str
    collections: Sequence[str] = ("",)


def purposes(settings: Settings) -> list[Purpose]:
    """All kinds of work that this configuration may do on the server."""
    named = [name for one in settings.sets.values() for name in one.collections]
    read = ("",) if "*" in named else tuple(named)
    found = [
        Purpose("backup", BACKUP, settings.db_name, read),
        Purpose("restore", RESTORE, settings.db_name),
    ]
    if settings.drill_schedule:
        found.append(Purpose("drill", DRILL, settings.drill_db or ""))
    if settings.leader_group or settings.restore_on_empty:
        found.append(Purpose("lease", LEASE, settings.db_name, (LEASES,)))
    return found


async def privileges(database: Database, within_seconds: float) -> list[Mapping[str, Any]] | None:
    """The privileges of the user that is signed in; None if no user is signed in. Raises SourceError."""
    status = {"connectionStatus": 1, "showPrivileges": True}
    reply = await database.command(status, database="admin", within_seconds=within_seconds)
    if not reply.documents("authInfo.authenticatedUsers"):
        return None
    return list(reply.documents("authInfo.authenticatedUserPrivileges"))


def missing(purpose: Purpose, granted: Iterable[Mapping[str, Any]]) -> list[str]:
    """The actions that the purpose needs and the privileges do not grant."""
    rights = list(granted)
    return [action for action in purpose.actions if not _is_granted(action, purpose, rights)]


def _is_granted(action: str, purpose: Purpose, granted: Sequence[Mapping[str, Any]]) -> bool:
    there = [one.get("resource", {}) for one in granted if action in one.get("actions", ())]
    wanted = ("",) if action in _OF_THE_DATABASE else purpose.collections
    return all(any(_covers(resource, purpose.database, name) for resource in there) for name in wanted)


def _covers(resource: Mapping[str, Any], database: str, collection: str) -> bool:
    if resource.get("anyResource"):
        return True
    return resource.get("db") in ("", database) and resource.get("collection") in ("", collection)
