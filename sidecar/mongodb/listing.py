"""What a server lists: collections and indexes, as raw BSON, in memory that is bounded whatever it answers."""

from collections.abc import Mapping
from typing import Any, Final

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.errors import InvalidName

from sidecar.archive.bson import Element
from sidecar.archive.definition import DOCUMENT, EMPTY, fields, text
from sidecar.errors import SourceError
from sidecar.model import Collection, CollectionKind
from sidecar.mongodb.reader import close, next_of
from sidecar.rules.names import is_system

MOST_ROWS = 100_000
MOST_BYTES = 128 << 20

_RAW: Final[CodecOptions[RawBSONDocument]] = CodecOptions(document_class=RawBSONDocument)
_BINARY: Final = 0x05


class Listing(dict[str, Collection]):
    """Collections by name in order. `unreadable` are those that cannot be read, each with the reason."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: dict[str, str] = {}


async def rows(handle: Any, command: Mapping[str, object]) -> list[bytes]:
    """All rows of a listing. Raises SourceError where there is no end of them, and what the driver raises."""
    found: list[bytes] = []
    size = 0
    # Options given to `cursor_command` hold for its first reply only, those of the database for all of them.
    cursor = await handle.with_options(codec_options=_RAW).cursor_command(dict(command), codec_options=_RAW)
    try:
        while (row := await next_of(cursor)) is not None:
            found.append(bytes(row.raw))
            size += len(found[-1])
            if len(found) > MOST_ROWS or size > MOST_BYTES:
                raise SourceError(
                    f"{next(iter(command))} has given {len(found):,} entries of {size >> 20} MiB and no end: "
                    f"at most {MOST_ROWS:,} and {MOST_BYTES >> 20} MiB are taken"
                )
    finally:
        await close(cursor)
    return found


def collections(handle: Any, listed: list[bytes]) -> Listing:
    """Everything but `system.*`. Raises SourceError for a reply that cannot be understood."""
    found: dict[str, Collection | str] = {}
    for row in listed:
        name, described = _described(handle, row)
        if name in found:
            raise SourceError(f"listing the collections: {name} is listed twice")
        if not is_system(name):
            found[name] = described
    listing = Listing()
    for name in sorted(found):
        described = found[name]
        if isinstance(described, Collection):
            listing[name] = described
        else:
            listing.unreadable[name] = described
    return listing


def _described(handle: Any, row: bytes) -> tuple[str, Collection | str]:
    """The name of a collection, and what it is or why it cannot be read."""
    has = fields(row)
    name, kind, options = text(has.get("name")), text(has.get("type")), has.get("options")
    if name is None:
        raise SourceError("listing the collections: an entry has no name")
    if options is not None and options.kind != DOCUMENT:
        raise SourceError(f"listing the collections: the options of {name} are no document")
    if (reason := _unreadable(handle, name, has["name"], kind)) is not None:
        return name, reason
    return name, Collection(name, CollectionKind(kind or "collection"), _uuid(has), options.value if options else EMPTY)


def _unreadable(handle: Any, name: str, field: Element, kind: str | None) -> str | None:
    if name.encode(errors="replace") != field.value[4:-1]:
        return "its name is not UTF-8"
    if kind not in (None, *CollectionKind):
        return f"it is a {kind!r}: expected a collection, a view or a time series"
    try:
        handle[name]
    except InvalidName as error:
        return f"the driver cannot address it: {error}"
    return None


def _uuid(row: Mapping[str, Element]) -> bytes | None:
    info = row.get("info")
    found = fields(info.value).get("uuid") if info is not None and info.kind == DOCUMENT else None
    return found.value[5:] if found is not None and found.kind == _BINARY else None
