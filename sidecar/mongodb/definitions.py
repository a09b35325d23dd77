"""Build the commands that make collections and indexes from their stored definitions, and compare definitions.

The raw values of listCollections and listIndexes are sent back unchanged as far as possible. A definition of an old server has a
second, modern form, which is sent only if the server refuses the first.
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
    number,
    view_source,
)
from sidecar.model import Collection, CollectionKind

_LISTED_ONLY = frozenset({"ns", "v"})  # listIndexes shows them, createIndexes refuses `ns` and chooses `v` itself
_ORDINARY_ID_INDEX = frozenset({"v", "key", "name", "ns", "unique", "background"})
_OF_THE_COMMAND = frozenset(  # fields of any command: old servers stored a whole `create` command as the options
    {
        *("create", "$db", "lsid", "txnNumber", "$clusterTime", "$readPreference", "readConcern", "writeConcern"),
        *("comment", "maxTimeMS", "apiVersion", "idIndex"),
    }
)
_MEANINGLESS_OPTIONS = _OF_THE_COMMAND | {"autoIndexId", "flags"}  # servers may accept them without keeping them
_MEANINGLESS_IN_INDEX = frozenset({"ns", "v", "background", "dropDups"})
EXPIRY = "expireAfterSeconds"
_NEVER = 2147483647  # servers since 5.0.14 store this instead of NaN
_CAPPED_UNIT = 256  # the size of a capped collection is rounded up to a multiple of so many bytes

_AS_SENT: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_MS
)


@dataclass(frozen=True, slots=True)
class Making:
    """A command that makes a collection, view or index, and its modern form if the definition is old."""

    command: Mapping[str, Any]
    instead: Mapping[str, Any] | None = None  # the modern form, to try if `command` is refused
    remarks: tuple[str, ...] = ()  # what `instead` leaves out, in words
    index: str | None = None  # the name of the index that is made; None for a collection and its own expiry


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands for one collection. Order: `create`, documents, `indexes`, comparison, `expiry`.

    `expiry` comes last because the server may then delete documents at once.
    """

    create: Making
    indexes: tuple[Making, ...]
    expiry: tuple[Making, ...]


def commands(item: Collection, name: str) -> Commands:
    """Return the commands that make `item` under `name`."""
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
    """Return the collection without these indexes; `names=None`: without all but those that belong to its creation.

    None among the names means the expiry of a time series or a clustered collection, which needs no index.
    """

    def goes(index: bytes) -> bool:
        if names is not None:
            return index_name(index) in names
        return index_name(index) != ID_INDEX and not _is_clustered(index)

    options = _without(item.options, frozenset({EXPIRY})) if names and None in names else item.options
    return replace(item, options=options, indexes=tuple(index for index in item.indexes if not goes(index)))


def count_indexes(item: Collection) -> int:
    """The number of indexes that a restore builds: all but the one on `_id`."""
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
    """The `idIndex` field of `create`: an `_id` index with options, such as a collation, can only be made by that command."""
    if item.kind is not CollectionKind.COLLECTION:
        return {}
    found = [index for index in item.indexes if index_name(index) == ID_INDEX and not _is_clustered(index)]
    if not found or not fields(found[0]).keys() - _ORDINARY_ID_INDEX:
        return {}
    return {"idIndex": RawBSONDocument(_without(found[0], frozenset({"ns", "unique"})))}


def _is_clustered(index: bytes) -> bool:
    return is_true(fields(index).get("clustered"))


def _values(options: Iterable[Element]) -> dict[str, Any]:
    """Decode options to fields of a command. Embedded documents stay raw."""
    return dict(RawBSONDocument(joined(options), _AS_SENT).items())


def _without(document: bytes, names: frozenset[str]) -> bytes:
    return joined(one for one in elements(document) if one.name.decode(errors="replace") not in names)


# -- comparison --------------------------------------------------------------------------------------------------------


def differences(wanted: Collection, held: Collection, converted: AnyCollection[str | None] = frozenset()) -> list[str]:
    """Name the options and indexes of `wanted` that `held` lacks or has with another value.

    `converted` names the indexes that were made in their modern form, with None for the collection itself.
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
    """Order views so that each comes after the view that it reads."""
    ordered: dict[str, Collection] = {}
    for name in sorted(views):
        for one in reversed(list(_line(views, name))):
            ordered.setdefault(one.name, one)
    return list(ordered.values())


def _line(views: Mapping[str, Collection], name: str) -> Iterator[Collection]:
    """Yield a view, the view that it reads, and so on; each once, even if they form a circle."""
    passed: set[str] = set()
    while name in views and name not in passed:
        passed.add(name)
        yield views[name]
        name = view_source(views[name])
