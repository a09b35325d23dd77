"""Which documents of a backup are equal on a unique key, and which would expire at once. In constant memory."""

import itertools
import math
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.errors import BSONError

from sidecar.archive.bson import split
from sidecar.model import Collection

_PLAIN: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS, unicode_decode_error_handler="replace"
)
_NOT_EXAMINED = ("collation", "partialFilterExpression")  # only the server knows what these make equal


class Examination:
    """Feed it every document of one collection, then ask for `findings`."""

    def __init__(self, item: Collection, now: datetime) -> None:
        indexes = [bson.decode(raw, _PLAIN) for raw in item.indexes]
        self._unique = [index for index in indexes if index.get("unique") and index["name"] != "_id_"]
        self._examined = [index for index in self._unique if not any(key in index for key in _NOT_EXAMINED)]
        self._expiring = [index for index in indexes if "expireAfterSeconds" in index]
        self._now_ms = int(now.astimezone(UTC).timestamp() * 1000)
        self._expired = 0
        self._unreadable = 0
        self._keys = sqlite3.connect("", check_same_thread=False)  # a private temporary file that SQLite removes
        self._keys.execute("PRAGMA journal_mode = OFF")
        self._keys.execute("CREATE TABLE keys (name TEXT, key BLOB, document INTEGER, UNIQUE (name, key, document))")
        self._documents = 0

    def close(self) -> None:
        self._keys.close()

    def add(self, documents: bytes) -> None:
        if not (self._examined or self._expiring):
            return
        for raw in split(documents):
            self._documents += 1
            try:
                document = bson.decode(raw, _PLAIN)
            except BSONError:
                self._unreadable += 1
                continue
            self._expired += any(self._is_expired(index, document) for index in self._expiring)
            rows = [(index["name"], key, self._documents) for index in self._examined for key in _keys(index, document)]
            self._keys.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)", rows)

    def _is_expired(self, index: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
        (path, *others) = index["key"]
        dates = [int(value) for value in _values(document, path.split(".")) if isinstance(value, DatetimeMS)]
        return not others and bool(dates) and min(dates) + 1000 * index["expireAfterSeconds"] < self._now_ms

    def findings(self) -> list[str]:
        """In words; nothing where all is well."""
        repeated = "SELECT name, count(*) AS n FROM keys GROUP BY name, key HAVING n > 1"
        query = f"SELECT name, sum(n - 1) FROM ({repeated}) GROUP BY name"  # noqa: S608 - a constant
        found = [
            f"{repeats:,} documents have a key of the unique index {name} that another one has: it cannot be built"
            for name, repeats in self._keys.execute(query)
        ]
        if self._expired:
            found.append(
                f"{self._expired:,} documents are past their expiry: the server will delete them within a minute"
            )
        if self._unreadable:
            found.append(f"{self._unreadable:,} documents could not be examined")
        unknown = [index["name"] for index in self._unique if index not in self._examined]
        return found + [f"the unique index {name} was not examined: only the server can" for name in unknown]


def _keys(index: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[bytes]:
    """What the index would hold for a document: several keys where a field is an array."""
    fields = [list(_values(document, path.split("."))) for path in index["key"]]
    if index.get("sparse") and not any(fields):
        return
    for values in itertools.product(*(found or [None] for found in fields)):
        yield b"".join(_canonical(value) for value in values)


def _values(value: Any, path: list[str]) -> Iterator[Any]:
    """What a dotted path leads to, through arrays as MongoDB goes through them."""
    if isinstance(value, list):
        for element in value:
            if path or not isinstance(element, list):
                yield from _values(element, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _values(value[path[0]], path[1:])


def _canonical(value: Any) -> bytes:
    """Equal for what the server takes for equal: numbers of any type are."""
    if isinstance(value, Decimal128):
        value = value.to_decimal()
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if is_number and math.isfinite(value):
        ratio = value.as_integer_ratio()
        return b"n%d/%d;" % ratio
    return bson.encode({"": str(value) if is_number else value})
