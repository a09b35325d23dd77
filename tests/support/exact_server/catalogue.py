"""Which collections there are, under which names, and since when."""

import uuid
from dataclasses import dataclass, field
from typing import Any, Final

import bson
from bson.raw_bson import RawBSONDocument

from support.exact_server.clock import ClusterClock
from support.exact_server.errors import CommandError
from support.exact_server.indexes import IndexSpec
from support.exact_server.raw_bson import EMPTY_DOCUMENT, find_element
from support.exact_server.storage import Documents

_ID_INDEX: Final = bson.encode({"v": 2, "key": {"_id": 1}, "name": "_id_"})
_DEEPEST_VIEW: Final = 20


@dataclass(frozen=True, slots=True, order=True)
class Namespace:
    db: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "Namespace":
        db, _, name = text.partition(".")
        return cls(db, name)

    def __str__(self) -> str:
        return f"{self.db}.{self.name}"


@dataclass
class Collection:
    """A collection, a time series or a view. `options` and the indexes are kept as they were sent."""

    ns: Namespace
    named_at: int
    options: bytes = EMPTY_DOCUMENT
    indexes: list[IndexSpec] = field(default_factory=list)
    uuid: bytes = field(default_factory=lambda: uuid.uuid4().bytes)
    lost_because: str = ""

    def __post_init__(self) -> None:
        self.documents = Documents(str(self.ns))
        for spec in self.indexes:
            self.documents.enforce(spec)

    def option(self, name: str, default: Any = None) -> Any:
        return RawBSONDocument(self.options).get(name, default)

    @property
    def kind(self) -> str:
        if self.option("viewOn") is not None:
            return "view"
        return "timeseries" if self.option("timeseries") is not None else "collection"

    @property
    def id_index(self) -> IndexSpec | None:
        """The `_id` index; views, time series and clustered collections have none of their own."""
        if self.option("clusteredIndex") is not None:
            return None
        return next((spec for spec in self.indexes if spec.name == "_id_"), None)

    @property
    def required_fields(self) -> list[bytes]:
        """The fields of a validator of the form {field: {$exists: true}}, if it is enforced."""
        if self.option("validationLevel") == "off" or self.option("validationAction") == "warn":
            return []
        rules = self.option("validator", {})
        return [
            name.encode() for name, rule in rules.items() if rule == RawBSONDocument(bson.encode({"$exists": True}))
        ]

    def refuse_if_view(self, command: str) -> None:
        if self.kind == "view":
            raise CommandError(166, f"Namespace {self.ns} is a view, not a collection: {command}")


class Catalogue:
    def __init__(self, clock: ClusterClock) -> None:
        self._clock = clock
        self._collections: dict[Namespace, Collection] = {}
        self._name_lost_at: dict[Namespace, int] = {}

    def databases(self) -> list[str]:
        return sorted({ns.db for ns in self._collections})

    def collections(self, db: str) -> list[Collection]:
        return [self._collections[ns] for ns in sorted(self._collections) if ns.db == db]

    def find(self, ns: Namespace) -> Collection | None:
        return self._collections.get(ns)

    def get(self, ns: Namespace) -> Collection:
        """Raises NamespaceNotFound (26)."""
        found = self._collections.get(ns)
        if found is None:
            raise CommandError(26, f"ns does not exist: {ns}")
        return found

    def get_or_create(self, ns: Namespace) -> Collection:
        return self._collections.get(ns) or self.create(ns)

    def create(self, ns: Namespace, options: bytes = EMPTY_DOCUMENT, id_index: bytes | None = None) -> Collection:
        """Raises NamespaceExists (48)."""
        if ns in self._collections:
            raise CommandError(48, f"Collection {ns} already exists.")
        indexes = _first_indexes(options, id_index)
        self._collections[ns] = Collection(ns, self._clock.tick(), options, indexes)
        return self._collections[ns]

    def drop(self, ns: Namespace) -> None:
        """Raises NamespaceNotFound (26). Cursors on the collection die."""
        self._take_name(self.get(ns), "collection dropped")

    def rename(self, source: Namespace, target: Namespace, *, drop_target: bool) -> None:
        """Raises NamespaceNotFound (26) and NamespaceExists (48). Cursors on either die."""
        renamed = self.get(source)
        renamed.refuse_if_view("renameCollection")
        if target in self._collections:
            if not drop_target:
                raise CommandError(48, "target namespace exists")
            self.drop(target)
        self._take_name(renamed, "collection renamed")
        moved = Collection(target, self._clock.tick(), renamed.options, renamed.indexes, renamed.uuid)
        moved.documents = renamed.documents
        moved.documents.ns = str(target)
        self._collections[target] = moved

    def source(self, ns: Namespace) -> Collection | None:
        """The collection that holds what can be read under `ns`: itself, or what it is a view on."""
        for _ in range(_DEEPEST_VIEW):
            found = self._collections.get(ns)
            if found is None or found.kind != "view":
                return found
            ns = Namespace(ns.db, found.option("viewOn"))
        raise CommandError(165, f"View depth too deep or view cycle detected: {ns}")

    def source_at(self, ns: Namespace, moment: int) -> Collection | None:
        """The same as of a cluster time. Raises SnapshotUnavailable (246) where the name was another's then."""
        found = self.source(ns)
        real_name = found.ns if found else ns
        if self._name_lost_at.get(real_name, 0) > moment:
            raise CommandError(246, f"Unable to read {ns} from a snapshot due to catalog changes")
        if found and found.option("capped"):  # refused before MongoDB 8.0
            raise CommandError(246, "Reading from capped collections with readConcern snapshot is not supported")
        return found if found and found.named_at <= moment else None

    def _take_name(self, collection: Collection, because: str) -> None:
        del self._collections[collection.ns]
        collection.lost_because = because
        self._name_lost_at[collection.ns] = self._clock.tick()


def _first_indexes(options: bytes, id_index: bytes | None) -> list[IndexSpec]:
    if find_element(options, b"viewOn") or find_element(options, b"timeseries"):
        return []
    clustered: RawBSONDocument | None = RawBSONDocument(options).get("clusteredIndex")
    if clustered is not None:
        listed = {"v": 2, "key": {"_id": 1}, "name": clustered.get("name", "_id_"), "unique": True, "clustered": True}
        return [IndexSpec(bson.encode(listed))]
    return [IndexSpec.of(id_index or _ID_INDEX)]
