"""Stores with backups in them that are made of bytes only: for tests that do not look into the content."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sidecar.archive.manifest import to_bytes
from sidecar.archive.signing import UNSIGNED, Signing
from sidecar.model import BackupId, BackupSet, Manifest
from sidecar.store.local import LocalStore

NOW: Final = datetime(2026, 11, 24, 2, 18, 37, 500_000, tzinfo=UTC)


def store_in(directory: Path, name: str = "main", signing: Signing = UNSIGNED) -> LocalStore:
    prefix = "seed_backup" if name == "main" else f"{name}_backup"
    return LocalStore(directory, BackupSet(name=name, collections=("users",), prefix=prefix), signing=signing)


def names(store: LocalStore) -> list[str]:
    return sorted(path.name for path in store.directory.iterdir() if path.is_file())


def make(store: LocalStore, content: bytes = b"data", moment: datetime = NOW) -> BackupId:
    with store.locked("test") as lock, store.begin(lock, moment) as draft:
        draft.write(content)
        draft.commit_data()
        draft.commit(b"metadata")
        return draft.id


def manifest_of(backup_id: BackupId, content: bytes) -> Manifest:
    """Metadata that fits to a data file of these bytes."""
    return Manifest(
        backup_id=str(backup_id),
        backup_type="main" if backup_id.prefix == "seed_backup" else backup_id.prefix.removesuffix("_backup"),
        filename=backup_id.data_name,
        timestamp=backup_id.taken_at,
        checksum=hashlib.sha256(content).hexdigest(),
        checksum_algorithm="SHA256",
        file_size_bytes=len(content),
        file_size_mb=0.0,
        collections={"users": 1},
        mongo_url="localhost:27017",
        db_name="bus_tracker",
        version="3.0",
        format_version=1,
    )


def make_whole(store: LocalStore, content: bytes = b"data", moment: datetime = NOW) -> BackupId:
    """With metadata that can be read."""
    with store.locked("test") as lock, store.begin(lock, moment) as draft:
        draft.write(content)
        draft.commit_data()
        draft.commit(to_bytes(manifest_of(draft.id, content)))
        return draft.id
