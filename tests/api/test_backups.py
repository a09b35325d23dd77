"""The routes of the specification and those beside them, over a real socket, on a real directory and a wire server."""

import base64
import gzip
import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.model import Form
from support import forms
from support.command import files, small_disk
from support.many_backups import repeat
from support.rig import BUSES, DB, PEOPLE
from support.served import BACKUPS, READER, Served
from support.servers import ServerProcess, seed

UNKNOWN = "seed_backup_20200101_000000"


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def without_times(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in ("timestamp", "duration_seconds")}


def test_status_has_the_keys_and_words_of_the_specification(served: Served) -> None:
    made = served.back_up()
    status = served.get(f"{BACKUPS}/status").json
    assert list(status) == ["main", "attendance"]
    last = status["main"].pop("last_backup")
    kept = {
        "keep_last": 5,
        "keep_hourly": 0,
        "keep_daily": 0,
        "keep_weekly": 0,
        "keep_monthly": 0,
        "keep_yearly": 0,
        "keep_within_days": 0,
        "retention_days": 30,
        "max_total_mb": 0.0,
        "reaches_back": "about 4 weeks",
        "reaches_back_seconds": 2_592_000.0,
        "cure": "",
    }
    only = {"backup_id": made["backup_id"], "timestamp": made["timestamp"], "age_hours": 0.0}
    assert status == {
        "main": {
            "status": "current",
            "health": "healthy",
            "message": "Latest backup is 0 minutes old",
            "backup_count": 1,
            "retention_limit": 5,
            "retention_days": 30,
            "directory": ".",
            "states": {"valid": 1, "invalid": 0, "missing": 0, "orphan": 0},
            "suspicions": [],
            "newest_restorable": only,
            "oldest_restorable": only,
            "last_verification": None,
            "last_drill": None,
            "retention": kept,
            "copies": [],
        },
        "attendance": {
            "status": "missing",
            "health": "critical",
            "message": "No backup exists",
            "last_backup": None,
            "backup_count": 0,
            "retention_limit": 5,
            "retention_days": 30,
            "directory": "attendance",
            "states": {"valid": 0, "invalid": 0, "missing": 0, "orphan": 0},
            "suspicions": [],
            "newest_restorable": None,
            "oldest_restorable": None,
            "last_verification": None,
            "last_drill": None,
            "retention": kept,
            "copies": [],
        },
    }
    assert without_times(last) == {
        "backup_id": made["backup_id"],
        "filename": made["filename"],
        "size_mb": made["file_size_mb"],
        "checksum": made["checksum"],
        "age_hours": 0.0,
        "is_valid": True,
        "verify_message": "Integrity verified",
        "collections": {"users": len(PEOPLE), "buses": len(BUSES)},
    }


def test_list_shows_the_newest_first_by_the_page_with_the_total_in_a_header(served: Served) -> None:
    made = [served.back_up()["backup_id"] for _ in range(3)]
    answer = served.get(f"{BACKUPS}/list?backup_type=main")
    assert [one["backup_id"] for one in answer.json["main"]] == made[::-1]
    assert {one["verify_message"] for one in answer.json["main"]} == {"Integrity verified"}
    assert answer.headers["X-Total-Count"] == "3"
    page = served.get(f"{BACKUPS}/list?backup_type=main&limit=1&offset=1")
    assert [one["backup_id"] for one in page.json["main"]] == [made[1]]
    assert page.headers["X-Total-Count"] == "3"


def test_health_has_the_keys_of_the_specification_and_what_is_worst(served: Served) -> None:
    served.back_up()
    health = served.get(f"{BACKUPS}/health").json
    assert health["overall_health"] == "critical"  # there is no backup of attendance
    assert health["main_backup"]["health"] == "healthy"
    assert health["attendance_backup"]["health"] == "critical"
    assert health["storage"]["has_sufficient_space"] is True
    assert health["storage"]["minimum_required_mb"] == 0
    assert {key: health["configuration"][key] for key in ("backup_limit", "retention_days", "backup_directory")} == {
        "backup_limit": 5,
        "retention_days": 30,
        "backup_directory": str(served.directory),
    }
    assert health["scheduler"] == {
        "is_running": True,
        "error": None,
        "held_because": None,
        "failing_sets": [],
        "paused_sets": [],
    }
    assert health["mongodb"]["is_up"] is True


