"""Read the server's lists of collections and indexes as raw BSON, with a limit on their size."""

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
    """Collections ordered by name. `unreadable` names the collections that cannot be read, with the reason."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: dict[str, str] = {}


async def rows(handle: Any, command: Mapping[str, object]) -> list[bytes]:
    """Return all rows of a list. Raises SourceError if there are too many, and the driver's errors."""
    found: list[bytes] = []
    size = 0
    # `cursor_command` uses its own options for the first reply only, and those of the database for the others.
    cursor = await handle.with_options(codec_options=_RAW).cursor_command(dict(command), codec_options=_RAW)
    try:
        while (row := await next_of(cursor)) is not None:
            found.append(bytes(row.raw))
            size += len(found[-1])
            if len(found) > MOST_ROWS or size > MOST_BYTES:
                raise SourceError(
                    f"{next(iter(command))} returned {len(found):,} entries of {size >> 20} MiB without an end: "
                    f"expected at most {MOST_ROWS:,} entries and {MOST_BYTES >> 20} MiB"
                )
    finally:
        await close(cursor)
    return found


def collections(handle: Any, listed: list[bytes]) -> Listing:
    """Parse the rows of listCollections, except `system.*`. Raises SourceError for a row that cannot be understood."""
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
    """The name of a collection, and its definition or the reason why it cannot be read."""
    has = fields(row)
    name, kind, options = text(has.get("name")), text(has.get("type")), has.get("options")
    if name is None:
        raise SourceError("listing the collections: an entry has no name")
    if options is not None and options.kind != DOCUMENT:
        raise SourceError(f"listing the collections: the options of {name} are not a document")
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
