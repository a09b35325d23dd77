"""Restores by the API: planned, confirmed, proven, and undone."""

from typing import Any

from pymongo import MongoClient

from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, Served


def held(served: Served, name: str, db: str = DB) -> list[Any]:
    with MongoClient[dict[str, Any]](served.mongodb.uri) as client:
        return list(client[db][name].find())


def lose_everything(served: Served) -> None:
    with MongoClient[dict[str, Any]](served.mongodb.uri) as client:
        client[DB]["users"].drop()
        client[DB]["buses"].delete_one({"_id": 3})


def planned(name: str, documents: int, replaces: int | None, inserted: int, unchanged: int) -> dict[str, Any]:
    figures = {"inserted": inserted, "replaced": 0, "unchanged": unchanged, "removed": 0, "warnings": []}
    line = {
        "collection": name,
        "kind": "collection",
        "documents": documents,
        "replaces_documents": replaces,
        "indexes": 0,
    }
    return line | figures


def test_two_backups_are_compared(served: Served) -> None:
    first = served.back_up()["backup_id"]
    lose_everything(served)
    second = served.back_up()["backup_id"]
    found = served.get(f"{BACKUPS}/{first}/diff/{second}").json
    assert {name: (one["added"], one["removed"], one["changed"]) for name, one in found.items()} == {
        "buses": (0, 1, 0),
        "users": (0, len(PEOPLE), 0),
    }
    assert found["buses"]["ids"] == {"removed": [{"$numberInt": "3"}]}
    assert served.get(f"{BACKUPS}/{second}/diff").json["buses"]["removed"] == 0
    assert served.get(f"{BACKUPS}/{first}/diff").json["buses"] == found["buses"]
    assert served.get(f"{BACKUPS}/{first}/diff/seed_backup_20000101_000000").status == 404
    assert served.get(f"{BACKUPS}/{second}").json["is_suspect"] is True
    metrics = served.metrics()
    assert (metrics['suspect_backups{set="main"}'], metrics['retention_held{set="main"}']) == (1, 1)
    assert served.get(f"{BACKUPS}/status").json["main"]["health"] == "warning"
    assert served.post(f"{BACKUPS}/{second}/confirm").json["is_suspect"] is False
    assert served.metrics()['retention_held{set="main"}'] == 0
    assert served.post(f"{BACKUPS}/{first}/confirm").json["code"] == "not_suspect"


