"""A restore that can be taken back: what it replaces is safe before the first write, and comes back if it fails half-way."""

import asyncio
import errno
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from sidecar.errors import Cancelled, SidecarError, StorageError, StorageFull
from sidecar.model import VERIFIED, BackupId, Collection, Form, Manifest, Trigger
from sidecar.restore.safety import Result
from sidecar.service import Service
from sidecar.store.deep import verify_deep
from sidecar.store.local import LocalStore
from support.rig import BUSES, CODEC, DB, PEOPLE
from support.servers import ServerProcess, seed
from support.services import open_on

NOW_THERE: dict[str, list[dict[str, Any]]] = {
    "users": [{"_id": "new"}],
    "buses": [{"_id": 1}, {"_id": 2}],
    "routes": [{"_id": "r"}],
}
PUT_BACK = "what the target held before was put back"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
VIEW = {"create": "stops", "viewOn": "buses", "pipeline": []}


@pytest.fixture
async def service(exact: ServerProcess, tmp_path: Path) -> AsyncIterator[Service]:
    async with open_on(exact, tmp_path) as service:
        yield service


def client_of(service: Service) -> MongoClient[dict[str, Any]]:
    return MongoClient(service.settings.mongo_url.reveal())


def raw_documents(service: Service, name: str) -> list[bytes]:
    uri = service.settings.mongo_url.reveal()
    with MongoClient[RawBSONDocument](uri, document_class=RawBSONDocument) as client:
        return [bytes(one.raw) for one in client[DB][name].find()]


def lab(service: Service, **command: Any) -> None:
    with client_of(service) as client:
        client[DB].command(command)


def asked_to_create(service: Service, name: str) -> bool:
    with client_of(service) as client:
        seen = client[DB].command({"labCommands": 1})["commands"]
    return any(one["command"].get("create") == name for one in seen)


def held(service: Service, db: str = DB) -> dict[str, list[Any]]:
    with client_of(service) as client:
        return {name: list(client[db][name].find()) for name in sorted(client[db].list_collection_names())}


async def prepared(service: Service) -> Manifest:
    """A backup of users, buses, a view and holidays, and a database that has gone on since and has no holidays any more."""
    seed(service.settings.mongo_url.reveal(), DB, {"users": PEOPLE[:50], "buses": BUSES, "holidays": [{"_id": "h"}]})
    lab(service, **VIEW)
    manifest = (await service.back_up("main", Trigger.MANUAL)).manifest
    with client_of(service) as client:
        client.drop_database(DB)
    seed(service.settings.mongo_url.reveal(), DB, NOW_THERE)
    lab(service, **VIEW)
    return manifest


def notes(service: Service) -> list[str]:
    return [path.name for path in (service.settings.backup_dir / ".locks").glob(".restoring_*")]


def safeties(service: Service) -> list[BackupId]:
    return [one.id for one in service.catalog.backups("main") if one.is_safety]


async def test_what_is_replaced_is_backed_up_first_pinned_and_named(service: Service) -> None:
    manifest = await prepared(service)
    result = await service.restore(service.restore_order(manifest.backup_id, target_db=None, collections=None))
    assert result.safety is not None
    assert result.safety.trigger is Trigger.PRE_RESTORE
    assert result.safety.collections == {"users": 1, "buses": 2}  # not routes: the restore leaves them alone
    (safety,) = [one for one in service.catalog.backups("main") if one.is_safety]
    assert (str(safety.id), safety.is_pinned) == (result.safety.backup_id, True)
    assert verify_deep(service.stores["main"], safety.id, CODEC) == VERIFIED
    assert held(service)["users"] == PEOPLE[:50]
    assert held(service)["routes"] == [{"_id": "r"}]


async def test_a_restore_can_be_undone_with_its_safety_backup(service: Service) -> None:
    manifest = await prepared(service)
    before = held(service)
    result = await service.restore(service.restore_order(manifest.backup_id, target_db=None, collections=None))
    assert result.safety is not None
    await service.restore(service.restore_order(result.safety.backup_id, target_db=None, collections=None))
    assert held(service) == before | {"holidays": [{"_id": "h"}]}


async def test_nothing_to_replace_needs_no_safety_backup(service: Service) -> None:
    manifest = await prepared(service)
    result = await service.restore(service.restore_order(manifest.backup_id, target_db="copy", collections=None))
    assert (result.safety, safeties(service)) == (None, [])


@pytest.mark.parametrize("skip", [0, 1, 2])
async def test_a_rename_that_fails_puts_back_what_was_replaced(skip: int, service: Service) -> None:
    manifest = await prepared(service)
    before = held(service)
    lab(
        service,
        labFault="renameCollection",
        action="error",
        skip=skip,
        times=1,
        code=6,
        message="no more renames",
    )
    with pytest.raises(SidecarError, match=r"no more renames.*; what the target held before was put back"):
        await service.restore(service.restore_order(manifest.backup_id, target_db=None, collections=None))
    assert held(service) == before
    assert len(safeties(service)) == 1


