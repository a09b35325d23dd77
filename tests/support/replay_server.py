"""A MongoDB server for benchmarks: replays canned documents as fast as a socket takes them, and counts what is inserted.

A collection is only a number of documents here, always the first so many of one endless sequence that is the same in every
process. So what was dumped from one replay server and restored into another reads back equal, document by document, although
the second kept none of it. The sequence repeats but for the ids: each pass over it has its own.
"""

import argparse
import random
import socketserver
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, count
from typing import Any, Final

import bson
from bson.objectid import ObjectId

from support.exact_server import wire
from support.exact_server.catalogue import Namespace
from support.exact_server.clock import as_timestamp
from support.exact_server.commands import HANDLERS
from support.exact_server.cursors import FIRST_BATCH, Cursor
from support.exact_server.raw_bson import body
from support.exact_server.server import Call, ExactServer, Handler, Settings

DB: Final = "bench"
COLLECTION: Final = "attendance"

_POOL_BYTES: Final = 15_500_000  # one batch at most, which with its array keys stays below 16 MB
_PASS: Final = struct.Struct(">I")
_ID_AT: Final = 7 + 4 + 5  # in an element: its kind and number, the document's length, the kind and name of the _id

_DAY: Final = datetime(2026, 11, 23, 8, tzinfo=UTC)


def small_document(dice: random.Random) -> Mapping[str, Any]:
    """13 fields, about 284 bytes."""
    return {
        "_id": ObjectId(dice.randbytes(12)),
        "student_id": dice.randbytes(12).hex(),
        "bus_id": f"BUS-{dice.randint(1, 40):03d}",
        "date": f"2026-11-{dice.randint(1, 28):02d}",
        "trip": dice.choice(["AM", "PM"]),
        "status": dice.choice(["present", "absent", "late"]),
        "scan_timestamp": _DAY,
        "gps": {"lat": dice.uniform(-90, 90), "lon": dice.uniform(-180, 180)},
        "confidence": dice.random(),
        "n": dice.randint(0, 1000),
        "big": bson.Int64(dice.getrandbits(40)),
        "photo_url": f"/{dice.randint(0, 10**9)}.jpg",
        "created_at": _DAY,
    }


def nested_document(dice: random.Random) -> Mapping[str, Any]:
    """A bus with its stops, about 1.8 KB."""
    stops = [
        {
            "name": f"Stop {dice.randint(1, 999)}",
            "at": _DAY,
            "gps": {"type": "Point", "coordinates": [dice.uniform(-180, 180), dice.uniform(-90, 90)]},
            "students": [ObjectId(dice.randbytes(12)) for _ in range(3)],
        }
        for _ in range(11)
    ]
    return {"_id": ObjectId(dice.randbytes(12)), "bus": dice.randint(1, 40), "active": True, "stops": stops}


def numeric_document(dice: random.Random) -> Mapping[str, Any]:
    """A minute of a bus's sensors, about 1.5 KB: doubles, integers of both sizes, decimals, dates."""
    readings = [
        {"at": _DAY, "speed": dice.uniform(0, 90), "fuel": dice.random(), "rpm": dice.randint(600, 4000)}
        for _ in range(20)
    ]
    odometer = bson.Int64(dice.getrandbits(40))
    fare = bson.Decimal128(f"{dice.randint(0, 9999)}.{dice.randint(0, 99):02d}")
    return {"_id": ObjectId(dice.randbytes(12)), "odometer": odometer, "fare": fare, "readings": readings}


def large_document(dice: random.Random) -> Mapping[str, Any]:
    """15.9 MB of words, near the largest that there is."""
    words = [f"word{number}" for number in range(1000)]
    text = " ".join(dice.choices(words, k=2_020_000))
    return {"_id": ObjectId(dice.randbytes(12)), "text": text[:15_900_000]}


DOCUMENTS: Final[Mapping[str, Callable[[random.Random], Mapping[str, Any]]]] = {
    "small": small_document,
    "nested": nested_document,
    "numeric": numeric_document,
    "large": large_document,
}


