"""insert, update and delete."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import bson
from bson.raw_bson import RawBSONDocument

from support.exact_server.catalogue import Collection
from support.exact_server.clock import as_timestamp
from support.exact_server.commands.reads import id_wanted
from support.exact_server.errors import CommandError
from support.exact_server.raw_bson import (
    TIMESTAMP,
    body,
    document,
    elements,
    find_element,
    key_of,
    subdocument,
    without,
)
from support.exact_server.server import Call, Handler
from support.exact_server.wire import MAX_DOCUMENT_BYTES, MAX_WRITE_BATCH

_EMPTY_TIMESTAMP: Final = bytes(8)


def _insert(call: Call) -> Mapping[str, Any]:
    documents = call.request.payload
    _check_batch(documents)
    collection = call.server.catalogue.get_or_create(call.ns)
    collection.refuse_if_view("insert")
    now = call.server.clock.tick()
    prepare = _preparation(call, collection)

    def write(position: int, raw: bytes) -> None:
        if call.fault and call.fault.action == "writeError" and call.fault.index == position:
            raise CommandError(call.fault.code, call.fault.message)
        collection.documents.insert(prepare(raw), now)

    done, errors = _each(documents, write, ordered=call.get("ordered", True))
    return {"n": done, **({"writeErrors": errors} if errors else {})}


def _check_batch(documents: list[bytes]) -> None:
    if not 0 < len(documents) <= MAX_WRITE_BATCH:
        raise CommandError(16, f"Write batch sizes must be between 1 and {MAX_WRITE_BATCH}. Got {len(documents)}.")
    largest = max(map(len, documents))
    if largest > MAX_DOCUMENT_BYTES:
        raise CommandError(10334, f"BSONObj size: {largest} is invalid. Size must be at most {MAX_DOCUMENT_BYTES}")


def _each(
    items: list[bytes], write: Callable[[int, bytes], None], *, ordered: bool
) -> tuple[int, list[dict[str, Any]]]:
    done, errors = 0, []
    for position, raw in enumerate(items):
        try:
            write(position, raw)
            done += 1
        except CommandError as error:
            errors.append({"index": position, "code": error.code, "errmsg": str(error)})
            if ordered:
                break
    return done, errors


def _preparation(call: Call, collection: Collection) -> Callable[[bytes], bytes]:
    """What MongoDB does to a document before it stores it; everything else stays as it was sent."""
    required = [] if call.get("bypassDocumentValidation") else collection.required_fields
    keeps_empty_timestamps = bool(call.get("bypassEmptyTsReplacement"))

    def prepare(raw: bytes) -> bytes:
        if key_of(raw, b"_id") is None:
            raw = document(body(bson.encode({"_id": bson.ObjectId()})), body(raw))
        if not keeps_empty_timestamps and _EMPTY_TIMESTAMP in raw:
            raw = _with_server_time(call, raw)
        if any(find_element(raw, name) is None for name in required):
            raise CommandError(121, "Document failed validation")
        return raw

    return prepare


def _with_server_time(call: Call, raw: bytes) -> bytes:
    """Fills empty top-level timestamps: https://www.mongodb.com/docs/manual/reference/bson-types/#timestamps."""
    now = as_timestamp(call.server.clock.now)
    filled = now.inc.to_bytes(4, "little") + now.time.to_bytes(4, "little")
    parts = []
    for element in elements(raw):
        is_empty = element.kind == TIMESTAMP and raw[element.value : element.end] == _EMPTY_TIMESTAMP
        head = raw[element.start : element.value]
        parts.append(head + (filled if is_empty and element.name != b"_id" else raw[element.value : element.end]))
    return document(*parts)


def _update(call: Call) -> Mapping[str, Any]:
    collection = call.server.catalogue.get_or_create(call.ns)
    now, matched = call.server.clock.tick(), 0
    for statement in call.request.payload:
        spec = RawBSONDocument(statement)
        change = subdocument(statement, b"u") or b""
        rows = _matching(collection, spec["q"])
        for row in rows if spec.get("multi") else rows[:1]:
            collection.documents.replace(row, _changed(collection.documents.raw(row), change), now)
            matched += 1
    return {"n": matched, "nModified": matched}


def _matching(collection: Collection, query: RawBSONDocument) -> list[int]:
    """The rows with this `_id` and with these values of other fields at the top."""
    raw_query = bytes(query.raw)
    wanted = [element for element in elements(raw_query) if element.name != b"_id"]
    key = id_wanted(RawBSONDocument(document(body(without(raw_query, *(e.name for e in wanted))))))

    def holds(raw: bytes) -> bool:
        found = ((one, find_element(raw, one.name)) for one in wanted)
        return all(has and raw[has.start : has.end] == raw_query[one.start : one.end] for one, has in found)

    return [row for row in collection.documents.rows(key=key) if holds(collection.documents.raw(row))]


def _changed(raw: bytes, change: bytes) -> bytes:
    """A replacement keeps its `_id`; `$set` moves the fields that it sets to the end."""
    if (assigned := subdocument(change, b"$set")) is not None:
        return document(body(without(raw, *(e.name for e in elements(assigned)))), body(assigned))
    if any(element.name.startswith(b"$") for element in elements(change)):
        raise CommandError(2, f"this server can replace documents or $set fields only, not {bson.decode(change)}")
    own_id = find_element(raw, b"_id")
    return document(raw[own_id.start : own_id.end] if own_id else b"", body(without(change, b"_id")))


def _delete(call: Call) -> Mapping[str, Any]:
    collection = call.server.catalogue.find(call.ns)
    if collection is None:
        return {"n": 0}
    now, removed = call.server.clock.tick(), 0
    for statement in map(RawBSONDocument, call.request.payload):
        rows = _matching(collection, statement["q"])
        for row in rows[:1] if statement.get("limit") else rows:
            collection.documents.remove(row, now)
            removed += 1
    return {"n": removed}


HANDLERS: Final[Mapping[str, Handler]] = {
    "insert": _insert,
    "update": _update,
    "delete": _delete,
}
