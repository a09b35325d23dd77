"""find, getMore, count and the few aggregations that count or measure."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

import bson

from support.exact_server.catalogue import Collection, Namespace
from support.exact_server.clock import from_timestamp
from support.exact_server.commands.statistics import storage_statistics
from support.exact_server.cursors import FIRST_BATCH, Cursor
from support.exact_server.errors import CommandError
from support.exact_server.raw_bson import EMPTY_DOCUMENT, SortKey, document, elements, find_element, key_of, sort_key
from support.exact_server.server import Call, Handler


def _find(call: Call) -> bytes:
    moment = _snapshot_moment(call)
    source = _source(call, call.ns, moment)
    rows = _rows(call, source, moment)
    skip, limit = call.get("skip", 0), abs(call.get("limit", 0))
    limited = islice(rows, skip, skip + limit if limit else None)
    cursor = Cursor(str(call.ns), limited, source, moment)
    size = call.get("batchSize", FIRST_BATCH)
    return call.server.cursors.first_batch(cursor, size, call.trick, single=bool(call.get("singleBatch")))


def _snapshot_moment(call: Call) -> int | None:
    """The cluster time to read at. Raises SnapshotTooOld (239)."""
    concern = call.get("readConcern", {})
    if concern.get("level") != "snapshot" or not call.server.settings.honours_snapshot:
        return None
    asked = concern.get("atClusterTime")
    moment = call.server.clock.wait_for_nobody() if asked is None else from_timestamp(asked)
    call.server.clock.check_readable(moment)
    return moment


def _source(call: Call, ns: Namespace, moment: int | None) -> Collection | None:
    catalogue = call.server.catalogue
    return catalogue.source(ns) if moment is None else catalogue.source_at(ns, moment)


def _rows(call: Call, source: Collection | None, moment: int | None) -> Iterator[bytes]:
    if source is None:
        return iter(())
    _check_hint(source, call.get("hint"))
    key, by_id, only_id = id_wanted(call.get("filter")), _sort(call), _projects_id(call)
    documents = source.documents
    found = (documents.raw(row) for row in documents.rows(moment, key, by_id=by_id))
    return (_only_id(raw) for raw in found) if only_id else found


def _check_hint(source: Collection, hint: object) -> None:
    is_natural = isinstance(hint, Mapping) and list(hint) == ["$natural"]
    if hint is not None and not is_natural and not any(spec.matches_hint(hint) for spec in source.indexes):
        raise CommandError(2, "hint provided does not correspond to an existing index")


def id_wanted(query: Any) -> SortKey | None:
    """The `_id` that a filter asks for, None for the empty filter. Raises BadValue (2) for any other."""
    raw = EMPTY_DOCUMENT if query is None else query.raw
    fields = list(elements(raw))
    if not fields:
        return None
    only, *others = fields
    value = raw[only.value : only.end]
    is_operator = only.kind == 0x03 and any(element.name.startswith(b"$") for element in elements(value))
    if others or only.name != b"_id" or is_operator:
        raise CommandError(2, f"this server can filter by {{}} or {{_id: value}} only, not by {bson.decode(raw)}")
    return sort_key(only.kind, value)


def _sort(call: Call) -> int:
    order = dict(call.get("sort") or {})
    if order and order not in ({"_id": 1}, {"_id": -1}):
        raise CommandError(2, f"this server can sort by _id only, not by {order}")
    return int(order.get("_id", 0))


def _projects_id(call: Call) -> bool:
    projection = dict(call.get("projection") or {})
    if projection not in ({}, {"_id": 1}):
        raise CommandError(2, f"this server can project {{_id: 1}} only, not {projection}")
    return bool(projection)


def _only_id(raw: bytes) -> bytes:
    found = find_element(raw, b"_id")
    return document(raw[found.start : found.end] if found else b"")


def _get_more(call: Call) -> bytes:
    cursor = call.server.cursors.get(call.request.target)
    if cursor.moment is not None:
        call.server.clock.check_readable(cursor.moment)
    return call.server.cursors.next_batch(cursor.id, call.get("batchSize"), call.trick)


def _kill_cursors(call: Call) -> Mapping[str, Any]:
    wanted = list(call.get("cursors"))
    killed = call.server.cursors.kill(wanted)
    return {"cursorsKilled": killed, "cursorsNotFound": [cursor_id for cursor_id in wanted if cursor_id not in killed]}


def _count(call: Call) -> Mapping[str, Any]:
    source = call.server.catalogue.source(call.ns)
    key = id_wanted(call.get("query"))
    return {"n": sum(1 for _ in source.documents.rows(key=key)) if source else 0}


def _aggregate(call: Call) -> bytes:
    moment = _snapshot_moment(call)
    source = _source(call, call.ns, moment)
    rows: Iterator[bytes] = _rows(call, source, moment)
    for stage in call.get("pipeline"):
        rows = _stage(call, stage, rows)
    size = call.get("cursor", {}).get("batchSize", FIRST_BATCH)
    return call.server.cursors.first_batch(Cursor(str(call.ns), rows, source, moment), size, call.trick)


def _stage(call: Call, stage: Mapping[str, Any], rows: Iterator[bytes]) -> Iterator[bytes]:
    ((operator, value),) = stage.items()
    if operator == "$match":
        key = id_wanted(value)
        return rows if key is None else (raw for raw in rows if key_of(raw, b"_id") == key)
    if operator == "$count":
        return _counted({}, value, rows)
    if operator == "$group":
        return _counted({"_id": value["_id"]}, _counting_field(value), rows)
    if operator == "$collStats":
        statistics = storage_statistics(call.server.catalogue.source(call.ns))
        return iter([bson.encode({"ns": str(call.ns), "storageStats": statistics, "count": statistics["count"]})])
    raise CommandError(40324, f"Unrecognized pipeline stage name: '{operator}'")


def _counting_field(group: Mapping[str, Any]) -> str:
    (name,) = set(group) - {"_id"}
    if dict(group[name]) != {"$sum": 1}:
        raise CommandError(2, "this server can group by a constant and {$sum: 1} only")
    return name


def _counted(head: Mapping[str, Any], name: str, rows: Iterator[bytes]) -> Iterator[bytes]:
    total = sum(1 for _ in rows)
    return iter([bson.encode({**head, name: total})] if total else [])


HANDLERS: Final[Mapping[str, Handler]] = {
    "find": _find,
    "getmore": _get_more,
    "killcursors": _kill_cursors,
    "count": _count,
    "aggregate": _aggregate,
}