class Pool:
    """The sequence that repeats: its documents as elements of a BSON array, twice over, so that any run is one slice.

    Every document begins with its `_id`, an ObjectId, of which the first four bytes are the number of the pass.
    """

    def __init__(self, make: Callable[[random.Random], Mapping[str, Any]]) -> None:
        dice = random.Random(1)
        documents: list[bytes] = []
        used = 0
        while used < _POOL_BYTES:
            documents.append(bson.encode(make(dice)))
            used += len(documents[-1])
        self.documents = len(documents)
        self.mean_bytes = used / self.documents
        items = [b"\x03%05d\0" % position + raw for position, raw in enumerate(documents)] * 2
        self._ends = [0, *accumulate(map(len, items))]
        self._elements = memoryview(b"".join(items))

    def run(self, start: int, length: int) -> memoryview:
        """`length` documents of the endless sequence, at most a whole pool, as array elements."""
        number, first = divmod(start, self.documents)
        begin = self._ends[first]
        elements = bytearray(self._elements[begin : self._ends[first + length]])
        for position in range(first, first + length):
            passes = number + (position >= self.documents)
            _PASS.pack_into(elements, self._ends[position] - begin + _ID_AT, passes)
        return memoryview(elements)


@dataclass
class Replay:
    """A read under way: the next document of the sequence, and where to stop."""

    ns: str
    id: int
    at: int
    stop: int


class ReplayServer:
    """Definitions are the exact server's; documents are replayed and counted."""

    def __init__(self, pool: Pool, total_mb: int) -> None:
        own: Mapping[str, Handler] = {
            "insert": self._insert,
            "count": self._count,
            "aggregate": self._aggregate,
            "collstats": self._coll_stats,
        }
        self.exact = ExactServer(Settings(), {**HANDLERS, **own})
        self._pool = pool
        self._stored: Counter[bytes] = Counter()  # by the UUID of the collection, which survives a rename
        self._replays: dict[int, Replay] = {}
        self._ids = count(10**12)
        self._lock = threading.Lock()
        canned = self.exact.catalogue.create(Namespace(DB, COLLECTION))
        self._stored[canned.uuid] = round(total_mb * 1_000_000 / pool.mean_bytes)

    def answer(self, request: wire.Request, response_to: int) -> tuple[bytes | memoryview, ...]:
        """The parts of the reply, in order."""
        with self._lock:
            if request.name == "find":
                return self._find(request, response_to)
            if request.name == "getMore" and request.target in self._replays:
                replay = self._replays[request.target]
                return self._batch("nextBatch", replay, request.fields.get("batchSize"), b"", response_to)
            return (wire.op_msg(self.exact.answer(Call(self.exact, request)), response_to),)

    def _find(self, request: wire.Request, response_to: int) -> tuple[bytes, memoryview, bytes]:
        ns, fields = Namespace(request.db, request.target), request.fields
        stop = min(self._documents(ns), fields.get("limit") or self._documents(ns))
        replay = Replay(str(ns), next(self._ids), 0, stop)
        self._replays[replay.id] = replay
        pinned = b""
        concern = fields.get("readConcern", {})
        if concern.get("level") == "snapshot":
            moment = concern.get("atClusterTime", as_timestamp(self.exact.clock.now))
            pinned = body(bson.encode({"atClusterTime": moment}))
        return self._batch("firstBatch", replay, fields.get("batchSize", FIRST_BATCH), pinned, response_to)

    def _batch(
        self, key: str, replay: Replay, size: int | None, pinned: bytes, response_to: int
    ) -> tuple[bytes, memoryview, bytes]:
        wanted = self._pool.documents if size is None else min(size, self._pool.documents)
        run = self._pool.run(replay.at, length := min(wanted, replay.stop - replay.at))
        replay.at += length
        is_last = replay.at == replay.stop
        if is_last:
            del self._replays[replay.id]
        tail = body(bson.encode({"id": bson.Int64(0 if is_last else replay.id), "ns": replay.ns})) + pinned
        return _framed(key, run, tail, body(bson.encode({"ok": 1.0, **self.exact.gossip()})), response_to)

    def _insert(self, call: Call) -> Mapping[str, Any]:
        collection = self.exact.catalogue.get_or_create(call.ns)
        sent = call.request.sequences.get("documents")
        inserted = len(call.get("documents")) if sent is None else _count_documents(sent)
        self._stored[collection.uuid] += inserted
        return {"n": inserted}

    def _count(self, call: Call) -> Mapping[str, Any]:
        return {"n": self._documents(call.ns)}

    def _coll_stats(self, call: Call) -> Mapping[str, Any]:
        documents = self._documents(call.ns)
        size = round(documents * self._pool.mean_bytes)
        return {"count": documents, "size": size, "storageSize": size, "avgObjSize": round(self._pool.mean_bytes)}

    def _aggregate(self, call: Call) -> bytes:
        """Whatever is asked: the count, under the name that `$count` or `$group` gives it, or the sizes."""
        ((operator, value),) = call.get("pipeline")[-1].items()
        documents = self._documents(call.ns)
        row: Mapping[str, Any]
        if operator == "$collStats":
            row = {"storageStats": self._coll_stats(call)}
        elif operator == "$count":
            row = {value: documents}
        else:
            row = {name: 1 if name == "_id" else documents for name in value}
        is_snapshot = call.get("readConcern", {}).get("level") == "snapshot"
        moment = self.exact.clock.now if is_snapshot else None
        cursor = Cursor(str(call.ns), iter([bson.encode(row)]), moment=moment)
        return self.exact.cursors.first_batch(cursor, FIRST_BATCH)

    def _documents(self, ns: Namespace) -> int:
        collection = self.exact.catalogue.find(ns)
        return self._stored[collection.uuid] if collection else 0


