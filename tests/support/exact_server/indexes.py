"""Index specifications, kept as they were sent, and what makes two of them clash."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import bson
from bson.raw_bson import RawBSONDocument

from support.exact_server.errors import CommandError
from support.exact_server.raw_bson import NULL_KEY, SortKey, body, document, elements, find_element, key_of, subdocument

_NOT_SETTINGS: Final = (b"v", b"ns", b"name", b"background")
_VERSION: Final = body(bson.encode({"v": 2}))


@dataclass(frozen=True)
class IndexSpec:
    """One document of listIndexes."""

    raw: bytes

    @classmethod
    def of(cls, raw: bytes) -> "IndexSpec":
        """Raises BadValue (2) for a specification without name or key."""
        if find_element(raw, b"name") is None or subdocument(raw, b"key") is None:
            raise CommandError(2, "an index specification needs a 'name' and a 'key'")
        return cls(raw if find_element(raw, b"v") else document(_VERSION, body(raw)))

    @cached_property
    def name(self) -> str:
        return str(RawBSONDocument(self.raw)["name"])

    @cached_property
    def key(self) -> bytes:
        return subdocument(self.raw, b"key") or b""

    @cached_property
    def settings(self) -> frozenset[bytes]:
        return frozenset(self.raw[e.start : e.end] for e in elements(self.raw) if e.name not in _NOT_SETTINGS)

    @property
    def unique_field(self) -> bytes | None:
        """The one top-level field whose values must differ; other unique indexes are kept but not enforced."""
        fields = [element.name for element in elements(self.key)]
        decoded = RawBSONDocument(self.raw)
        is_unique = fields == [b"_id"] or decoded.get("unique")
        if not is_unique or len(fields) > 1 or b"." in fields[0] or "partialFilterExpression" in decoded:
            return None
        return fields[0]

    @property
    def is_sparse(self) -> bool:
        return bool(RawBSONDocument(self.raw).get("sparse"))

    def matches_hint(self, hint: object) -> bool:
        return hint == self.name if isinstance(hint, str) else getattr(hint, "raw", None) == self.key

    def is_there_already(self, existing: "IndexSpec") -> bool:
        """Raises 85 or 86 where the two cannot exist side by side."""
        same_name, same_key = self.name == existing.name, self.key == existing.key
        if same_name and self.settings == existing.settings:
            return True
        if same_name and not same_key:
            raise CommandError(86, f"An existing index has the same name as the requested index: {self.name}")
        if same_name:
            raise CommandError(85, f"An equivalent index already exists with different options: {self.name}")
        if self.settings == existing.settings:
            raise CommandError(85, f"Index already exists with a different name: {existing.name}")
        return False


@dataclass(slots=True)
class UniqueKeys:
    """Which row holds each value of a unique index."""

    index_name: str
    path: bytes
    is_sparse: bool
    rows: dict[SortKey, int] = field(default_factory=dict)

    def key(self, raw: bytes) -> SortKey | None:
        found = key_of(raw, self.path)
        return NULL_KEY if found is None and not self.is_sparse else found
