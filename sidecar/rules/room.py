"""How much space a backup needs and whether there is enough. A run and the metric that warns use the same rule. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from sidecar.model import Manifest, size

GROWTH = 1.1  # a set grows a little from one backup to the next
TEXT_PER_BSON = 2.5  # bytes of a backup per byte of BSON, if there is no earlier backup of the set to measure


@dataclass(frozen=True, slots=True)
class RoomNeeded:
    """The space that must be free for a backup: the minimum that must stay free, and the backup's predicted size."""

    minimum_bytes: int
    predicted_bytes: int

    @property
    def needed_bytes(self) -> int:
        return self.minimum_bytes + self.predicted_bytes

    def shortage(self, free_bytes: int, where: str) -> str | None:
        """Which space is missing, in words; None if there is enough."""
        if free_bytes >= self.needed_bytes:
            return None
        amounts = (free_bytes, self.needed_bytes, self.minimum_bytes, self.predicted_bytes)
        free, needed, minimum, predicted = map(size, amounts)
        return f"{free} are free in {where}, {needed} are needed: {minimum} must stay free, the backup takes about {predicted}"


def predicted_bytes(data_bytes: int, stored_per_bson: float) -> int:
    """The predicted size of a backup of so much BSON."""
    return int(data_bytes * stored_per_bson)


def stored_per_bson(manifests: Iterable[Manifest], *, compressed: bool) -> float:
    """The bytes of a backup per byte of BSON, measured by the first of these manifests that has documents."""
    for manifest in manifests:
        if bson_bytes := sum(detail.bson_bytes for detail in manifest.collection_details.values()):
            return GROWTH * stored_bytes(manifest, compressed=compressed) / bson_bytes
    return TEXT_PER_BSON


def stored_bytes(manifest: Manifest, *, compressed: bool) -> int:
    """The size of this backup with today's compression setting. If it was switched on since, the size is overestimated."""
    return manifest.file_size_bytes if compressed else manifest.text_bytes


def required_bytes(rooms: Iterable[RoomNeeded], draft_bytes: int) -> int:
    """The space that must be free for the next backup of any set, minus what running backups already take."""
    return max(max((room.needed_bytes for room in rooms), default=0) - draft_bytes, 0)