async def test_a_view_that_cannot_be_made_puts_everything_back(service: Service) -> None:
    manifest = await prepared(service)
    before = held(service)
    lab(service, labFault="create", collection="stops", action="error", times=1, code=6, message="no more views")
    with pytest.raises(SidecarError, match=r"no more views.*put back"):
        await service.restore(service.restore_order(manifest.backup_id, target_db=None, collections=None))
    assert held(service) == before


async def test_what_cannot_be_put_back_is_still_in_the_safety_backup_that_the_error_names(service: Service) -> None:
    manifest = await prepared(service)
    lab(
        service,
        labFault="renameCollection",
        action="error",
        skip=1,
        times=-1,
        code=6,
        message="never again",
    )
    with pytest.raises(SidecarError, match=r"it could not be put back .*: seed_backup_\d+_\d+ holds it"):
        await service.restore(service.restore_order(manifest.backup_id, target_db=None, collections=None))
    (safety,) = safeties(service)
    assert verify_deep(service.stores["main"], safety, CODEC) == VERIFIED


async def begun(service: Service, manifest: Manifest) -> "asyncio.Task[Result]":
    """A restore that has replaced everything but the view, for which the server gives no answer."""
    lab(service, labFault="create", collection="stops", action="stall", times=1)
    order = service.restore_order(manifest.backup_id, target_db=None, collections=None)
    asked_to_create(service, "")  # forget what was asked for so far
    task = asyncio.ensure_future(service.restore(order))
    while not asked_to_create(service, "stops"):  # noqa: ASYNC110 - lets the restore go on
        await asyncio.sleep(0.01)
    return task


async def test_a_restore_that_is_called_off_half_way_puts_back_what_was_replaced(service: Service) -> None:
    manifest = await prepared(service)
    before = held(service)
    task = await begun(service, manifest)
    task.cancel("cancelled by somebody")
    with pytest.raises(Cancelled) as ended:
        await task
    (safety,) = safeties(service)
    assert str(ended.value) == f"cancelled by somebody; {PUT_BACK}, and {safety} holds it"
    assert (held(service), notes(service)) == (before, [])


async def test_a_restore_that_is_called_off_again_and_again_ends_when_everything_is_put_back(service: Service) -> None:
    manifest = await prepared(service)
    before = held(service)
    task = await begun(service, manifest)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0.01)
    with pytest.raises(Cancelled, match=PUT_BACK):
        await task
    assert (held(service), notes(service)) == (before, [])


async def test_what_a_server_that_hangs_keeps_from_being_put_back_is_put_back_by_the_next_start(
    exact: ServerProcess, tmp_path: Path
) -> None:
    async with open_on(exact, tmp_path, SIDECAR_STALL_TIMEOUT_SECONDS="1") as service:
        manifest = await prepared(service)
        before = held(service)
        lab(service, labFault="renameCollection", action="stall", skip=1, times=-1)
        with pytest.raises(
            SidecarError, match=r"no answer.*could not be put back .*: seed_backup_\d+_\d+ holds it\. The next"
        ):
            await service.restore(service.restore_order(manifest.backup_id, target_db=None, collections=None))
        lab(service, labReset=1)
        assert held(service) != before
        assert len(notes(service)) == 1
        assert await service.recover() == []
        assert (held(service), notes(service)) == (before, [])


async def test_an_error_that_nobody_foresaw_puts_back_what_was_replaced(service: Service) -> None:
    async def broken(item: Collection) -> None:
        if item.name == "buses":
            raise ZeroDivisionError("one by nothing")

    manifest = await prepared(service)
    before = held(service)
    order = service.restore_order(manifest.backup_id, target_db=None, collections=None, checks=(broken,))
    with pytest.raises(SidecarError, match=rf"unexpected ZeroDivisionError at broken, line \d+: .*; {PUT_BACK}"):
        await service.restore(order)
    assert (held(service), notes(service)) == (before, [])


async def test_a_refused_document_that_python_cannot_read_puts_the_time_series_back(service: Service) -> None:
    uri = service.settings.mongo_url.reveal()
    lab(service, create="stops", timeseries={"timeField": "at"})
    seed(uri, DB, {"stops": [{"_id": n, "at": NOON, "until": DatetimeMS(253402300800000)} for n in range(5)]})
    manifest = (await service.back_up("main", Trigger.MANUAL)).manifest
    seed(uri, DB, {"stops": [{"_id": "written since", "at": NOON}]})
    before = raw_documents(service, "stops")
    lab(service, labFault="insert", collection="stops", action="writeError", times=1, code=121, index=1, message="no")
    with pytest.raises(SidecarError, match=rf"stops: the server refused 1 document, the first with _id 1.*{PUT_BACK}"):
        await service.restore(service.restore_order(manifest.backup_id, target_db=None, collections=None))
    assert raw_documents(service, "stops") == before


