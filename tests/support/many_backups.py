"""A long history out of one real backup: valid files, as if it had been made again and again."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from sidecar.archive import manifest as metadata
from sidecar.model import BackupId, Manifest


def repeat(directory: Path, made: dict[str, Any], moments: Iterable[datetime], **changes: Any) -> list[str]:
    """Write the backup whose metadata is `made` once more for each of `moments`, with `changes` of its metadata; the new ids."""
    original = Manifest.model_validate(made)
    content = (directory / original.filename).read_bytes()
    return [_write(directory, original, content, moment, changes) for moment in moments]


def _write(directory: Path, original: Manifest, content: bytes, moment: datetime, changes: dict[str, Any]) -> str:
    made = BackupId.at(original.backup_id.rsplit("_", 2)[0], moment)
    data = content.replace(original.backup_id.encode(), str(made).encode(), 1)
    own = {
        "backup_id": str(made),
        "filename": made.data_name,
        "timestamp": moment,
        "checksum": hashlib.sha256(data).hexdigest(),
        "file_size_bytes": len(data),
    }
    (directory / made.data_name).write_bytes(data)
    (directory / made.metadata_name).write_bytes(metadata.to_bytes(original.model_copy(update=own | changes)))
    return str(made)
