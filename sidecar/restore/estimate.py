"""The estimated duration of a restore: the size of its backup times the seconds that the last drill took for each byte."""

import json
from contextlib import suppress
from pathlib import Path

from sidecar.errors import SidecarError, StorageError
from sidecar.model import Manifest
from sidecar.restore.restore import Order
from sidecar.store.durable import note, publish
from sidecar.store.lock import DIRECTORY
from sidecar.store.verify import read_manifest

MEASURE = ".measure"  # a name in the directory of locks


def estimated_seconds(root: Path, order: Order) -> float | None:
    """The estimate for this restore; None if no drill was measured yet, or the measure or the backup is unreadable."""
    try:
        measured = json.loads(note(root / DIRECTORY / MEASURE))
        manifest = read_manifest(order.store, order.backup_id)
        return round(manifest.text_bytes * float(measured["seconds_per_byte"]), 1)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, SidecarError):
        return None


def note_measure(root: Path, manifest: Manifest, seconds: float) -> None:
    """Store how long the drill of this backup took."""
    measured = {"backup_id": manifest.backup_id, "seconds_per_byte": seconds / max(manifest.text_bytes, 1)}
    with suppress(StorageError):  # only an estimate
        publish(root / DIRECTORY / MEASURE, json.dumps(measured).encode())