class Unreadable(LocalStore):
    """A disk that cannot read the data file from some block on, once it has been verified."""

    @contextmanager
    def open_data(self, backup_id: BackupId, form: Form = Form.PLAIN) -> Iterator[Any]:
        with super().open_data(backup_id, form) as file:
            yield BadBlocks(file)


class BadBlocks:
    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._is_read_by_lines = False  # as for its documents, not for its checksum

    def read(self, size: int) -> bytes:
        if self._is_read_by_lines:
            raise OSError(errno.EIO, "Input/output error")
        return self._file.read(size)

    def fileno(self) -> int:
        return self._file.fileno()

    def readline(self, size: int) -> bytes:
        self._is_read_by_lines = True
        return self._file.readline(size)


async def test_a_disk_that_cannot_be_read_in_the_middle_of_a_restore_leaves_what_was_there(service: Service) -> None:
    uri = service.settings.mongo_url.reveal()
    lab(service, create="stops", timeseries={"timeField": "at"})
    seed(uri, DB, {"users": PEOPLE[:50], "stops": [{"_id": n, "at": NOON} for n in range(5)]})
    manifest = (await service.back_up("main", Trigger.MANUAL)).manifest
    seed(uri, DB, {"users": [{"_id": "written since"}], "stops": [{"_id": "written since", "at": NOON}]})
    before = held(service)
    order = service.restore_order(manifest.backup_id, target_db=None, collections=["stops"])
    unreadable = replace(order, store=Unreadable(order.store.root, order.store.set))
    with pytest.raises(StorageError, match=rf"reading seed_backup_.*: Input/output error; {PUT_BACK}"):
        await service.restore(unreadable)
    assert (held(service), notes(service)) == (before, [])


async def test_what_was_replaced_without_a_safety_backup_is_named(service: Service) -> None:
    manifest = await prepared(service)
    lab(service, labFault="renameCollection", action="error", skip=1, times=1, code=6, message="no more renames")
    order = service.restore_order(manifest.backup_id, target_db=None, collections=None)
    with pytest.raises(SidecarError, match="; users, buses had been replaced without a safety backup"):
        await service.restore(order, safety=False)
    assert (safeties(service), notes(service)) == ([], [])


async def test_without_room_for_the_safety_backup_nothing_is_written(service: Service) -> None:
    manifest = await prepared(service)
    before = held(service)
    object.__setattr__(service.settings, "min_storage_mb", 1e9)
    with pytest.raises(StorageFull):
        await service.restore(service.restore_order(manifest.backup_id, target_db=None, collections=None))
    assert held(service) == before


async def test_a_safety_backup_never_stands_in_for_one_of_the_set(service: Service) -> None:
    manifest = await prepared(service)
    await service.restore(service.restore_order(manifest.backup_id, target_db=None, collections=None))
    wanted = service.catalog.in_order_of_choice("main", datetime.now(UTC))
    assert [str(one.id) for one in wanted] == [manifest.backup_id]
    (safety,) = safeties(service)
    service.keeping.unpin(str(safety))
    reasons = {str(one.id): (one.keep, one.reason) for one in service.keeping.decisions("main")}
    assert reasons == {
        str(safety): (True, "made before a restore, kept until it is too old"),
        manifest.backup_id: (True, "the newest valid backup"),
    }


async def test_what_is_written_while_a_collection_is_being_replaced_is_backed_up_too_and_said(service: Service) -> None:
    manifest = await prepared(service)
    late: dict[str, Any] = {"_id": "late", "acknowledged": True}
    lab(
        service, labHook="insert", then={"insert": "users", "documents": [late]}
    )  # the first insert is the restore's own
    result = await service.restore(service.restore_order(manifest.backup_id, target_db=None, collections=None))
    assert held(service)["users"] == PEOPLE[:50]
    assert result.safety is not None
    assert list(result.late) == ["users"]
    await service.restore(
        service.restore_order(result.late["users"].backup_id, target_db=None, collections=["users"]), safety=False
    )
    assert held(service)["users"] == [*NOW_THERE["users"], late]


async def test_a_restore_that_fails_puts_back_what_was_written_meanwhile(service: Service) -> None:
    manifest = await prepared(service)
    late: dict[str, Any] = {"_id": "late"}
    lab(service, labHook="insert", then={"insert": "users", "documents": [late]})
    lab(service, labFault="create", collection="stops", action="error", times=1, code=6, message="no more views")
    with pytest.raises(SidecarError, match=r"no more views.*put back"):
        await service.restore(service.restore_order(manifest.backup_id, target_db=None, collections=None))
    assert held(service)["users"] == [*NOW_THERE["users"], late]
