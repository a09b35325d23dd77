"""Batches as they came from the wire.

PyMongo's raw-batch cursor makes an object of every document of a reply and throws them away again: two thirds of what a
plain read costs. What it makes of a reply in the end is made here of the reply's own bytes, and these are copied once.
"""

import struct
from collections.abc import Callable
from typing import Any, Final

import bson
from bson import raw_bson

from sidecar.archive.bson import value_end

_BATCHES: Final = (b"firstBatch", b"nextBatch")
_ARRAY: Final = 0x04
_BEFORE_ONE: Final = b"\x030\0"  # in an array with one document: its type and its name
_LONGEST_NAME: Final = 64  # of a field of a cursor
_INT32: Final = struct.Struct("<i")


def leave_documents_closed(cursor: Any) -> None:
    """Of a Motor cursor over raw batches. Where the driver is built in another way than we know, it stays as slow as it is."""
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
    """A reply as the driver would have it: its batch is a list with all documents as one `bytes`, or an empty one."""
    options: Any = raw_bson._RAW_ARRAY_BSON_OPTIONS  # noqa: SLF001 - its documents keep arrays as bytes
    reply = dict(options.document_class(payload, options).items())
    cursor = memoryview(reply["cursor"].raw)
    begin, value, end = _batch_in(cursor)
    name = bytes(cursor[begin + 1 : value - 1]).decode()
    rest = b"".join((_INT32.pack(len(cursor) - end + begin), cursor[4:begin], cursor[end:]))
    documents = _documents_of(cursor[value:end])
    reply["cursor"] = dict(options.document_class(rest, options).items()) | {name: [documents] if documents else []}
    return reply


def _batch_in(cursor: memoryview) -> tuple[int, int, int]:
    """Where the batch begins, its value begins, and it ends. Raises ValueError, LookupError where there is none."""
    begin = _INT32.size
    while True:
        head = bytes(cursor[begin : begin + _LONGEST_NAME])
        name_end = head.index(0, 1)
        value = begin + name_end + 1
        end = value_end(cursor, head[0], value)
        if end >= len(cursor):
            raise ValueError("a field that is longer than the cursor")
        if head[0] == _ARRAY and head[1:name_end] in _BATCHES:
            return begin, value, end
        begin = end


def _documents_of(array: memoryview) -> bytes:
    """The documents of an array one after the other; a large one is alone in its batch, and its bytes are copied as they are."""
    one = array[_INT32.size + len(_BEFORE_ONE) : -1]
    is_alone = bytes(array[_INT32.size :][: len(_BEFORE_ONE)]) == _BEFORE_ONE and _INT32.unpack_from(one)[0] == len(one)
    return bytes(one) if is_alone else bytes(bson._array_of_documents_to_buffer(array))  # noqa: SLF001 - as the driver does
