"""Commands about databases, collections, views and indexes."""

from collections.abc import Mapping
from typing import Any, Final

import bson
from bson.binary import Binary

from support.exact_server.catalogue import Collection, Namespace
from support.exact_server.cursors import FIRST_BATCH, Cursor
from support.exact_server.errors import CommandError
from support.exact_server.indexes import IndexSpec
from support.exact_server.raw_bson import body, document, elements, named_document, subdocument, without
from support.exact_server.server import Call, Handler

_NOT_OPTIONS: Final = (
    *(b"create", b"idIndex", b"comment", b"writeConcern"),
    *(b"$db", b"lsid", b"txnNumber", b"$clusterTime", b"$readPreference", b"apiVersion"),
)
_MODIFIABLE: Final = frozenset(
    {b"validator", b"validationLevel", b"validationAction", b"viewOn", b"pipeline", b"expireAfterSeconds"}
)


def _list_databases(call: Call) -> Mapping[str, Any]:
    visible = call.server.authorisation.visible(call.application, call.server.catalogue.databases())
    databases = [{"name": name, "sizeOnDisk": 1, "empty": False} for name in visible]
    return {"databases": databases, "totalSize": len(databases)}


def _list_collections(call: Call) -> bytes:
    wanted = _wanted_names(call)
    is_brief = bool(call.get("nameOnly"))
    found = call.server.catalogue.collections(call.request.db)
    rows = [_listed(one, is_brief=is_brief) for one in found if wanted is None or one.ns.name in wanted]
    return _reply_with(call, f"{call.request.db}.$cmd.listCollections", rows)


def _wanted_names(call: Call) -> list[str] | None:
    query = call.get("filter", {})
    if not set(query) <= {"name"}:
        raise CommandError(2, f"listCollections can filter by name only, not by {sorted(query)}")
    wanted = query.get("name")
    if wanted is None or isinstance(wanted, str):
        return None if wanted is None else [wanted]
    if set(wanted) != {"$in"}:
        raise CommandError(2, "listCollections can filter by a name or {$in: [names]}")
    return list(wanted["$in"])


def _listed(one: Collection, *, is_brief: bool) -> bytes:
    head = body(bson.encode({"name": one.ns.name, "type": one.kind}))
    if is_brief:
        return document(head)
    info: dict[str, Any] = {"readOnly": one.kind == "view"}
    if one.kind != "view":
        info["uuid"] = Binary(one.uuid, 4)
    id_index = named_document("idIndex", one.id_index.raw) if one.id_index else b""
    return document(head, named_document("options", one.options), body(bson.encode({"info": info})), id_index)


def _list_indexes(call: Call) -> bytes:
    found = call.server.catalogue.get(call.ns)
    found.refuse_if_view("listIndexes")
    return _reply_with(call, str(call.ns), [spec.raw for spec in found.indexes])


def _reply_with(call: Call, ns: str, rows: list[bytes]) -> bytes:
    size = call.get("cursor", {}).get("batchSize", FIRST_BATCH)
    return call.server.cursors.first_batch(Cursor(ns, iter(rows)), size, call.trick)


def _create(call: Call) -> Mapping[str, Any]:
    raw = call.request.raw
    call.server.catalogue.create(call.ns, without(raw, *_NOT_OPTIONS), subdocument(raw, b"idIndex"))
    return {}


def _coll_mod(call: Call) -> Mapping[str, Any]:
    found, raw = call.server.catalogue.get(call.ns), call.request.raw
    changes = [element for element in elements(raw) if element.name in _MODIFIABLE]
    kept = without(found.options, *(change.name for change in changes))
    found.options = document(body(kept), *(raw[change.start : change.end] for change in changes))
    call.server.clock.tick()
    return {}


def _drop(call: Call) -> Mapping[str, Any]:
    call.server.catalogue.drop(call.ns)
    return {"ns": str(call.ns)}


def _drop_database(call: Call) -> Mapping[str, Any]:
    for one in call.server.catalogue.collections(call.request.db):
        call.server.catalogue.drop(one.ns)
    return {"dropped": call.request.db}


def _rename_collection(call: Call) -> Mapping[str, Any]:
    if call.request.db != "admin":
        raise CommandError(13, "renameCollection may only be run against the admin database.")
    source, target = Namespace.parse(call.request.target), Namespace.parse(call.get("to"))
    call.server.catalogue.rename(source, target, drop_target=bool(call.get("dropTarget")))
    return {}


def _create_indexes(call: Call) -> Mapping[str, Any]:
    specs = [IndexSpec.of(raw) for raw in call.request.payload]
    is_new = call.server.catalogue.find(call.ns) is None
    collection = call.server.catalogue.get_or_create(call.ns)
    collection.refuse_if_view("createIndexes")
    before = len(collection.indexes)
    for spec in specs:
        if not any([spec.is_there_already(existing) for existing in collection.indexes]):  # noqa: C419 - each may clash
            collection.documents.enforce(spec)
            collection.indexes.append(spec)
    call.server.clock.tick()
    after = len(collection.indexes)
    return {"numIndexesBefore": before, "numIndexesAfter": after, "createdCollectionAutomatically": is_new}


def _drop_indexes(call: Call) -> Mapping[str, Any]:
    collection = call.server.catalogue.get(call.ns)
    wanted, before = call.get("index"), len(collection.indexes)
    dropped = [spec for spec in collection.indexes if spec.name != "_id_" and wanted in ("*", spec.name)]
    if wanted != "*" and not dropped:
        raise CommandError(27, f"index not found with name [{wanted}]")
    for spec in dropped:
        collection.documents.relax(spec.name)
        collection.indexes.remove(spec)
    return {"nIndexesWas": before}


HANDLERS: Final[Mapping[str, Handler]] = {
    "listdatabases": _list_databases,
    "listcollections": _list_collections,
    "listindexes": _list_indexes,
    "create": _create,
    "collmod": _coll_mod,
    "drop": _drop,
    "dropdatabase": _drop_database,
    "renamecollection": _rename_collection,
    "createindexes": _create_indexes,
    "dropindexes": _drop_indexes,
}