def test_trigger_answers_with_what_became_of_each_set(served: Served) -> None:
    answer = served.post(f"{BACKUPS}/trigger")
    assert answer.status == 409  # nothing of attendance exists: no success is shown for both
    main, attendance = answer.json["main"], answer.json["attendance"]
    assert (main["success"], main["message"], main["metadata"]["filename"]) == (True, main["message"], main["message"])
    assert main["metadata"]["collections"] == {"users": len(PEOPLE), "buses": len(BUSES)}
    assert (attendance["success"], attendance["code"], attendance["metadata"]) == (False, "nothing_to_back_up", None)


def test_trigger_refuses_a_set_that_is_being_backed_up(served: Served) -> None:
    served.lab(labFault="find", action="stall", times=-1)
    begun = served.post(f"{BACKUPS}/trigger?backup_type=main&wait=0")
    assert begun.status == 202
    assert begun.json["main"]["success"] is None
    job = begun.headers["Location"]
    assert job == f"/api/admin/jobs/{begun.json['main']['job_id']}"
    refused = served.post(f"{BACKUPS}/trigger?backup_type=main")
    assert (refused.status, refused.json["main"]["code"]) == (409, "busy")
    served.post(f"{job}/cancel")
    ended = served.wait_until(job, "state", "aborted")
    assert (ended["runs"][0]["code"], ended["runs"][0]["message"]) == ("cancelled", "cancelled by admin token")
    assert files(served.directory) == {name: b for name, b in files(served.directory).items() if ".history" in name}


def test_a_wait_that_runs_out_answers_202_and_the_job_goes_on(served: Served) -> None:
    served.lab(labFault="find", action="stall", times=-1)
    begun = served.post(f"{BACKUPS}/trigger?backup_type=main&wait=0.1")
    assert begun.status == 202
    assert served.get(begun.headers["Location"]).json["state"] == "running"


def test_trigger_without_mongodb_answers_503_with_the_body_of_each_set(served: Served) -> None:
    served.mongodb.kill()
    answer = served.post(f"{BACKUPS}/trigger?backup_type=main")
    assert answer.status == 503
    assert (answer.json["main"]["success"], answer.json["main"]["code"]) == (False, "mongodb_unavailable")
    served.mongodb.start()
    seed(served.mongodb.uri, DB, {"users": PEOPLE})
    assert served.back_up()["missing_collections"] != []


def test_trigger_without_room_answers_507(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE})
    with (
        small_disk(tmp_path / "disk", "2m") as disk,
        Served(exact, disk / "backups", {"MIN_STORAGE_MB": "10"}) as served,
    ):
        answer = served.post(f"{BACKUPS}/trigger?backup_type=main")
        assert (answer.status, answer.json["main"]["code"]) == (507, "storage_full")
        health = served.get(f"{BACKUPS}/health").json
        assert (health["overall_health"], health["storage"]["has_sufficient_space"]) == ("critical", False)


def test_a_repeated_request_with_its_key_gets_the_first_job(served: Served) -> None:
    first = served.post(f"{BACKUPS}/trigger?backup_type=main", **{"Idempotency-Key": "deploy 17"})
    again = served.post(f"{BACKUPS}/trigger?backup_type=main", **{"Idempotency-Key": "deploy 17"})
    assert (again.status, again.json) == (200, first.json)
    other = served.post(f"{BACKUPS}/trigger?backup_type=attendance", **{"Idempotency-Key": "deploy 17"})
    assert (other.status, other.json["code"]) == (422, "usage")
    served.kill()
    served.start()
    later = served.post(f"{BACKUPS}/trigger?backup_type=main", **{"Idempotency-Key": "deploy 17"})
    assert later.json == first.json
    assert len(served.get(f"{BACKUPS}/list?backup_type=main").json["main"]) == 1


