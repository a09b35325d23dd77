"""Stored definitions as the commands that make them again.

Raw documents of listCollections and listIndexes go back as raw values: nothing is interpreted that need not be.
Sources: https://www.mongodb.com/docs/manual/reference/command/create/ and …/createIndexes/, …/collMod/.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from sidecar.model import Collection, CollectionKind

EMPTY = bson.encode({})

_ID_INDEX = "_id_"
_LISTED_ONLY = ("ns", "v")  # listIndexes shows them, createIndexes takes them no more or chooses them itself
_ORDINARY_ID_INDEX = {"v", "key", "name", "ns"}
_TTL = "expireAfterSeconds"


@dataclass(frozen=True, slots=True)
class Commands:
    """In the order they are run: `create`, documents, `indexes`, comparison, `expiry` (which may remove documents at once)."""

    create: Mapping[str, Any]
    indexes: tuple[Mapping[str, Any], ...]
    expiry: tuple[Mapping[str, Any], ...]


def commands(item: Collection, name: str) -> Commands:
    """The commands that make `item` again under `name`."""
    options = dict(RawBSONDocument(item.options).items())
    expires_after = options.pop(_TTL, None)
    indexes = [dict(RawBSONDocument(raw).items()) for raw in item.indexes]
    ordinary = [_clean(index) for index in indexes if index["name"] != _ID_INDEX and not index.get("clustered")]
    expiry: list[Mapping[str, Any]] = [_create_index(name, index) for index in ordinary if _TTL in index]
    if expires_after is not None:
        expiry.append({"collMod": name, _TTL: expires_after})
    return Commands(
        {"create": name} | options | _id_index(item, indexes),
        tuple(_create_index(name, index) for index in ordinary if _TTL not in index),
        tuple(expiry),
    )


def _clean(index: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in index.items() if key not in _LISTED_ONLY}


def _create_index(name: str, index: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"createIndexes": name, "indexes": [dict(index)]}


def _id_index(item: Collection, indexes: list[dict[str, Any]]) -> dict[str, Any]:
    """An `_id` index with options of its own (a collation, say) can only be made together with its collection."""
    if item.kind is not CollectionKind.COLLECTION:
        return {}
    unusual = [i for i in indexes if i["name"] == _ID_INDEX and "clustered" not in i and set(i) - _ORDINARY_ID_INDEX]
    return {"idIndex": {key: value for key, value in unusual[0].items() if key != "ns"}} if unusual else {}


def differences(wanted: Collection, held: Collection) -> list[str]:
    """The options and indexes of `wanted` that `held` lacks or has otherwise, by name."""
    if wanted.kind is not held.kind:
        return [f"the kind {wanted.kind}"]
    has = bson.decode(held.options)
    lost = [f"the option {key}" for key, value in bson.decode(wanted.options).items() if has.get(key) != value]
    indexes = {index["name"]: _clean(index) for index in map(bson.decode, held.indexes)}
    wanted_indexes = [_clean(index) for index in map(bson.decode, wanted.indexes)]
    return lost + [f"the index {index['name']}" for index in wanted_indexes if indexes.get(index["name"]) != index]


def keeps_order(item: Collection) -> bool:
    """Whether the order in which documents are inserted is a part of the collection."""
    return bool(RawBSONDocument(item.options).get("capped"))


def sources_first(views: Mapping[str, Collection]) -> list[Collection]:
    """Views in an order in which each comes after the view it looks at."""
    ordered: dict[str, Collection] = {}

    def visit(name: str) -> None:
        if name in views and name not in ordered:
            visit(str(RawBSONDocument(views[name].options)["viewOn"]))
            ordered[name] = views[name]

    for name in sorted(views):
        visit(name)
    return list(ordered.values())
