"""A database that was emptied by accident goes on being backed up, and never pushes the good backups out."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from sidecar.errors import BackupProtected, NotSuspect
from sidecar.model import Trigger
from sidecar.service import Service
from support.rig import BUSES, DB, PEOPLE
from support.servers import ServerProcess, seed
from support.services import open_on

LOST = ("users: 0 documents, a recent backup holds 3,000",)


async def back_up(service: Service) -> str:
    return (await service.back_up("main", Trigger.MANUAL)).manifest.backup_id


def empty(exact: ServerProcess, name: str = "users") -> None:
    with MongoClient[dict[str, Any]](exact.uri) as client:
        client[DB][name].delete_many({})


def ids(service: Service) -> list[str]:
    return [str(one.id) for one in service.catalog.backups("main")]


def suspect(service: Service) -> list[str]:
    return [str(one.id) for one in service.catalog.backups("main") if one.is_suspect]


async def test_backups_of_an_emptied_database_are_kept_marked_and_delete_nothing(
    exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with open_on(exact, tmp_path, BACKUP_LIMIT="2") as service:
        good = [await back_up(service) for _ in range(2)]
        empty(exact)
        bad = [await back_up(service) for _ in range(4)]
        assert ids(service) == [*reversed(bad), *reversed(good)]
        assert suspect(service) == [*reversed(bad)]
        assert {manifest.suspicions for one in service.catalog.backups("main")[:4] if (manifest := one.manifest)} == {
            LOST
        }
        wanted = service.catalog.in_order_of_choice("main", datetime.now(UTC))
        assert str(wanted[0].id) == good[-1]
        service.keeping.delete(good[0], force=False)
        with pytest.raises(BackupProtected):
            service.keeping.delete(good[1], force=False)


async def test_a_loss_that_is_confirmed_is_the_measure_from_then_on(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with open_on(exact, tmp_path, BACKUP_LIMIT="2") as service:
        first = await back_up(service)
        empty(exact)
        lost = await back_up(service)
        with pytest.raises(NotSuspect, match="not suspect"):
            service.keeping.confirm(first, "me")
        assert service.keeping.confirm(lost, "me").is_suspect is False
        for _ in range(2):
            await back_up(service)
        held = [one.manifest.collections["users"] for one in service.catalog.backups("main") if one.manifest]
        assert (suspect(service), held) == ([], [0, 0])


async def test_retention_goes_on_when_the_data_is_back(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with open_on(exact, tmp_path, BACKUP_LIMIT="2") as service:
        good = await back_up(service)
        empty(exact)
        bad = [await back_up(service) for _ in range(3)]
        seed(exact.uri, DB, {"users": PEOPLE})
        back = await back_up(service)
        assert ids(service) == [back, *reversed(bad[1:]), good]


async def test_a_collection_that_is_gone_altogether_is_suspect_too(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    async with open_on(exact, tmp_path) as service:
        await back_up(service)
        with MongoClient[dict[str, Any]](exact.uri) as client:
            client[DB]["users"].drop()
        bad = await back_up(service)
        assert suspect(service) == [bad]


async def test_a_collection_taken_out_of_the_set_s_configuration_is_no_loss(
    exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    chosen = tmp_path / "sidecar.toml"
    for collections in ('["users", "buses"]', '["users"]', '["*"]\nexclude = ["buses"]'):
        chosen.write_text(f"[sets.main]\ncollections = {collections}\n")
        async with open_on(exact, tmp_path, SIDECAR_CONFIG=str(chosen), BACKUP_LIMIT="2") as service:
            for _ in range(2):
                await back_up(service)
            assert (suspect(service), len(ids(service))) == ([], 2)