def test_verify_says_what_it_found(served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    for query in ("", "?deep=true"):
        good = served.post(f"{BACKUPS}/verify/{backup_id}{query}")
        assert good.status == 200
        assert without_job(good.json) == {"backup_id": backup_id, "is_valid": True, "message": "Integrity verified"}


def without_job(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != "job_id"}


def test_a_flipped_bit_is_found_by_verify_and_seen_everywhere_from_then_on(served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    path = served.directory / f"{backup_id}.json"
    known = path.stat()
    flip_a_bit(path)
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))  # as a failing disk does it
    answer = served.post(f"{BACKUPS}/verify/{backup_id}")
    assert (answer.status, answer.json["is_valid"]) == (200, False)
    assert answer.json["message"].startswith("SHA-256 of the data is ")
    assert served.get(f"{BACKUPS}/status").json["main"]["status"] == "corrupted"
    assert served.get(f"{BACKUPS}/{backup_id}").json["is_valid"] is False
    assert served.metrics()['valid{set="main"}'] == 0
    refused = served.get(f"{BACKUPS}/{backup_id}/download")
    assert (refused.status, refused.json["code"]) == (409, "backup_invalid")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{BACKUPS}/verify/{UNKNOWN}"),
        ("GET", f"{BACKUPS}/{UNKNOWN}"),
        ("DELETE", f"{BACKUPS}/{UNKNOWN}"),
        ("GET", f"{BACKUPS}/{UNKNOWN}/download"),
        ("PUT", f"{BACKUPS}/{UNKNOWN}/pin"),
        ("DELETE", f"{BACKUPS}/{UNKNOWN}/pin"),
        ("GET", f"{BACKUPS}/..%2f..%2fetc%2fpasswd"),
        ("GET", f"{BACKUPS}/not-an-id/download"),
    ],
)
def test_a_backup_that_does_not_exist_is_not_found(method: str, path: str, served: Served) -> None:
    answer = served.call(method, path)
    assert (answer.status, answer.json["code"]) == (404, "backup_not_found")
    assert answer.headers["Content-Type"].startswith("application/problem+json")


def test_the_last_valid_backup_and_a_pinned_one_are_only_deleted_by_force(served: Served) -> None:
    first = served.back_up()["backup_id"]
    assert served.call("DELETE", f"{BACKUPS}/{first}").json["code"] == "backup_protected"
    second = served.back_up()["backup_id"]
    assert served.call("PUT", f"{BACKUPS}/{first}/pin").json["is_pinned"] is True
    assert served.call("DELETE", f"{BACKUPS}/{first}").json["code"] == "backup_protected"
    assert served.call("DELETE", f"{BACKUPS}/{first}/pin").json["is_pinned"] is False
    assert served.call("DELETE", f"{BACKUPS}/{first}").status == 204
    assert served.call("DELETE", f"{BACKUPS}/{second}?force=true").status == 204
    assert served.get(f"{BACKUPS}/list").json == {"main": [], "attendance": []}


def test_a_pin_can_have_an_end_but_not_in_the_past(served: Served) -> None:
    backup_id = served.back_up()["backup_id"]
    pinned = served.call("PUT", f"{BACKUPS}/{backup_id}/pin", {"until": "2099-01-01T00:00:00Z"}).json
    assert (pinned["is_pinned"], pinned["pinned_until"]) == (True, "2099-01-01T00:00:00Z")
    refused = served.call("PUT", f"{BACKUPS}/{backup_id}/pin", {"until": "2020-01-01T00:00:00Z"})
    assert (refused.status, refused.json["code"]) == (409, "already_over")
    assert "expected a time in the future, not 2020-01-01 00:00:00 UTC" in refused.json["detail"]
    assert served.get(f"{BACKUPS}/{backup_id}").json["pinned_until"] == "2099-01-01T00:00:00Z"
    for no_moment in ("0.5", "2026", "2099-01-01T00:00:00", 5):
        refused = served.call("PUT", f"{BACKUPS}/{backup_id}/pin", {"until": no_moment})
        assert (refused.status, refused.json["errors"][0]["loc"]) == (422, ["body", "until"])


def test_a_download_is_the_file_with_its_digests_whole_or_in_parts(served: Served) -> None:
    made = served.back_up()
    path = f"{BACKUPS}/{made['backup_id']}/download"
    content = (served.directory / made["filename"]).read_bytes()
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    whole = served.get(path, token=READER)
    assert (whole.status, whole.body) == (200, content)
    assert whole.headers["ETag"] == f'"{made["checksum"]}"'
    assert whole.headers["Digest"] == f"SHA-256={digest}"
    assert whole.headers["Content-Digest"] == whole.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    tail = served.call("GET", path, headers={"Range": "bytes=100-", "If-Range": whole.headers["ETag"]})
    assert (tail.status, tail.body, tail.headers["Content-Range"]) == (
        206,
        content[100:],
        f"bytes 100-{len(content) - 1}/{len(content)}",
    )
    last = served.call("GET", path, headers={"Range": "bytes=-10"})
    assert (last.status, last.body) == (206, content[-10:])
    other = served.call("GET", path, headers={"Range": "bytes=100-", "If-Range": '"something else"'})
    assert (other.status, other.body) == (200, content)
    beyond = served.call("GET", path, headers={"Range": f"bytes={len(content)}-"})
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(content)}")
    for nothing in ("bytes=-0", "bytes = -00"):
        none = served.call("GET", path, headers={"Range": nothing})
        assert (none.status, none.headers["Content-Range"]) == (416, f"bytes */{len(content)}")
    assert served.call("GET", path, headers={"If-None-Match": whole.headers["ETag"]}).status == 304
    head = served.call("HEAD", path)
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(content)), b"")


