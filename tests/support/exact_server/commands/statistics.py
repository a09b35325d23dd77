"""Commands about sizes, and about the server as a process."""

from collections.abc import Mapping
from typing import Any, Final

from support.exact_server.catalogue import Collection
from support.exact_server.server import Call, Handler
from support.exact_server.wire import BUILD_INFO


def storage_statistics(source: Collection | None) -> dict[str, Any]:
    """`size` is the BSON that can be read now, in bytes."""
    sizes = [len(source.documents.raw(row)) for row in source.documents.rows()] if source else []
    total = sum(sizes)
    return {
        "count": len(sizes),
        "size": total,
        "storageSize": total,
        "avgObjSize": total // max(1, len(sizes)),
        "nindexes": len(source.indexes) if source else 0,
        "totalIndexSize": 0,
        "capped": bool(source and source.option("capped")),
    }


def _coll_stats(call: Call) -> Mapping[str, Any]:
    return {"ns": str(call.ns), **storage_statistics(call.server.catalogue.source(call.ns))}


def _db_stats(call: Call) -> Mapping[str, Any]:
    everything = call.server.catalogue.collections(call.request.db)
    stored = [storage_statistics(one) for one in everything if one.kind != "view"]
    objects, size = sum(one["count"] for one in stored), sum(one["size"] for one in stored)
    return {
        "db": call.request.db,
        "collections": len(stored),
        "views": len(everything) - len(stored),
        "objects": objects,
        "dataSize": size,
        "storageSize": size,
        "indexes": sum(one["nindexes"] for one in stored),
        "indexSize": 0,
    }


def _server_status(call: Call) -> Mapping[str, Any]:
    return {"host": call.server.address, "version": BUILD_INFO["version"], "process": "mongod"}


HANDLERS: Final[Mapping[str, Handler]] = {
    "collstats": _coll_stats,
    "dbstats": _db_stats,
    "serverstatus": _server_status,
}
