"""What a server lists."""

from dataclasses import dataclass
from enum import StrEnum


class CollectionKind(StrEnum):
    """The `type` of MongoDB's listCollections reply."""

    COLLECTION = "collection"
    VIEW = "view"
    TIMESERIES = "timeseries"


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection, view or time series as listCollections and listIndexes describe it; options and indexes are raw BSON."""

    name: str
    kind: CollectionKind
    uuid: bytes | None
    options: bytes
    indexes: tuple[bytes, ...] = ()

    @property
    def holds_documents(self) -> bool:
        return self.kind is not CollectionKind.VIEW
