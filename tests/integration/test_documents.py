"""Single documents of a backup: found in every form, compared with the database, brought back, and taken back if that fails."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from sidecar.archive.criteria import by_ids, fields, listed, typed
from sidecar.errors import (
    BackupInvalid,
    DocumentChanged,
    DocumentNotFound,
    IdentityRequired,
    RestoreMismatch,
    SourceError,
    UsageError,
)
from sidecar.inspect.documents import Change, Now, Shown, Way, find, shown_beside_live
from sidecar.inspect.history import add_live, document_history
from sidecar.model import Form, Manifest, StoredBackup, Trigger
from sidecar.restore.documents import pair, planned
from sidecar.restore.safety import Result
from sidecar.service import Service
from support import forms
from support.forms import every_form
from support.rig import CODEC, DB, raw
from support.servers import ServerProcess, seed
from support.services import open_on

ADA = {"_id": "ada", "name": "Ada", "address": {"city": "Berlin", "no": 7}}
ALAN = {"_id": "alan", "name": "Alan"}
GRACE = {"_id": 42, "name": "Grace"}
PUPILS: list[dict[str, Any]] = [
    ADA,
    ALAN,
    GRACE,
    *({"_id": number, "name": f"pupil {number}"} for number in range(1000, 3000)),
]


@pytest.fixture
async def service(exact: ServerProcess, tmp_path: Path) -> AsyncIterator[Service]:
    seed(exact.uri, DB, {"users": PUPILS})
    async with open_on(exact, tmp_path) as service:
        await service.back_up("main", Trigger.MANUAL)
        yield service


def run(service: Service, **command: Any) -> Mapping[str, Any]:
    with MongoClient[dict[str, Any]](service.settings.mongo_url.reveal()) as client:
        return client[DB].command(command)


def held(service: Service, name: str = "users") -> list[Any]:
    with MongoClient[dict[str, Any]](service.settings.mongo_url.reveal()) as client:
        return sorted(client[DB][name].find({}), key=lambda one: str(one["_id"]))


def delete(service: Service, identity: Any) -> None:
    run(service, delete="users", deletes=[{"q": {"_id": identity}, "limit": 1}])


def update(service: Service, identity: Any, document: Mapping[str, Any]) -> None:
    run(service, update="users", updates=[{"q": {"_id": identity}, "u": document}])


def first(service: Service) -> StoredBackup:
    return min(service.catalog.backups("main"), key=lambda one: one.taken_at)


def order_for(service: Service, ids: str, collection: str = "users", backup_id: str | None = None) -> Any:
    order = service.restore_order(backup_id or str(first(service).id), target_db=None, collections=[collection])
    return replace(order, ids=tuple(listed(ids)))


async def bring_back(service: Service, ids: str) -> Result:
    return await service.restore(order_for(service, ids))


def number(value: int) -> dict[str, str]:
    """As canonical Extended JSON has it."""
    return {"$numberInt": str(value)}


def as_stored(*documents: Mapping[str, Any]) -> list[Any]:
    return sorted(documents, key=lambda one: str(one["_id"]))


# -- finding -----------------------------------------------------------------------------------------------------------


@every_form
async def test_documents_are_found_in_every_form(form: Form, exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PUPILS, "buses": [{"_id": "ada"}]})
    async with open_on(exact, tmp_path, **forms.environment(form, tmp_path)) as service:
        await service.back_up("main", Trigger.MANUAL)
        store, backup_id = service.locate(str(first(service).id))
        by_id = find(store, backup_id, CODEC, "users", [by_ids(listed("ada, 42"))], most=10)
        by_field = find(store, backup_id, CODEC, "users", fields('{"address.city": "Berlin"}'), most=10)
        everybody = find(store, backup_id, CODEC, "users", fields('{"_id": {"$numberInt": "42"}}'), most=10)
    assert (by_id.documents, by_field.documents, everybody.documents) == (raw([ADA, GRACE]), raw([ADA]), raw([GRACE]))


async def test_a_search_keeps_what_was_asked_for_and_counts_the_rest(service: Service) -> None:
    store, backup_id = service.locate(str(first(service).id))
    update(service, "alan", {"name": "Ada"})
    made = await service.back_up("main", Trigger.MANUAL)
    store, backup_id = service.locate(made.manifest.backup_id)
    two = fields('{"name": "Ada"}')
    assert [find(store, backup_id, CODEC, "users", two, most=most).count for most in (1, 2)] == [2, 2]
    assert len(find(store, backup_id, CODEC, "users", two, most=1).documents) == 1
    assert len(find(store, backup_id, CODEC, "users", two, most=2, most_bytes=10).documents) == 1


async def test_without_the_key_and_in_damaged_backups_nothing_is_found(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PUPILS})
    async with open_on(exact, tmp_path, **forms.environment(Form.ENCRYPTED, tmp_path, with_key=False)) as service:
        await service.back_up("main", Trigger.MANUAL)
        with pytest.raises(IdentityRequired):
            await bring_back(service, "ada")
    async with open_on(exact, tmp_path / "plain") as service:
        await service.back_up("main", Trigger.MANUAL)
        path = next((tmp_path / "plain" / "backups").rglob("seed_backup_*[0-9].json"))
        path.write_bytes(path.read_bytes().replace(b"pupil 2999", b"pupil 9992"))
        delete(service, "ada")
        with pytest.raises(BackupInvalid, match="SHA-256"):
            await bring_back(service, "ada")
        assert held(service) == as_stored(*(one for one in PUPILS if one is not ADA))


async def test_a_document_is_compared_with_what_the_database_holds(service: Service) -> None:
    delete(service, "alan")
    update(service, "ada", {"name": "Ada", "address": {"no": 8}, "class": None})
    shown = await shown_beside_live(raw([ADA, ALAN, GRACE]), CODEC, service.database, "users")
    ada = {"_id": "ada", "name": "Ada", "address": {"city": "Berlin", "no": number(7)}}
    changes = [
        Change("address.city", Way.REMOVED, "Berlin", None),
        Change("address.no", Way.CHANGED, number(7), number(8)),
        Change("class", Way.ADDED, None, None),
    ]
    assert shown == [
        Shown("ada", ada, Now.CHANGED, changes),
        Shown("alan", ALAN, Now.GONE),
        Shown(number(42), {"_id": number(42), "name": "Grace"}, Now.SAME),
    ]
    swapped = raw([{"_id": "x", "b": 1, "a": 2}])
    run(service, insert="users", documents=[{"_id": "x", "a": 2, "b": 1}])
    (one,) = await shown_beside_live(swapped, CODEC, service.database, "users")
    assert one.changes == [Change("(order of the fields)", Way.CHANGED, None, None)]


# -- bringing back -----------------------------------------------------------------------------------------------------


async def test_a_deleted_document_comes_back_and_nothing_else_changes(service: Service) -> None:
    delete(service, "ada")
    update(service, "alan", {"name": "Alan Turing"})
    run(service, insert="users", documents=[{"_id": "new"}])
    (line,) = planned(await pair(order_for(service, "ada,42"))).collections
    assert (line.documents, line.replaces_documents, line.inserted, line.replaced, line.unchanged) == (2, 1, 1, 0, 1)
    result = await bring_back(service, "ada,42")
    assert result.safety is None  # nothing was replaced
    assert result.restored.documents == {"inserted": 1, "replaced": 0, "unchanged": 1}
    others = [one for one in PUPILS if one is not ALAN]
    assert held(service) == as_stored(*others, {"_id": "alan", "name": "Alan Turing"}, {"_id": "new"})


async def test_a_document_that_is_replaced_is_in_a_safety_backup(service: Service) -> None:
    update(service, "ada", {"name": "somebody"})
    result = await bring_back(service, "ada")
    assert held(service) == as_stored(*PUPILS)
    assert isinstance(result.safety, Manifest)
    assert (result.safety.trigger, result.safety.collections) == (Trigger.PRE_RESTORE, {"users": len(PUPILS)})
    safety = service.catalog.find(result.safety.backup_id)
    assert safety.is_pinned
    await service.restore(order_for(service, "ada", backup_id=str(safety.id)))  # and back
    assert {"_id": "ada", "name": "somebody"} in held(service)


FAILING: dict[str, dict[str, Any]] = {
    "the second is refused": {"labFault": "insert", "action": "writeError", "code": 11000, "skip": 1},
    "the second fails": {"labFault": "insert", "action": "error", "code": 9001, "skip": 1},
    "replacing fails": {"labFault": "update", "action": "error", "code": 9001},
    "it is not durable": {"labFault": "update", "action": "writeConcernError"},
    "the server goes away": {"labFault": "insert", "action": "close", "skip": 1},
}


@pytest.mark.parametrize("failure", FAILING)
async def test_a_restore_that_fails_takes_back_what_it_had_written(failure: str, service: Service) -> None:
    delete(service, "ada")
    delete(service, "alan")
    update(service, 42, {"name": "somebody"})
    before = held(service)
    run(service, **FAILING[failure])
    with pytest.raises(
        SourceError,
        match=r"written before were put back as they were; seed_backup_[0-9_]+ holds users as it was before",
    ):
        await bring_back(service, "ada,alan,42")
    assert held(service) == before
    await bring_back(service, "ada,alan,42")
    assert held(service) == as_stored(*PUPILS)


async def test_what_somebody_writes_meanwhile_is_not_overwritten(service: Service) -> None:
    update(service, "ada", {"name": "somebody"})
    meanwhile = {"update": "users", "updates": [{"q": {"_id": "ada"}, "u": {"name": "meanwhile"}}]}
    run(service, labHook="find", collection="users", then=meanwhile)
    with pytest.raises(DocumentChanged, match="nothing had been written"):
        await bring_back(service, "ada")
    assert {"_id": "ada", "name": "meanwhile"} in held(service)


async def test_a_server_that_holds_something_else_afterwards_is_found_out(service: Service) -> None:
    delete(service, "ada")
    other = {"update": "users", "updates": [{"q": {"_id": "ada"}, "u": {"name": "other"}}]}
    run(service, labHook="insert", collection="users", then=other)
    with pytest.raises(RestoreMismatch, match='does not hold the document "ada"'):
        await bring_back(service, "ada")


async def test_what_cannot_be_brought_back_is_said_before_anything_is_written(service: Service) -> None:
    delete(service, "ada")
    before = held(service)
    with pytest.raises(DocumentNotFound, match="no document of users with the _id nobody, 7"):
        await bring_back(service, "ada,nobody,7")
    with pytest.raises(UsageError, match="at most 1000"):
        await bring_back(service, ",".join(map(str, range(1001))))
    with pytest.raises(UsageError, match="exactly one"):
        await service.restore(replace(order_for(service, "ada"), collections=None))
    assert held(service) == before
    run(service, drop="users")
    with pytest.raises(UsageError, match="has no collection users"):
        await bring_back(service, "ada")


async def test_an_id_that_may_be_two_documents_is_refused(service: Service) -> None:
    run(service, insert="users", documents=[{"_id": "42"}])
    made = await service.back_up("main", Trigger.MANUAL)
    order = order_for(service, "42", backup_id=made.manifest.backup_id)
    with pytest.raises(UsageError, match='for a string "42" in double quotes'):
        await service.restore(order)
    await service.restore(replace(order, ids=(typed('"42"'),)))


OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "view": ("is a view", {"viewOn": "buses", "pipeline": []}),
    "time series": ("is a time series", {"timeseries": {"timeField": "at"}}),
    "capped": ("is a capped collection", {"capped": True, "size": 100_000}),
}


@pytest.mark.parametrize("kind", OTHERS)
async def test_what_holds_no_documents_of_its_own_by_id_is_named(kind: str, service: Service) -> None:
    words, options = OTHERS[kind]
    run(service, drop="users")
    run(service, create="users", **options)
    with pytest.raises(UsageError, match=f"users {words} in {DB}.*restore users as a whole instead"):
        await bring_back(service, "ada")


# -- the history of one ------------------------------------------------------------------------------------------------


async def test_the_history_of_a_document_names_its_versions_and_the_backups_that_hold_them(service: Service) -> None:
    await service.back_up("main", Trigger.MANUAL)
    update(service, "ada", {"name": "Ada L."})
    await service.back_up("main", Trigger.MANUAL)
    delete(service, "ada")
    await service.back_up("main", Trigger.MANUAL)
    stored = sorted(service.catalog.backups("main"), key=lambda one: one.taken_at)
    ids = [str(one.id) for one in stored]
    pairs = [(service.stores["main"], one) for one in stored]
    found = document_history(pairs, CODEC, "users", typed("ada"), lambda _: None)
    await add_live(found, CODEC, service.database, "users")
    assert [(one.backups, one.document and one.document["name"]) for one in found.versions] == [
        (ids[:2], "Ada"),
        (ids[2:3], "Ada L."),
        ([ids[3], "now"], None),
    ]
    assert [[(change.path, change.way) for change in one.changes] for one in found.versions] == [
        [],
        [("name", Way.CHANGED), ("address", Way.REMOVED)],
        [],
    ]
    assert found.newest is found.versions[1]
