"""A restore over a database that an application goes on writing to: what becomes of each acknowledged write."""

import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from sidecar.model import Manifest, Trigger
from sidecar.service import Service
from support.rig import DB
from support.servers import ServerProcess, seed
from support.services import open_on

RESTORED: Sequence[Mapping[str, Any]] = [{"_id": f"backed up {n}", "text": "x" * 2000} for n in range(1500)]


@pytest.fixture
async def service(exact: ServerProcess, tmp_path: Path) -> AsyncIterator[Service]:
    seed(exact.uri, DB, {"users": RESTORED})
    async with open_on(exact, tmp_path) as service:
        yield service


@contextmanager
def writing(uri: str) -> Iterator[list[int]]:
    """Inserts numbered documents into users, each with its number as comment. Yields those that were acknowledged so far."""
    acknowledged: list[int] = []
    over = threading.Event()

    def write() -> None:
        with MongoClient[dict[str, Any]](uri) as client:
            while not over.is_set():
                number = len(acknowledged)
                insert = {"insert": "users", "documents": [{"_id": number}], "comment": number}
                assert client[DB].command(insert)["n"] == 1
                acknowledged.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield acknowledged
    finally:
        over.set()
        writer.join()


def in_the_instant_before_the_rename(commands: Sequence[Mapping[str, Any]]) -> set[int]:
    """The writes that came after the cluster time at which the restore last read the collection, and before it replaced it."""
    sent = [(one["name"], one["command"]) for one in commands]
    renamed = max(at for at, (name, _) in enumerate(sent) if name == "renameCollection")
    looked = max(at for at, (_, command) in enumerate(sent[:renamed]) if _begins_a_snapshot(command))
    return {command["comment"] for name, command in sent[looked:renamed] if name == "insert" and "comment" in command}


def _begins_a_snapshot(command: Mapping[str, Any]) -> bool:
    """The first read of a snapshot session: the server chooses the cluster time that its further reads repeat."""
    concern = command.get("readConcern", {})
    return concern.get("level") == "snapshot" and "atClusterTime" not in concern


async def held_by(service: Service, manifest: Manifest) -> set[int]:
    """The numbered documents of a backup, restored into a database of their own."""
    order = service.restore_order(manifest.backup_id, target_db="elsewhere", collections=["users"])
    await service.restore(order, safety=False)
    return numbers(service, "elsewhere")


def numbers(service: Service, db: str) -> set[int]:
    with MongoClient[dict[str, Any]](service.settings.mongo_url.reveal()) as client:
        return {one["_id"] for one in client[db]["users"].find() if isinstance(one["_id"], int)}


async def test_every_acknowledged_write_is_there_or_in_a_backup_but_for_the_instant_before_the_rename(
    service: Service,
) -> None:
    uri = service.settings.mongo_url.reveal()
    backup = (await service.back_up("main", Trigger.MANUAL)).manifest
    with MongoClient[dict[str, Any]](uri) as client:
        client[DB].command({"labCommands": 1})
        with writing(uri) as acknowledged:
            while not acknowledged:
                pass
            result = await service.restore(service.restore_order(backup.backup_id, target_db=None, collections=None))
            so_far = len(acknowledged)
            while len(acknowledged) == so_far:
                pass
        commands = list(client[DB].command({"labCommands": 1})["commands"])
    assert result.safety is not None
    kept = [result.safety, *result.late.values()]
    found = set[int]().union(numbers(service, DB), *[await held_by(service, one) for one in kept])
    assert set(acknowledged) - found <= in_the_instant_before_the_rename(commands)
    assert numbers(service, DB)  # written since
    assert found > numbers(service, DB)  # written before, and kept
    assert list(result.late) == ["users"]  # the busy collection is named
