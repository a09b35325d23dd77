"""The verification by schedule: deep, and every backup in its turn."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from sidecar.archive.manifest import from_bytes, to_bytes
from sidecar.bootstrap.service import open_service
from sidecar.config import load
from sidecar.model import BackupId, BackupState, Trigger
from sidecar.runtime.pace import paced
from sidecar.service import Service
from support.rig import BUSES, DB
from support.servers import ServerProcess, seed

BACKUPS = 7


def settings(server: ServerProcess, directory: Path, share: str) -> Mapping[str, str]:
    return {
        "MONGO_URL": server.uri,
        "DB_NAME": DB,
        "BACKUP_DIR": str(directory),
        "BACKUP_LIMIT": str(BACKUPS),
        "MIN_STORAGE_MB": "0",
        "SIDECAR_VERIFY_SLICE": share,
    }


async def make_backups(service: Service) -> list[BackupId]:
    seed(service.settings.mongo_url.reveal(), DB, {"buses": BUSES})
    made = [(await service.back_up("main", Trigger.MANUAL)).manifest.backup_id for _ in range(BACKUPS)]
    return [one for one in map(BackupId.parse, made) if one is not None]


@pytest.mark.parametrize(("share", "sizes"), [("1/7", [1] * 7), ("1/3", [3, 3, 3]), ("1/1", [7])])
async def test_every_backup_has_its_turn_oldest_first(
    share: str, sizes: list[int], exact: ServerProcess, tmp_path: Path
) -> None:
    async with open_service(load(settings(exact, tmp_path, share))) as service:
        made = await make_backups(service)
        nights = [list(await service.verify_slice("main")) for _ in sizes]
    assert [len(night) for night in nights] == sizes
    assert [one for night in nights for one in night][:BACKUPS] == made


async def test_what_only_a_deep_look_finds_is_found(exact: ServerProcess, tmp_path: Path) -> None:
    """A file whose checksum was made to fit after a document was changed: only its own fingerprint tells."""
    async with open_service(load(settings(exact, tmp_path, "1/1"))) as service:
        first, *others = await make_backups(service)
        forge(tmp_path, first)
        assert all(one.verdict.is_valid for one in service.catalog.backups("main"))
        found = await service.verify_slice("main")
        assert {one: verdict.is_valid for one, verdict in found.items()} == {first: False} | dict.fromkeys(others, True)
        listed = {one.id: one.verdict.state for one in service.catalog.backups("main")}
        assert listed[first] is BackupState.INVALID


def forge(directory: Path, backup_id: BackupId) -> None:
    data, metadata = directory / backup_id.data_name, directory / backup_id.metadata_name
    changed = data.read_bytes().replace(b'"$numberInt":"289"', b'"$numberInt":"982"')
    assert changed != data.read_bytes()
    data.write_bytes(changed)
    manifest = from_bytes(metadata.read_bytes(), backup_id, "main")
    metadata.write_bytes(to_bytes(manifest.model_copy(update={"checksum": hashlib.sha256(changed).hexdigest()})))


async def test_a_quick_look_in_between_takes_nobodys_turn(exact: ServerProcess, tmp_path: Path) -> None:
    async with open_service(load(settings(exact, tmp_path, "1/7"))) as service:
        made = await make_backups(service)
        assert list(await service.verify_slice("main")) == made[:1]
        await service.verify(service.catalog.find(str(made[0])), deep=False)
        assert list(await service.verify_slice("main")) == made[1:2]


async def test_reads_no_faster_than_configured(
    exact: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = list[float]()
    monkeypatch.setattr("sidecar.service.paced", lambda listener, pace: paced(listener, pace, pauses.append))
    seed(exact.uri, DB, {"buses": [bus | {"pad": "x" * 200} for bus in BUSES]})
    async with open_service(load({**settings(exact, tmp_path, "1/1"), "SIDECAR_MAX_READ_MB_S": "0.1"})) as service:
        made = (await service.back_up("main", Trigger.MANUAL)).manifest
        await service.verify_slice("main")
    assert pauses[-1] == pytest.approx(made.file_size_bytes / 1e5, rel=0.2)  # all of them: none was really waited for