def test_retention_shows_a_verdict_with_its_reason_and_prune_carries_it_out(served: Served) -> None:
    made = [served.back_up()["backup_id"] for _ in range(2)]
    served.kill()
    served.variables = {"BACKUP_LIMIT": "1"}
    served.start()
    verdicts = served.get("/api/admin/retention?backup_type=main").json["main"]
    assert [(one["backup_id"], one["keep"], one["reason"]) for one in verdicts] == [
        (made[1], True, "the newest valid backup"),
        (made[0], False, "number 2 of the valid backups, 1 are kept"),
    ]
    what_if = served.get("/api/admin/retention?backup_type=main&keep_hourly=3&keep_last=2").json["main"]
    assert [(one["keep"], one["rules"]) for one in what_if] == [(True, ["newest"]), (True, ["last"])]
    assert served.post("/api/admin/retention/prune").json["main"]["message"] == "1 backups deleted"
    assert [one["backup_id"] for one in served.get(f"{BACKUPS}/list").json["main"]] == [made[1]]
    assert served.metrics()['retention_deleted_backups_total{set="main"}'] == 1


def test_one_backup_shows_all_of_its_metadata(served: Served) -> None:
    made = served.back_up()
    shown = served.get(f"{BACKUPS}/{made['backup_id']}").json
    assert shown["metadata"] == made
    assert datetime.fromisoformat(shown["timestamp"]) <= datetime.now(UTC)
    assert json.loads((served.directory / f"{made['backup_id']}.meta.json").read_text())["checksum"] == made["checksum"]


def test_a_list_is_narrowed_by_state_and_trigger(served: Served) -> None:
    made = [served.back_up() for _ in range(3)]
    flip_a_bit(served.directory / made[1]["filename"])

    def listed(query: str) -> tuple[list[str], str]:
        answer = served.get(f"{BACKUPS}/list?backup_type=main&{query}")
        return [one["backup_id"] for one in answer.json["main"]], answer.headers["X-Total-Count"]

    newest, broken, oldest = (one["backup_id"] for one in reversed(made))
    assert listed("state=invalid") == ([broken], "1")
    assert listed("state=valid&limit=1") == ([newest], "2")
    assert listed("state=valid&limit=1&offset=1") == ([oldest], "2")
    assert listed("trigger=manual") == ([newest, broken, oldest], "3")
    assert listed("trigger=scheduled") == ([], "0")
    assert served.get(f"{BACKUPS}/list?state=good").status == 422


def test_long_answers_are_compressed_for_who_takes_it(served: Served) -> None:
    now = datetime.now(UTC)
    repeat(served.directory, served.back_up(), [now - timedelta(hours=number) for number in range(1, 40)])
    plain = served.get(f"{BACKUPS}/list")
    packed = served.call("GET", f"{BACKUPS}/list", headers={"Accept-Encoding": "gzip"})
    assert ("Content-Encoding" in plain.headers, packed.headers["Content-Encoding"]) == (False, "gzip")
    assert len(packed.body) < len(plain.body) / 2
    assert [one["backup_id"] for one in json.loads(gzip.decompress(packed.body))["main"]] == [
        one["backup_id"] for one in plain.json["main"]
    ]


def test_a_download_of_a_compressed_and_encrypted_backup_is_the_file_or_its_text(
    exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": BUSES})
    variables = forms.environment(Form.COMPRESSED_AND_ENCRYPTED, tmp_path)
    with Served(exact, tmp_path / "backups", variables) as served:
        made = served.back_up()
        path = f"{BACKUPS}/{made['backup_id']}/download"
        stored, text = served.get(path), served.get(f"{path}?decompress=1")
        assert stored.body == (served.directory / made["filename"]).read_bytes()
        assert stored.headers["Content-Type"] == "application/octet-stream"
        assert hashlib.sha256(text.body).hexdigest() == made["content_checksum"]
        assert (text.headers["ETag"], text.headers["Content-Length"]) == (
            f'"{made["content_checksum"]}"',
            str(made["content_size_bytes"]),
        )
        assert text.headers["Content-Disposition"] == f'attachment; filename="{made["backup_id"]}.json"'
        again = served.call("GET", f"{path}?decompress=1", headers={"If-None-Match": text.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")
        assert served.metrics()[f'recipient_backups{{recipient="{forms.RECIPIENT[:16]}",set="main"}}'] == 1
