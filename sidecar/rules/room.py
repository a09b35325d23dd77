"""How much room a backup takes and whether there is enough: one rule for the run that asks and for the gauge that warns. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from sidecar.model import Manifest, size

GROWTH = 1.1  # a set grows a little from one backup to the next
TEXT_PER_BSON = 2.5  # bytes of a backup per byte of BSON, where no earlier backup of the set tells


@dataclass(frozen=True, slots=True)
class RoomNeeded:
    """What must be free for a backup: what must stay free, and what it is predicted to take."""

    minimum_bytes: int
    predicted_bytes: int

    @property
    def needed_bytes(self) -> int:
        return self.minimum_bytes + self.predicted_bytes

    def shortage(self, free_bytes: int, where: str) -> str | None:
        """What is lacking, in words; None if there is enough."""
        if free_bytes >= self.needed_bytes:
            return None
        amounts = (free_bytes, self.needed_bytes, self.minimum_bytes, self.predicted_bytes)
        free, needed, minimum, predicted = map(size, amounts)
        return f"{free} are free in {where}, {needed} are needed: {minimum} must stay free, the backup takes about {predicted}"


def predicted_bytes(data_bytes: int, stored_per_bson: float) -> int:
    """What a backup of so much BSON takes."""
    return int(data_bytes * stored_per_bson)


def stored_per_bson(manifests: Iterable[Manifest], *, compressed: bool) -> float:
    """How much a backup takes per byte of BSON, by the first of these that tells."""
    for manifest in manifests:
        if bson_bytes := sum(detail.bson_bytes for detail in manifest.collection_details.values()):
            return GROWTH * stored_bytes(manifest, compressed=compressed) / bson_bytes
    return TEXT_PER_BSON


def stored_bytes(manifest: Manifest, *, compressed: bool) -> int:
    """What this backup would take now; where compression was switched on since, too much rather than too little."""
    return manifest.file_size_bytes if compressed else manifest.text_bytes


def required_bytes(rooms: Iterable[RoomNeeded], draft_bytes: int) -> int:
    """What must be free for the next backup of any set, less what the drafts of those under way already take."""
    return max(max((room.needed_bytes for room in rooms), default=0) - draft_bytes, 0)
