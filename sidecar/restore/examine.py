"""Find documents of a backup that would break a unique index, and documents that would expire at once. In constant memory.

These are warnings before a restore. Documents and indexes that cannot be examined are counted and left to the server: nothing
here declares a backup bad.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sidecar.archive.bson import split
from sidecar.archive.definition import DATE, ID_INDEX, exact_number, fields, index_key, index_name, is_true, number
from sidecar.archive.values import Names, index_key_of, index_keys
from sidecar.model import Collection, documents_in_words
from sidecar.store.spill import Spill

_NOT_EXAMINED = ("collation", "partialFilterExpression")  # only the server knows which keys are equal under these
_ADD = "INSERT OR IGNORE INTO keys VALUES (?, ?, ?)"


class Examination:
    """Takes every document of one collection by `add`, then tells its `findings`.

    Index keys are kept in a file below `directory`, or in memory if that is None.
    """

    def __init__(self, item: Collection, now: datetime, directory: Path | None) -> None:
        indexes = [index for raw in item.indexes if (index := _Index.of(raw)) is not None]
        self._unique = [index for index in indexes if index.is_unique and index.name != ID_INDEX]
        self._examined = [index for index in self._unique if index.is_plain]
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
        if self._examined or self._expiries:
            self._keys.add(_ADD, (row for document in split(documents) for row in self._rows(document)))

    def _rows(self, document: bytes) -> list[tuple[str, bytes, int]]:
        self._documents += 1
        number = self._documents
        try:
            rows = [(index.name, key, number) for index in self._examined for key in index.unique_keys(document)]
            self._expired += any(expiry.has_passed(document) for expiry in self._expiries)
        except (ValueError, IndexError, RecursionError):  # malformed, or refused by every server
            self._unreadable += 1
            return []
        return rows

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
        return found + [
            f"the unique index {index.name} cannot be checked in advance: the server decides when it builds it"
            for index in self._unique
            if not index.is_plain
        ]


@dataclass(frozen=True, slots=True)
class _Index:
    """The definition of an index, as far as it matters here."""

    name: str
    paths: tuple[Names, ...]
    is_unique: bool
    is_sparse: bool
    is_plain: bool  # its keys can be computed here, without the server
    expires_after: float | None  # seconds

    @classmethod
    def of(cls, raw: bytes) -> Self | None:
        """Read a definition; None if it has no name or no key, which the server will judge."""
        try:
            has, name, key = fields(raw), index_name(raw), index_key(raw)
        except (ValueError, IndexError):
            return None
        paths = tuple(tuple(part.name.split(b".")) for part in key)
        is_ordered = all(exact_number(part) is not None for part in key)  # not "2dsphere", "text" and the like
        names_position = any(name.isdigit() for path in paths for name in path)
        return cls(
            name,
            paths,
            is_unique=is_true(has.get("unique")),
            is_sparse=is_true(has.get("sparse")),
            is_plain=is_ordered and not names_position and has.keys().isdisjoint(_NOT_EXAMINED),
            expires_after=number(has.get("expireAfterSeconds")),
        )

    def unique_keys(self, document: bytes) -> Iterator[bytes]:
        """The keys that the index would hold for a document: several if a field is an array."""
        return map(index_key_of, index_keys(document, self.paths, is_sparse=self.is_sparse))


@dataclass(frozen=True, slots=True)
class _Expiry:
    """A TTL index: it deletes a document some time after a date that the document holds."""

    paths: tuple[Names, ...]
    before_ms: float  # documents with an earlier date have expired; milliseconds since 1970

    @classmethod
    def of(cls, index: _Index, now: datetime) -> Self | None:
        """The expiry of an index; None if the index expires nothing, or in a way that only the server understands."""
        seconds = index.expires_after
        if seconds is None or not math.isfinite(seconds) or len(index.paths) != 1:
            return None
        return cls(index.paths, now.astimezone(UTC).timestamp() * 1000 - 1000 * seconds)

    def has_passed(self, document: bytes) -> bool:
        """Whether the server would delete the document now: of several dates in an array, the earliest counts."""
        found = [key for (key,) in index_keys(document, self.paths) if key is not None and key.kind == DATE]
        return any(int.from_bytes(date.value, "little", signed=True) < self.before_ms for date in found)
