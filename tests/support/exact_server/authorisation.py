"""What a client may do: a model of MongoDB's access control, for one client at a time, by the name that it gives itself.

Which action a command needs is what MongoDB's manual says under "Privilege Actions" and under "Access Control" or "Required
Access" of each command's own page (https://www.mongodb.com/docs/manual/reference/privilege-actions/); where those are silent,
what the server's checks do. There is nobody to authenticate: whoever is not named may do everything.

`{"labRole": [{"resource": …, "actions": […]}, …], "application": NAME}` gives a client its privileges, in the form of createRole.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from support.exact_server.catalogue import Namespace
from support.exact_server.errors import CommandError
from support.exact_server.wire import Request

Needed = tuple[str, Namespace]  # an action, and where; a namespace without a collection is the database

# These need no privilege: a cursor is its owner's, and everybody may say hello and see the databases that are open to him.
_FREE: Final = frozenset(
    {"hello", "ismaster", "ping", "buildinfo", "connectionstatus", "startsession", "endsessions", "killsessions"}
    | {"getmore", "killcursors", "listdatabases"}
)
_ONE_ACTION: Final[Mapping[str, str]] = {
    "find": "find",
    "count": "find",
    "listindexes": "listIndexes",
    "update": "update",
    "delete": "remove",
    "createindexes": "createIndex",
    "dropindexes": "dropIndex",
    "collmod": "collMod",
    "drop": "dropCollection",
}


@dataclass(frozen=True)
class Privilege:
    db: str
    collection: str
    actions: frozenset[str]

    def grants(self, action: str, where: Namespace) -> bool:
        """An empty name in a privilege stands for every database, or for every collection but the system's."""
        is_database = self.db in ("", where.db)
        is_collection = self.collection in ("", where.name) and not where.name.startswith("system.")
        return action in self.actions and is_database and is_collection


@dataclass
class Authorisation:
    privileges: dict[str, Sequence[Privilege]] = field(default_factory=dict)

    def give(self, application: str, privileges: Sequence[Mapping[str, Any]]) -> None:
        """Instead of those it had."""
        self.privileges[application] = [
            Privilege(one["resource"]["db"], one["resource"]["collection"], frozenset(one["actions"]))
            for one in privileges
        ]

    def check(self, application: str, request: Request) -> None:
        """Raises Unauthorized (13) where a privilege is missing."""
        if application not in self.privileges or request.name.lower() in _FREE:
            return
        for action, where in _needed(request):
            if not any(privilege.grants(action, where) for privilege in self.privileges[application]):
                shown = f"{{ {request.name}: {request.target!r}, … }}"
                raise CommandError(13, f"not authorized on {request.db} to execute command {shown}")

    def visible(self, application: str, databases: Sequence[str]) -> list[str]:
        """What listDatabases shows: without the action of that name, the databases where anything is allowed."""
        if application not in self.privileges:
            return list(databases)
        return [db for db in databases if any(one.db in ("", db) for one in self.privileges[application])]


def _needed(request: Request) -> Iterator[Needed]:
    """Raises Unauthorized (13) for a command that the model does not know."""
    name = request.name.lower()
    where = Namespace(request.db, request.target if isinstance(request.target, str) else "")
    if name in _ONE_ACTION:
        yield _ONE_ACTION[name], where
        return
    if name not in _RULES:
        raise CommandError(
            13, f"not authorized on {request.db} to execute command {request.name}: it is not in the model"
        )
    yield from _RULES[name](request, where)


def _aggregate(request: Request, where: Namespace) -> Iterator[Needed]:
    stages = list(request.fields["pipeline"])
    first = next(iter(stages[0])) if stages else ""
    if first == "$collStats":
        yield "collStats", where
    elif first != "$documents":
        yield "find", where


def _create(request: Request, where: Namespace) -> Iterator[Needed]:
    yield "createCollection", where
    if request.fields.get("capped"):
        yield "convertToCapped", where
    if (view_on := request.fields.get("viewOn")) is not None:
        yield "find", Namespace(request.db, view_on)


def _insert(request: Request, where: Namespace) -> Iterator[Needed]:
    yield "insert", where
    if request.fields.get("bypassDocumentValidation"):
        yield "bypassDocumentValidation", where


def _rename(request: Request, _: Namespace) -> Iterator[Needed]:
    """As the manual documents it. The server also takes find and drop on the source with insert and index on the target."""
    source, target = Namespace.parse(request.target), Namespace.parse(request.fields["to"])
    yield "renameCollectionSameDB", Namespace(source.db, "")
    yield "find", source
    if request.fields.get("dropTarget"):  # whether there is one to drop or not
        yield "dropCollection", target


_RULES: Final[Mapping[str, Callable[[Request, Namespace], Iterator[Needed]]]] = {
    "aggregate": _aggregate,
    "create": _create,
    "insert": _insert,
    "renamecollection": _rename,
    "listcollections": lambda request, _: iter([("listCollections", Namespace(request.db, ""))]),
    "dropdatabase": lambda request, _: iter([("dropDatabase", Namespace(request.db, ""))]),
}
