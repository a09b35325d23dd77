"""What a test can arm: faults, changes in mid-dump, and the record of the commands a client sent.

Faults are armed with `{"labFault": COMMAND, "action": ACTION}`; the actions:

    error       the reply is an error with `code` and `message`
    close       the connection is dropped and nothing is done
    stall       there never is an answer
    cut         the command is done, half of the reply is sent, and the connection dropped
    garbage     the command is done, and the reply is framed well but is not BSON
    writeConcernError  the command is done, and the reply says that too few members of the replica set know of it
    writeError  (insert) the document at `index` of the command is refused with `code` and `message`
    end         (cursors) half of the batch, and the claim that it was the last
    mutate      the command is done, and one thing in the reply is wrong: which one and how `seed` decides
    nothing     (cursors) no documents, and the claim that there are more
    more        (cursors) documents that nobody stored, with ids of their own
    repeat      (cursors) documents that were already returned: getMore gives its last batch again and does not move on,
                a first batch holds everything twice

Hooks are armed with `{"labHook": COMMAND, "then": {…}}`: the server runs `then` after it did the command and before it
answers. Both take `db` and `collection` (default: any), `skip` (so many matching commands pass first, default 0) and
`times` (default 1; -1 is for ever).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import bson
from bson.raw_bson import RawBSONDocument

from support.exact_server.catalogue import Namespace
from support.exact_server.errors import CommandError
from support.exact_server.raw_bson import body, document, find_element, without
from support.exact_server.wire import Request

ACTIONS: Final = frozenset(
    {
        "error",
        "close",
        "stall",
        "cut",
        "garbage",
        "writeConcernError",
        "writeError",
        "end",
        "repeat",
        "mutate",
        "nothing",
        "more",
    }
)
_UNRECORDED: Final = frozenset(
    {
        "hello",
        "ismaster",
        "labfault",
        "labhook",
        "labreset",
        "labcommands",
        "labsnapshothistory",
        "labrole",
        "labstepdown",
    }
)


@dataclass
class Trigger:
    """Picks commands by name and namespace, skips the first few and fires so many times."""

    command: str
    db: str | None
    collection: str | None
    skip: int
    times: int

    @classmethod
    def of(cls, request: Request) -> "Trigger":
        fields = request.fields
        return cls(
            str(request.target).lower(),
            fields.get("db"),
            fields.get("collection"),
            fields.get("skip", 0),
            fields.get("times", 1),
        )

    def fires(self, request: Request) -> bool:
        if self.times == 0 or request.name.lower() != self.command or not self._matches(request):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True

    def _matches(self, request: Request) -> bool:
        return any(
            self.db in (None, db) and self.collection in (None, collection) for db, collection in _namespaces(request)
        )


def _namespaces(request: Request) -> list[tuple[str, str | None]]:
    if request.name == "renameCollection":
        both = (Namespace.parse(request.target), Namespace.parse(request.fields["to"]))
        return [(ns.db, ns.name) for ns in both]
    if request.name == "getMore":
        return [(request.db, request.fields["collection"])]
    return [(request.db, request.target if isinstance(request.target, str) else None)]


@dataclass
class Fault:
    """One command that is to go wrong."""

    trigger: Trigger
    action: str
    code: int
    message: str
    index: int
    seed: int

    @classmethod
    def of(cls, request: Request) -> "Fault":
        """Raises BadValue (2) for an action that does not exist."""
        fields = request.fields
        action = fields.get("action", "error")
        if action not in ACTIONS:
            raise CommandError(2, f"no such action: {action!r}; there are {', '.join(sorted(ACTIONS))}")
        message = fields.get("message", "failed on demand")
        return cls(
            Trigger.of(request), action, fields.get("code", 43), message, fields.get("index", 0), fields.get("seed", 0)
        )

    def next_seed(self) -> int:
        """Another mutation for every reply."""
        self.seed += 1
        return self.seed


@dataclass(frozen=True)
class Hook:
    """A command that the server runs by itself after another one."""

    trigger: Trigger
    then: bytes

    def request(self, cause: Request) -> Request:
        if find_element(self.then, b"$db"):
            return Request.of(self.then)
        db = self.trigger.db or cause.db
        return Request.of(document(body(self.then), body(bson.encode({"$db": db}))))


@dataclass
class Lab:
    """Everything armed and everything seen."""

    faults: list[Fault] = field(default_factory=list)
    hooks: list[Hook] = field(default_factory=list)
    commands: list[Mapping[str, Any]] = field(default_factory=list)
    mutated: int = 0

    def record(self, request: Request, application: str = "") -> None:
        """Keeps a command without its documents, which are only counted, with its updates, when it came and from whom."""
        if request.name.lower() in _UNRECORDED:
            return
        documents = len(request.payload) if request.name == "insert" else 0
        command = RawBSONDocument(without(request.raw, b"documents"))
        updates = [RawBSONDocument(raw) for raw in request.payload] if request.name == "update" else []
        whence = {"at": time.time(), "application": application}
        what = {"name": request.name, "db": request.db, "documents": documents, "updates": updates, "command": command}
        self.commands.append(what | whence)

    def due_fault(self, request: Request) -> Fault | None:
        return next((fault for fault in self.faults if fault.trigger.fires(request)), None)

    def due_hooks(self, request: Request) -> list[Request]:
        return [hook.request(request) for hook in self.hooks if hook.trigger.fires(request)]

    def disarm(self) -> int:
        """Returns how many replies were mutated since it was last called."""
        self.faults.clear()
        self.hooks.clear()
        mutated, self.mutated = self.mutated, 0
        return mutated

    def take_commands(self) -> list[Mapping[str, Any]]:
        seen, self.commands = self.commands, []
        return seen
