"""How long a restore will take: by the time that the last drill took for each byte of its backup."""

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
    """None before there was a drill."""
    try:
        measured = json.loads(note(root / DIRECTORY / MEASURE))
        manifest = read_manifest(order.store, order.backup_id)
        return round(manifest.text_bytes * float(measured["seconds_per_byte"]), 1)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, SidecarError):
        return None


def note_measure(root: Path, manifest: Manifest, seconds: float) -> None:
    """Remember how long the drill of this backup took."""
    measured = {"backup_id": manifest.backup_id, "seconds_per_byte": seconds / max(manifest.text_bytes, 1)}
    with suppress(StorageError):  # only an estimate
        publish(root / DIRECTORY / MEASURE, json.dumps(measured).encode())