def test_a_dry_run_estimates_the_time_from_the_last_drill(served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    dry = {"dry_run": True}
    assert served.post(f"{BACKUPS}/{backup_id}/restore", dry).json["estimated_seconds"] is None
    assert served.post(f"{BACKUPS}/drill?backup_type=main").status == 200
    took = served.metrics()['restore_drill_duration_seconds{set="main"}']
    assert abs(served.post(f"{BACKUPS}/{backup_id}/restore", dry).json["estimated_seconds"] - took) < 0.5


def test_a_dry_run_shows_the_plan_and_writes_nothing(served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    lose_everything(served)
    answer = served.post(f"{BACKUPS}/{backup_id}/restore", {"dry_run": True})
    assert (answer.status, answer.json["success"], answer.json["job_id"]) == (200, None, None)
    assert answer.json["plan"] == [
        planned("users", len(PEOPLE), None, len(PEOPLE), 0),
        planned("buses", len(BUSES), len(BUSES) - 1, 1, len(BUSES) - 1),
    ]
    assert held(served, "users") == []


def test_a_restore_needs_the_databases_name_and_proves_itself(served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    lose_everything(served)
    for refused in ({}, {"confirm": "another"}, {"target_db": "copy", "confirm": DB}):
        answer = served.post(f"{BACKUPS}/{backup_id}/restore", refused)
        assert (answer.status, answer.json["code"]) == (422, "usage")
    answer = served.post(f"{BACKUPS}/{backup_id}/restore", {"confirm": DB})
    assert (answer.status, answer.json["success"]) == (200, True)
    assert held(served, "users") == PEOPLE
    assert held(served, "buses") == BUSES
    listed = served.get(f"{BACKUPS}/list?backup_type=main").json["main"]
    assert [(one["trigger"], one["is_pinned"]) for one in listed] == [("pre_restore", True), ("manual", False)]
    assert listed[0]["backup_id"] in answer.json["message"]
    assert served.get(f"{BACKUPS}/status").json["main"]["last_backup"]["backup_id"] == backup_id
    assert served.metrics()['restores_total{set="main"}'] == 1


def test_a_restore_into_another_database_of_some_collections(served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    body = {"target_db": "copy", "collections": ["buses"], "confirm": "copy"}
    assert served.post(f"{BACKUPS}/{backup_id}/restore", body).json["message"].endswith("nothing was there before")
    assert (held(served, "buses", "copy"), held(served, "users", "copy")) == (BUSES, [])
    unknown = served.post(f"{BACKUPS}/{backup_id}/restore", body | {"collections": ["nothing"]})
    assert (unknown.status, unknown.json["code"]) == (422, "usage")


def test_an_index_that_the_server_refuses_is_named_and_the_documents_can_be_had_without_it(served: Served) -> None:
    served.lab(createIndexes="buses", indexes=[{"name": "seats", "key": {"seats": 1}}])
    backup_id = served.back_up()["backup_id"]
    where = {"target_db": "copy", "collections": ["buses"], "confirm": "copy"}
    refusal = {"labFault": "createIndexes", "action": "error", "times": 1, "code": 67, "message": "not here"}
    served.lab(**refusal)
    refused = served.post(f"{BACKUPS}/{backup_id}/restore", where)
    assert (refused.status, refused.json["code"], refused.json["plan"][0]["indexes"]) == (502, "index_rejected", 1)
    assert "buses: the server does not build the index seats: " in refused.json["message"]
    assert served.post(f"{BACKUPS}/{backup_id}/restore", where | {"no_indexes": True}).json["success"] is True
    served.lab(**refusal)
    forced = served.post(f"{BACKUPS}/{backup_id}/restore", where | {"force": True}).json
    assert (forced["success"], forced["message"].endswith("; restored without it")) == (True, True)
    assert held(served, "buses", "copy") == BUSES


def test_a_restore_that_fails_says_why_and_what_became_of_the_target(served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    served.lab(labFault="renameCollection", action="error", skip=1, times=1, code=6, message="no more renames")
    answer = served.post(f"{BACKUPS}/{backup_id}/restore", {"confirm": DB})
    assert (answer.status, answer.json["success"]) == (502, False)
    assert "no more renames" in answer.json["message"]
    assert "what the target held before was put back" in answer.json["message"]
    assert served.metrics()['restore_failures_total{set="main"}'] == 1
    assert (held(served, "users"), held(served, "buses")) == (PEOPLE, BUSES)


def test_a_restore_and_a_backup_of_a_set_do_not_run_at_once(served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    served.lab(labFault="renameCollection", action="stall", times=-1)
    begun = served.post(f"{BACKUPS}/{backup_id}/restore?wait=0", {"confirm": DB})
    assert (begun.status, begun.json["success"]) == (202, None)
    assert served.post(f"{BACKUPS}/trigger?backup_type=main").status == 409
    served.lab(labReset=1)
    served.post(f"{begun.headers['Location']}/cancel")


def test_documents_are_found_shown_beside_the_database_and_brought_back(served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    lose_everything(served)
    three = {"$numberInt": "3"}
    document = {"_id": three, "seats": {"$numberInt": "43"}}
    found = f"{BACKUPS}/{backup_id}/documents?collection=buses"
    by_id = served.get(f"{found}&id=3&live=true").json
    assert by_id == {
        "backup_id": backup_id,
        "collection": "buses",
        "count": 1,
        "documents": [{"id": three, "document": document, "now": "gone", "changes": []}],
        "live_error": None,
    }
    by_field = served.get(f"{found}&where=%7B%22seats%22%3A43%7D").json
    assert by_field == by_id | {"documents": [{"id": three, "document": document, "now": None, "changes": []}]}
    body = {"collections": ["buses"], "ids": ["3", {"$numberInt": "4"}]}
    restoring = f"{BACKUPS}/{backup_id}/restore"
    (line,) = served.post(restoring, body | {"dry_run": True}).json["plan"]
    assert (line["documents"], line["inserted"], line["replaced"], line["unchanged"]) == (2, 1, 0, 1)
    assert served.post(restoring, body).json["code"] == "usage"  # without the database's name
    done = served.post(restoring, body | {"confirm": DB}).json
    assert (done["success"], done["message"]) == (
        True,
        f"documents of buses in {DB}: 1 inserted, 1 unchanged; read back and compared",
    )
    assert (sorted(held(served, "buses"), key=lambda bus: bus["_id"]), held(served, "users")) == (BUSES, [])


def test_a_search_that_means_nothing_is_refused(served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    found = f"{BACKUPS}/{backup_id}/documents?collection=buses"
    assert served.get(found).json["code"] == "usage"
    assert served.get(f"{found}&id=3&where=%7B%7D").json["code"] == "usage"
    assert served.get(f"{BACKUPS}/{backup_id}/documents?collection=nothing&id=3").json["code"] == "usage"
    missing = {"collections": ["buses"], "ids": ["nobody"], "dry_run": True}
    answer = served.post(f"{BACKUPS}/{backup_id}/restore", missing)
    assert (answer.status, answer.json["code"]) == (404, "document_not_found")


def test_documents_are_shown_also_while_the_database_is_away(served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    with MongoClient[dict[str, Any]](served.mongodb.uri) as client:
        client[DB].command({"labFault": "listCollections", "action": "error", "times": -1})
    found = served.get(f"{BACKUPS}/{backup_id}/documents?collection=buses&id=3&live=true").json
    assert (found["count"], found["documents"][0]["now"]) == (1, None)
    assert "listing the collections" in found["live_error"]
