"""Find documents of a backup that would break a unique index, and documents that would expire at once. In constant memory.

These are warnings before a restore. Documents and indexes that cannot be examined are counted and left to the server: nothing
here declares a backup bad.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.errors import BSONError

from sidecar.archive.bson import split
from sidecar.model import Collection, documents_in_words
from sidecar.store.spill import Spill

_PLAIN: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS, unicode_decode_error_handler="replace"
)
_NOT_EXAMINED = ("collation", "partialFilterExpression")  # only the server knows which keys are equal under these


class Examination:
    """Takes every document of one collection by `add`, then tells its `findings`.

    Index keys are kept in a file below `directory`, or in memory if that is None.
    """

    def __init__(self, item: Collection, now: datetime, directory: Path | None) -> None:
        indexes = [index for raw in item.indexes if (index := _decoded(raw)) is not None]
        self._unique = [str(index["name"]) for index in indexes if index.get("unique") and index["name"] != "_id_"]
        examined = [index for index in indexes if not any(key in index for key in _NOT_EXAMINED)]
        self._examined = [index for index in examined if str(index["name"]) in self._unique]
        self._expiries = [found for index in indexes if (found := _Expiry.of(index, now)) is not None]
        self._expired = 0
        self._unreadable = 0
        self._documents = 0
        self._keys = Spill(directory, "keys (name TEXT, key BLOB, document INTEGER, UNIQUE (name, key, document))")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keys.__exit__(kind, error, trace)

    def add(self, documents: bytes) -> None:
        """Examine concatenated BSON documents of the collection."""
        if not (self._examined or self._expiries):
            return
        for raw in split(documents):
            self._documents += 1
            try:
                document: dict[str, Any] = bson.decode(raw, _PLAIN)
                is_expired, rows = self._looked_at(document)
            except Exception:  # noqa: BLE001 - a value that Python or PyMongo cannot take is no fault of the backup
                self._unreadable += 1
                continue
            self._expired += is_expired
            self._keys.add("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)", rows)

    def _looked_at(self, document: dict[str, Any]) -> tuple[bool, list[tuple[str, bytes, int]]]:
        is_expired = any(expiry.has_passed(document) for expiry in self._expiries)
        number = self._documents
        return is_expired, [
            (str(index["name"]), key, number) for index in self._examined for key in _keys(index, document)
        ]

    def findings(self) -> list[str]:
        """The warnings in words; an empty list if there are none."""
        repeated = self._keys.rows("SELECT name, count(*) AS n FROM keys GROUP BY name, key HAVING n > 1")
        repeats: Counter[str] = Counter()
        for name, count in repeated:
            repeats[name] += count - 1
        found = [
            f"{documents_in_words(count)} with a key of the unique index {name} that another document has: it cannot be built"
            for name, count in sorted(repeats.items())
        ]
        if self._expired:
            found.append(
                f"the server will delete {documents_in_words(self._expired)} within a minute: past the expiry date"
            )
        if self._unreadable:
            found.append(
                f"{documents_in_words(self._unreadable)} could not be checked in advance: the server decides on the insert"
            )
        examined = {str(index["name"]) for index in self._examined}
        unknown = [name for name in self._unique if name not in examined]
        return found + [
            f"the unique index {name} cannot be checked in advance: the server decides when it builds it"
            for name in unknown
        ]


@dataclass(frozen=True, slots=True)
class _Expiry:
    """A TTL index: it deletes a document some time after a date that the document holds."""

    path: tuple[str, ...]
    before_ms: float  # documents with an earlier date have expired; milliseconds since 1970

    @classmethod
    def of(cls, index: Mapping[str, Any], now: datetime) -> Self | None:
        """The expiry of an index; None if the index expires nothing, or in a way that only the server understands."""
        seconds, fields = _number(index.get("expireAfterSeconds")), list(index["key"])
        if seconds is None or len(fields) != 1:
            return None
        return cls(tuple(fields[0].split(".")), now.astimezone(UTC).timestamp() * 1000 - 1000 * seconds)

    def has_passed(self, document: Mapping[str, Any]) -> bool:
        """Whether the server would delete the document now."""
        dates = [int(value) for value in _values(document, list(self.path)) if isinstance(value, DatetimeMS)]
        return bool(dates) and min(dates) < self.before_ms


def _number(value: Any) -> float | None:
    """The value as a float; None if it is no number or not finite."""
    if isinstance(value, Decimal128):
        value = value.to_decimal()
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return float(value) if is_number and _is_finite(value) else None


def _decoded(raw: bytes) -> dict[str, Any] | None:
    """The definition of an index; None if it has no name or no key, which the server will judge."""
    try:
        index = bson.decode(raw, _PLAIN)
    except (BSONError, ValueError):
        return None
    return index if "name" in index and isinstance(index.get("key"), Mapping) else None


def _keys(index: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[bytes]:
    """The keys that the index would hold for a document: several if a field is an array."""
    fields = [list(_values(document, path.split("."))) for path in index["key"]]
    if index.get("sparse") and not any(fields):
        return
    for values in itertools.product(*(found or [None] for found in fields)):
        yield b"".join(_canonical(value) for value in values)


def _values(value: Any, path: list[str]) -> Iterator[Any]:
    """The values at a dotted path; like MongoDB, it looks into the elements of arrays."""
    if isinstance(value, list):
        for element in value:
            if path or not isinstance(element, list):
                yield from _values(element, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _values(value[path[0]], path[1:])


def _canonical(value: Any) -> bytes:
    """Bytes that are equal where a unique index takes two values for equal, also for numbers of different types."""
    if isinstance(value, Decimal128):
        value = value.to_decimal()
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return bson.encode({"": value})
    if _is_finite(value):
        return b"n%x/%x;" % value.as_integer_ratio()  # hexadecimal, for which no number has too many digits
    if value.is_nan() if isinstance(value, Decimal) else math.isnan(value):
        return b"nNaN;"
    return b"nInfinity;" if value > 0 else b"n-Infinity;"


def _is_finite(value: float | Decimal) -> bool:
    return value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)
