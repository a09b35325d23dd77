"""The server: connections, and what happens to a command between its arrival and its answer."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import bson

from support.exact_server import wire
from support.exact_server.authorisation import Authorisation
from support.exact_server.catalogue import Catalogue, Namespace
from support.exact_server.clock import DEFAULT_HISTORY_SECONDS, ClusterClock, as_timestamp
from support.exact_server.cursors import Cursors
from support.exact_server.errors import CommandError
from support.exact_server.faults import Fault, Lab
from support.exact_server.mutation import mutated
from support.exact_server.raw_bson import body, document
from support.exact_server.wire import Request

_TAKES_SNAPSHOT: Final = frozenset({"find", "aggregate", "getMore"})  # drivers repeat the concern in getMore
_SAID_BY_ALL: Final = frozenset({"hello", "ismaster", "ping", "buildinfo", "endsessions", "getmore", "killcursors"})
_READS: Final = frozenset({"find", "aggregate", "count", "listcollections", "listindexes", "listdatabases"})

Result = Mapping[str, Any] | bytes  # a reply without `ok`; bytes are whole elements
Handler = Callable[["Call"], Result]


@dataclass(frozen=True)
class Settings:
    """`is_mongos` is only said; `honours_snapshot` False accepts snapshot reads and ignores them, as some servers do."""

    is_replica_set: bool = True
    is_mongos: bool = False
    honours_snapshot: bool = True
    history_seconds: float = DEFAULT_HISTORY_SECONDS


@dataclass
class Client:
    """Who is at the other end of a connection, by the name that it gives itself."""

    application: str = ""

    def meet(self, command: Mapping[str, Any]) -> None:
        self.application = wire.application_of(command) or self.application


@dataclass(frozen=True)
class Call:
    """One command on its way through the server."""

    server: "ExactServer"
    request: Request
    fault: Fault | None = None
    application: str = ""

    @property
    def trick(self) -> str:
        return self.fault.action if self.fault else ""

    @property
    def ns(self) -> Namespace:
        """Raises BadValue (2) where the command does not name a collection."""
        if not isinstance(self.request.target, str):
            raise CommandError(2, f"'{self.request.name}' needs the name of a collection")
        return Namespace(self.request.db, self.request.target)

    def get(self, name: str, default: Any = None) -> Any:
        return self.request.fields.get(name, default)


@dataclass
class ExactServer:
    settings: Settings
    handlers: Mapping[str, Handler]
    address: str = ""
    cursors: Cursors = field(default_factory=Cursors)
    lab: Lab = field(default_factory=Lab)
    authorisation: Authorisation = field(default_factory=Authorisation)
    is_secondary: bool = False

    def __post_init__(self) -> None:
        self.clock = ClusterClock(self.settings.history_seconds)
        self.catalogue = Catalogue(self.clock)

    async def listen(self, port: int) -> asyncio.Server:
        """Accepts connections on the loopback interface; port 0 takes a free one."""
        listener = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=wire.MAX_MESSAGE_BYTES)
        self.address = "{}:{}".format(*listener.sockets[0].getsockname())
        return listener

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client()
        try:
            while await self._exchange(reader, writer, client):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass  # the client has gone or does not speak the protocol
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: Client) -> bool:
        """One message and its answer. False ends the connection."""
        header = wire.Header.parse(await reader.readexactly(wire.HEADER.size))
        message = await reader.readexactly(header.body_bytes)
        if header.opcode == wire.OP_QUERY:
            client.meet(wire.queried(message))
            writer.write(wire.op_reply(bson.encode({**self.hello(), "ok": 1.0}), header.request_id))
            return True
        request = wire.parse_op_msg(message)
        client.meet(request.fields)
        self.lab.record(request, client.application)
        fault = self.lab.due_fault(request)
        action = fault.action if fault else ""
        if action == "close":
            return False
        if action == "stall":
            await reader.read()  # ends when the client gives up
            return False
        answer = self.answer(Call(self, request, fault, client.application))
        if fault is not None and action == "mutate":
            answer = mutated(answer, fault.next_seed())
            self.lab.mutated += 1
        reply = wire.op_msg(answer, header.request_id)
        if request.expects_reply:
            writer.write(_damaged(reply, action))
            await writer.drain()
        return action != "cut"

    def answer(self, call: Call) -> bytes:
        """The reply document, whatever happens to it on the way."""
        try:
            result = self.execute(call)
            for hooked in self.lab.due_hooks(call.request):
                self.execute(Call(self, hooked))
        except CommandError as error:
            return bson.encode({**error.reply, **self.gossip()})
        elements = result if isinstance(result, bytes) else body(bson.encode(result))
        return document(elements, body(bson.encode({**_doubt(call.fault), "ok": 1.0, **self.gossip()})))

    def execute(self, call: Call) -> Result:
        """Raises CommandError, also for a fault that asks for one."""
        if call.fault and call.fault.action == "error":
            raise CommandError(call.fault.code, call.fault.message)
        handler = self.handlers.get(call.request.name.lower())
        if handler is None:
            raise CommandError(59, f"no such command: '{call.request.name}'")
        self.authorisation.check(call.application, call.request)
        self._check_read_concern(call)
        self._check_may_answer(call)
        return handler(call)

    def hello(self) -> Mapping[str, Any]:
        if self.settings.is_mongos:
            return wire.hello_reply(msg="isdbgrid")
        if not self.settings.is_replica_set:
            return wire.hello_reply()
        role = {"isWritablePrimary": False, "ismaster": False, "secondary": True} if self.is_secondary else {}
        return wire.hello_reply(**{**wire.replica_set_of_one(self.address), **role})

    def gossip(self) -> Mapping[str, Any]:
        """The cluster time that a replica set adds to its replies."""
        if not self.settings.is_replica_set:
            return {}
        now = as_timestamp(self.clock.now)
        signature = {"hash": bytes(20), "keyId": bson.Int64(0)}
        return {"operationTime": now, "$clusterTime": {"clusterTime": now, "signature": signature}}

    def _check_may_answer(self, call: Call) -> None:
        """A secondary takes no writes, and reads only from those who say that they know what it is."""
        name, preference = call.request.name.lower(), call.get("$readPreference", {})
        if not self.is_secondary or name.startswith("lab") or name in _SAID_BY_ALL:
            return
        if name not in _READS:
            raise CommandError(10107, "not primary")
        if preference.get("mode", "primary") == "primary":
            raise CommandError(13435, "not primary and secondaryOk=false")

    def _check_read_concern(self, call: Call) -> None:
        if call.get("readConcern", {}).get("level") != "snapshot":
            return
        if call.request.name not in _TAKES_SNAPSHOT and self.settings.honours_snapshot:
            raise CommandError(72, f"read concern snapshot is not supported for '{call.request.name}'")
        if not self.settings.is_replica_set:
            raise CommandError(123, "node needs to be a replica set member to use read concern snapshot")


def _doubt(fault: Fault | None) -> Mapping[str, Any]:
    if fault is None or fault.action != "writeConcernError":
        return {}
    return {"writeConcernError": {"code": fault.code, "errmsg": fault.message}}


def _damaged(reply: bytes, action: str) -> bytes:
    if action == "cut":
        return reply[: len(reply) // 2]
    if action == "garbage":
        intact = wire.HEADER.size + 5 + 4  # up to and including the size of the document
        return reply[:intact] + b"\xee" * (len(reply) - intact - 1) + b"\0"
    return reply
