"""Backups that the application made before there was a sidecar: version 2.0 of the users' specification."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import BackupInvalid
from sidecar.model import VERIFIED, BackupId
from sidecar.store.deep import verify_deep
from sidecar.store.verify import verify
from support.rig import CODEC, rig
from support.servers import ServerProcess

ID = "seed_backup_20251117_150530"
USERS = [
    {"_id": "u1", "name": "Ada", "created": {"$date": "2025-11-17T15:05:30Z"}},
    {"_id": {"$oid": "507f1f77bcf86cd799439011"}},
]


def write_legacy(directory: Path, content: dict[str, Any], counts: dict[str, int]) -> BackupId:
    directory.mkdir(parents=True)
    data = json.dumps(content, indent=2).encode()
    (directory / f"{ID}.json").write_bytes(data)
    metadata = {
        "backup_id": ID,
        "backup_type": "main",
        "filename": f"{ID}.json",
        "timestamp": "2025-11-17T15:05:30.123456",
        "checksum": hashlib.sha256(data).hexdigest(),
        "checksum_algorithm": "SHA256",
        "file_size_bytes": len(data),
        "file_size_mb": 0.0,
        "collections": counts,
        "mongo_url": "localhost:27017",
        "db_name": "bus_tracker",
        "version": "2.0",
    }
    (directory / f"{ID}.meta.json").write_text(json.dumps(metadata))
    found = BackupId.parse(ID)
    assert found is not None
    return found


@pytest.mark.parametrize("content", [{"users": USERS, "buses": []}, {"collections": {"users": USERS, "buses": []}}])
async def test_verifies_and_restores_both_shapes(content: dict[str, Any], exact: ServerProcess, tmp_path: Path) -> None:
    backup_id = write_legacy(tmp_path / "backups", content, {"users": 2, "buses": 0})
    async with rig(exact, tmp_path) as at:
        assert verify(at.store, backup_id) == VERIFIED
        assert verify_deep(at.store, backup_id, CODEC) == VERIFIED
        at.lab(create="users")
        at.lab(createIndexes="users", indexes=[{"key": {"name": 1}, "name": "by_name"}])
        manifest = at.manifest(backup_id)
        result = await at.restore(manifest)
        assert {name: one.documents for name, one in result.collections.items()} == {"users": 2, "buses": 0}
        assert at.names() == ["buses", "users"]
        indexes = at.lab(listIndexes="users")["cursor"]["firstBatch"]
        assert [index["name"] for index in indexes] == ["_id_", "by_name"]


async def test_refuses_a_file_whose_counts_are_not_those_of_its_metadata(exact: ServerProcess, tmp_path: Path) -> None:
    backup_id = write_legacy(tmp_path / "backups", {"users": USERS}, {"users": 3})
    async with rig(exact, tmp_path) as at:
        assert not verify_deep(at.store, backup_id, CODEC).is_valid
        with pytest.raises(BackupInvalid, match="users"):
            await at.restore(at.manifest(backup_id))
        assert at.names() == []