def _framed(key: str, run: memoryview, tail: bytes, end: bytes, response_to: int) -> tuple[bytes, memoryview, bytes]:
    """A cursor reply around the array elements `run`, which are not copied."""
    array_head = b"\x04" + key.encode() + b"\0"
    array_bytes = 4 + len(run) + 1
    cursor_bytes = 4 + len(array_head) + array_bytes + len(tail) + 1
    reply_bytes = 4 + len(b"\x03cursor\0") + cursor_bytes + len(end) + 1
    head = (
        struct.pack("<i8si", reply_bytes, b"\x03cursor\0", cursor_bytes) + array_head + struct.pack("<i", array_bytes)
    )
    return wire.op_msg_prefix(reply_bytes, response_to) + head, run, b"\0" + tail + b"\0" + end + b"\0"


def _count_documents(data: memoryview) -> int:
    at = documents = 0
    while at < len(data):
        at += struct.unpack_from("<i", data, at)[0]
        documents += 1
    return documents


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: "_Listener"

    def handle(self) -> None:
        replay = self.server.replay
        try:
            while head := self.rfile.read(wire.HEADER.size):
                header = wire.Header.parse(head)
                message = self.rfile.read(header.body_bytes)
                if header.opcode == wire.OP_QUERY:
                    hello = bson.encode({**replay.exact.hello(), "ok": 1.0})
                    self.request.sendall(wire.op_reply(hello, header.request_id))
                    continue
                for part in replay.answer(wire.parse_op_msg(message), header.request_id):
                    self.request.sendall(part)
        except ConnectionError:
            pass  # the client has gone


class _Listener(socketserver.ThreadingTCPServer):
    """A thread for each connection: sending lets go of the GIL and copies nothing."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, replay: ReplayServer) -> None:
        super().__init__(("127.0.0.1", port), _Connection)
        self.replay = replay
        replay.exact.address = "{}:{}".format(*self.socket.getsockname())


def main() -> None:
    parser = argparse.ArgumentParser(prog="replay_server", description="A canned MongoDB server for benchmarks.")
    parser.add_argument("port", type=int, help="0 takes a free one; the line 'ready PORT' on stdout names it")
    parser.add_argument("total_mb", type=int, help=f"size of {DB}.{COLLECTION} in megabytes of BSON")
    parser.add_argument("--documents", choices=DOCUMENTS, default="small", help="what they are like")
    options = parser.parse_args()
    pool = Pool(DOCUMENTS[options.documents])
    with _Listener(options.port, ReplayServer(pool, options.total_mb)) as listener:
        print("ready", listener.socket.getsockname()[1], flush=True)  # noqa: T201 - tells the parent the port
        listener.serve_forever()


if __name__ == "__main__":
    main()
