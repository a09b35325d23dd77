"""Batches as they came from the wire.

PyMongo's raw-batch cursor makes an object of every document of a reply and throws them away again: two thirds of what a
plain read costs. This module builds the same result from the bytes of the reply, and copies them once.
"""

import struct
from collections.abc import Callable
from typing import Any, Final

import bson
from bson import raw_bson

from sidecar.archive.bson import value_end
from sidecar.archive.definition import ARRAY, DOCUMENT

_CURSOR: Final = frozenset({b"cursor"})
_BATCHES: Final = frozenset({b"firstBatch", b"nextBatch"})
_LONGEST_NAME: Final = 64  # of a field of a reply
_INT32: Final = struct.Struct("<i")


def leave_documents_closed(cursor: Any) -> None:
    """Make a Motor cursor over raw batches use the short way. A driver with other internals keeps its own, slower way."""
    inner = getattr(cursor, "delegate", None)
    unpack: Callable[..., Any] | None = getattr(inner, "_unpack_response", None)
    if inner is None or unpack is None:
        return

    def unpacked(response: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return [_with_batch_closed(response.payload_document)]
        except (AttributeError, TypeError, LookupError, ValueError, struct.error):  # another PyMongo, or no batch in it
            return unpack(response, *args, **kwargs)

    inner._unpack_response = unpacked  # noqa: SLF001 - there is no other way in


def _with_batch_closed(payload: Any) -> dict[str, Any]:
    """Return a reply as the driver would: its batch is a list with all documents as one `bytes`, or an empty one.

    Raises ValueError, LookupError, struct.error where the reply is not as expected.
    """
    _, cursor, reply = _cut(memoryview(payload), DOCUMENT, _CURSOR)
    name, batch, rest = _cut(cursor, ARRAY, _BATCHES)
    documents = _documents_of(batch)
    return reply | {"cursor": rest | {name: [documents] if documents else []}}


def _cut(document: memoryview, kind: int, names: frozenset[bytes]) -> tuple[str, memoryview, dict[str, Any]]:
    """Cut out the one field that has this type and one of these names. Return its name, its value, and the other fields."""
    begin = _INT32.size
    while True:
        head = bytes(document[begin : begin + _LONGEST_NAME])
        name = head[1 : head.index(0, 1)]
        value = begin + len(name) + 2
        end = value_end(document, head[0], value)
        if end >= len(document):
            raise ValueError("a field that is longer than its document")
        if name in names:
            break
        begin = end
    rest = b"".join((_INT32.pack(len(document) - end + begin), document[4:begin], document[end:]))
    options: Any = raw_bson._RAW_ARRAY_BSON_OPTIONS  # noqa: SLF001 - its documents keep arrays as bytes
    others = dict(options.document_class(rest, options).items())
    if head[0] != kind or not _is_whole(document) or not names.isdisjoint(map(str.encode, others)):
        raise ValueError(f"expected one field {name!r} of type {kind:#04x}")
    return name.decode(), document[value:end], others


def _is_whole(document: memoryview) -> bool:
    return value_end(document, DOCUMENT, 0) == len(document)


def _documents_of(array: memoryview) -> bytes:
    """Return the documents of an array one after the other.

    A large document is alone in its batch: its bytes are copied once, and not twice as the driver would.
    """
    head = bytes(array[4 : 4 + _LONGEST_NAME])
    one = array[4 + head.index(0, 1) + 1 : -1] if head[0] == DOCUMENT else array[:0]
    if len(one) > _INT32.size and _is_whole(one) and array[-1] == one[-1] == 0:
        return bytes(one)
    return bytes(bson._array_of_documents_to_buffer(array))  # noqa: SLF001 - as the driver does
