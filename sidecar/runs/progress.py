"""The progress of a run: documents, bytes, rate and estimated time left."""

import time
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from sidecar.errors import SidecarError
from sidecar.events import Progressed


class Snapshot(BaseModel):
    """The progress at one moment. Bytes are those of BSON, or of the file while a checksum is computed."""

    model_config = ConfigDict(frozen=True)

    action: str | None
    collection: str | None
    documents: int
    bytes: int
    expected_documents: int | None
    bytes_per_second: float
    remaining_seconds: float | None


@dataclass(slots=True)
class Progress:
    """Listens to one run from any thread, and stops the run at its next step once `cancelled` is set."""

    expected_documents: int = 0  # of the whole run, 0 if unknown
    cancelled: SidecarError | None = None  # the reason to stop
    _began: float = field(default_factory=time.monotonic)
    _latest: Progressed | None = None
    _collections: dict[tuple[str, str], Progressed] = field(default_factory=dict)

    def __call__(self, event: Progressed) -> None:
        if self.cancelled is not None:
            raise self.cancelled
        self._collections[event.action, event.collection] = event
        self._latest = event

    def snapshot(self) -> Snapshot:
        now = self._latest
        same = [event for event in list(self._collections.values()) if now is not None and event.action == now.action]
        documents, size = sum(event.documents for event in same), sum(event.bson_bytes for event in same)
        seconds = max(time.monotonic() - self._began, 1e-3)
        expected = max(self.expected_documents, sum(event.expected_documents for event in same)) or None
        is_known = expected is not None and documents > 0
        return Snapshot(
            action=now.action if now else None,
            collection=now.collection if now and now.collection else None,
            documents=documents,
            bytes=size,
            expected_documents=expected,
            bytes_per_second=round(size / seconds, 1),
            remaining_seconds=round(seconds * max(expected - documents, 0) / documents, 1)
            if is_known and expected
            else None,
        )
