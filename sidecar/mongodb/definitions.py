"""Stored definitions as the commands that make them again.

Raw documents of listCollections and listIndexes go back as raw values: nothing is interpreted that need not be. What today's
servers refuse of an older one's definitions has a second form, which is sent only after the first was refused.
Sources: https://www.mongodb.com/docs/manual/reference/command/create/ and …/createIndexes/, …/collMod/.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Collection as AnyCollection
from dataclasses import dataclass, replace
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument

from sidecar.archive import legacy
from sidecar.archive.bson import Element, elements
from sidecar.archive.definition import (
    EMPTY,
    FLAGS,
    ID_INDEX,
    fields,
    index_name,
    is_same,
    is_true,
    joined,
    keeps_order,
    number,
    view_source,
)
from sidecar.model import Collection, CollectionKind

__all__ = ["EMPTY", "Commands", "Making", "commands", "differences", "keeps_order", "sources_first"]

_LISTED_ONLY = frozenset({"ns", "v"})  # listIndexes shows them, createIndexes takes them no more or chooses them itself
_ORDINARY_ID_INDEX = frozenset({"v", "key", "name", "ns", "unique", "background"})
_OF_THE_COMMAND = frozenset(  # what every command may say: old servers kept a whole `create` as options
    {
        *("create", "$db", "lsid", "txnNumber", "$clusterTime", "$readPreference", "readConcern", "writeConcern"),
        *("comment", "maxTimeMS", "apiVersion", "idIndex"),
    }
)
_MEANINGLESS_OPTIONS = _OF_THE_COMMAND | {"autoIndexId", "flags"}  # servers may take them without keeping them
_MEANINGLESS_IN_INDEX = frozenset({"ns", "v", "background", "dropDups"})
EXPIRY = "expireAfterSeconds"
_NEVER = 2147483647  # what servers since 5.0.14 make of a NaN
_CAPPED_UNIT = 256  # bytes that the size of a capped collection is rounded up to

_AS_SENT: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_MS
)


@dataclass(frozen=True, slots=True)
class Making:
    """A command that makes something, and where the definition is old the one to try if that is refused."""

    command: Mapping[str, Any]
    instead: Mapping[str, Any] | None = None
    remarks: tuple[str, ...] = ()  # what `instead` leaves out, in words
    index: str | None = None  # the name of the index that it makes


@dataclass(frozen=True, slots=True)
class Commands:
    """In the order they are run: `create`, documents, `indexes`, comparison, `expiry` (which may remove documents at once)."""

    create: Making
    indexes: tuple[Making, ...]
    expiry: tuple[Making, ...]


def commands(item: Collection, name: str) -> Commands:
    """The commands that make `item` again under `name`."""
    ordinary = [index for index in item.indexes if index_name(index) != ID_INDEX and not _is_clustered(index)]
    expiring = [_index(item, name, index) for index in ordinary if EXPIRY in fields(index)]
    expires_after = fields(item.options).get(EXPIRY)
    if expires_after is not None:
        expiring.append(Making({"collMod": name, **_values([expires_after])}))
    return Commands(
        _create(item, name),
        tuple(_index(item, name, index) for index in ordinary if EXPIRY not in fields(index)),
        tuple(expiring),
    )


def without_indexes(item: Collection, names: AnyCollection[str | None] | None = None) -> Collection:
    """The same collection without these indexes, or without all that it can be made without.

    None among the names is the expiry that a time series or a clustered collection has without an index.
    """

    def goes(index: bytes) -> bool:
        if names is not None:
            return index_name(index) in names
        return index_name(index) != ID_INDEX and not _is_clustered(index)

    options = _without(item.options, frozenset({EXPIRY})) if names and None in names else item.options
    return replace(item, options=options, indexes=tuple(index for index in item.indexes if not goes(index)))


def count_indexes(item: Collection) -> int:
    """Besides that on `_id`, which every collection has."""
    made = commands(item, item.name)
    return sum(one.index is not None for one in (*made.indexes, *made.expiry))


def _create(item: Collection, name: str) -> Making:
    def command(form: Collection) -> dict[str, Any]:
        options = elements(_without(form.options, _OF_THE_COMMAND | {EXPIRY}))
        return {"create": name, **_values(options), **_id_index(form)}

    old = replace(item, indexes=tuple(index for index in item.indexes if index_name(index) == ID_INDEX))
    return _making(old, legacy.converted(old), command)


def _index(item: Collection, name: str, index: bytes) -> Making:
    def command(form: Collection) -> dict[str, Any]:
        (raw,) = form.indexes
        return {"createIndexes": name, "indexes": [RawBSONDocument(_without(raw, _LISTED_ONLY))]}

    old = replace(item, options=EMPTY, indexes=(index,))
    return replace(_making(old, legacy.converted(old), command), index=index_name(index))


def _making(old: Collection, new: Collection, command: Callable[[Collection], dict[str, Any]]) -> Making:
    if (old.options, old.indexes) == (new.options, new.indexes):
        return Making(command(old))
    return Making(command(old), command(new), tuple(legacy.remarks(old)))


def _id_index(item: Collection) -> dict[str, Any]:
    """An `_id` index with options of its own (a collation, say) can only be made together with its collection."""
    if item.kind is not CollectionKind.COLLECTION:
        return {}
    found = [index for index in item.indexes if index_name(index) == ID_INDEX and not _is_clustered(index)]
    if not found or not fields(found[0]).keys() - _ORDINARY_ID_INDEX:
        return {}
    return {"idIndex": RawBSONDocument(_without(found[0], frozenset({"ns", "unique"})))}


def _is_clustered(index: bytes) -> bool:
    return is_true(fields(index).get("clustered"))


def _values(options: Iterable[Element]) -> dict[str, Any]:
    """Fields of a command: what is a document stays as it is."""
    return dict(RawBSONDocument(joined(options), _AS_SENT).items())


def _without(document: bytes, names: frozenset[str]) -> bytes:
    return joined(one for one in elements(document) if one.name.decode(errors="replace") not in names)


# -- comparison --------------------------------------------------------------------------------------------------------


def differences(wanted: Collection, held: Collection, converted: AnyCollection[str | None] = frozenset()) -> list[str]:
    """The options and indexes of `wanted` that `held` lacks or has otherwise, by name.

    `converted` names the indexes, with None for the collection itself, that were made in today's form.
    """
    if wanted.kind is not held.kind:
        return [f"the kind {wanted.kind}"]
    options = legacy.converted_options(wanted.options) if None in converted else wanted.options
    lost = [f"the option {name}" for name in _lost(options, fields(held.options), _MEANINGLESS_OPTIONS)]
    indexes = {index_name(index): fields(index) for index in held.indexes}
    for index in wanted.indexes:
        name = index_name(index)
        form = legacy.converted_index(index) if name in converted or name == ID_INDEX else index
        if name not in indexes or _lost(form, indexes[name], _MEANINGLESS_IN_INDEX):
            lost.append(f"the index {name}")
    return lost


def _lost(wanted: bytes, held: Mapping[str, Element], meaningless: frozenset[str]) -> list[str]:
    return [
        name
        for name, value in fields(wanted).items()
        if name not in meaningless
        and not (_is_kept(name, value, held[name]) if name in held else name in FLAGS and not is_true(value))
    ]


def _is_kept(name: str, wanted: Element, held: Element) -> bool:
    if is_same(wanted, held):
        return True
    asked, got = number(wanted), number(held)
    if name == "size" and asked is not None and math.isfinite(asked):
        return got == math.ceil(asked / _CAPPED_UNIT) * _CAPPED_UNIT
    return name == EXPIRY and asked is not None and math.isnan(asked) and got == _NEVER


# -- views -------------------------------------------------------------------------------------------------------------


def sources_first(views: Mapping[str, Collection]) -> list[Collection]:
    """Views in an order in which each comes after the view it looks at."""
    ordered: dict[str, Collection] = {}
    for name in sorted(views):
        for one in reversed(list(_line(views, name))):
            ordered.setdefault(one.name, one)
    return list(ordered.values())


def _line(views: Mapping[str, Collection], name: str) -> Iterator[Collection]:
    """A view, what it looks at, and so on down to what is no view; once each, also where they go in a circle."""
    passed: set[str] = set()
    while name in views and name not in passed:
        passed.add(name)
        yield views[name]
        name = view_source(views[name])
