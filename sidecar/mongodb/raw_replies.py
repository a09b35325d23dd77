"""Batches as they came from the wire.

PyMongo's raw-batch cursor makes an object of every document of a reply and throws them away again: two thirds of what a
plain read costs. Asked the same thing of a reply whose arrays are left closed, it gives the same answer.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bson import raw_bson


def leave_documents_closed(cursor: Any) -> None:
    """Of a Motor cursor over raw batches. Where the driver is built in another way than we know, it stays as slow as it is."""
    inner = getattr(cursor, "delegate", None)
    unpack: Callable[..., Any] | None = getattr(inner, "_unpack_response", None)
    if inner is None or unpack is None:
        return

    def unpacked(response: Any, *args: Any, **kwargs: Any) -> Any:
        return unpack(_Closed(response), *args, **kwargs)

    inner._unpack_response = unpacked  # noqa: SLF001 - there is no other way in


class _Closed:
    """A reply, as far as a raw-batch cursor asks it anything."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    def raw_response(self, cursor_id: int | None = None, user_fields: Mapping[str, Any] | None = None) -> list[Any]:
        try:
            options: Any = raw_bson._RAW_ARRAY_BSON_OPTIONS  # noqa: SLF001 - its documents keep arrays as bytes
            reply = dict(options.document_class(self._response.payload_document, options).items())
            for name in user_fields or ():  # the cursor; the driver itself would copy it once more for what is in it
                reply[name] = dict(reply[name].items())
        except (AttributeError, TypeError, KeyError):  # another PyMongo, or a reply of an error
            return list(self._response.raw_response(cursor_id, user_fields))
        else:
            return [reply]
