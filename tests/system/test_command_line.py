"""The commands as people and scripts use them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient

from support.command import Command, files
from support.rig import BUSES, DB, PEOPLE, Rig, raw
from support.servers import ServerProcess, seed

HOSTILE = bson.encode({"_id": "odd", "$date": "a key that only looks like one of Extended JSON's"})


@pytest.fixture
def command(exact: ServerProcess, tmp_path: Path) -> Command:
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": [*raw(BUSES[:5]), HOSTILE]})
    command = Command(exact, tmp_path / "backups")
    assert command.run("backup", "main").returncode == 0
    return command


def newest(command: Command) -> str:
    return command.valid()[0]


def documents(command: Command, name: str, db: str) -> list[bytes]:
    return Rig.documents(Rig(command.server, command.store, None), name, db)  # type: ignore[arg-type] # reads only


def test_list_shows_the_entries_of_the_api(command: Command) -> None:
    (entry,) = command.json("list", "main")
    missing = ["students", "routes", "stops", "holidays", "device_keys"]
    metadata = json.loads((command.directory / f"{newest(command)}.meta.json").read_text())
    assert entry == {
        "backup_id": newest(command),
        "backup_type": "main",
        "filename": f"{newest(command)}.json",
        "timestamp": entry["timestamp"],
        "size_mb": round(metadata["file_size_bytes"] / 2**20, 2),
        "size_bytes": metadata["file_size_bytes"],
        "checksum": metadata["checksum"],
        "collections": {"users": 50, "buses": 6},
        "is_valid": True,
        "state": "valid",
        "verify_message": "Integrity verified",
        "age_days": 0,
        "is_pinned": False,
        "pinned_until": None,
        "trigger": "manual",
        "consistency": "snapshot",
        "duration_seconds": metadata["duration_seconds"],
        "missing_collections": missing,
        "is_suspect": False,
        "suspicions": [],
        "is_ahead": False,
        "compression": None,
        "recipients": [],
        "is_sealed": False,
        "content_size_bytes": metadata["file_size_bytes"],
        "content_checksum": metadata["checksum"],
    }
    assert metadata["mongo_url"] == f"127.0.0.1:{command.server.port}"


def test_status_says_how_old_the_newest_backup_is(command: Command) -> None:
    status = command.json("status", "main")["main"]
    assert (status["status"], status["health"], status["backup_count"]) == ("current", "healthy", 1)
    assert status["message"].startswith("Latest backup is ")


def test_backup_all_goes_on_after_a_set_that_fails(command: Command) -> None:
    ended = command.run("backup", "both", "--json")
    assert ended.returncode == 1
    body = json.loads(ended.stdout)
    assert (body["main"]["success"], body["attendance"]["success"]) == (True, False)
    assert body["attendance"]["code"] == "nothing_to_back_up"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("backup", "nonsense"), 2, "unknown backup set 'nonsense': expected main, attendance, both or all"),
        (("verify",), 2, "expected either a backup id or --all"),
        (("verify", "seed_backup_20200101_000000"), 1, "there is no backup 'seed_backup_20200101_000000'"),
        (("restore",), 2, "expected either a backup id or --backup-file"),
        (
            ("restore", "--backup-file", "/nowhere/seed_backup_20200101_000000.json", "--yes"),
            1,
            "expected an existing file",
        ),
        (("list", "--no-such-option"), 2, "No such option"),
    ],
)
def test_what_cannot_be_done_ends_with_its_exit_code_and_says_why(
    arguments: tuple[str, ...], code: int, said: str, command: Command
) -> None:
    ended = command.run(*arguments)
    assert (ended.returncode, said in ended.stderr) == (code, True), ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_bad_configuration_names_every_problem_and_no_secret(command: Command) -> None:
    bad = {"BACKUP_LIMIT": "none", "SIDECAR_TYPO": "1", "MONGO_URL": "mongo://admin:hunter2@db"}
    ended = Command(command.server, command.directory, bad).run("list")
    assert ended.returncode == 2
    assert [name for name in bad if name not in ended.stderr] == []
    assert "hunter2" not in ended.stderr + ended.stdout


def test_no_secret_of_a_server_that_refuses_us_is_shown(command: Command) -> None:
    unreachable = {
        "MONGO_URL": "mongodb://admin:hunter2@127.0.0.1:1/?serverSelectionTimeoutMS=200",
        "SIDECAR_LOG_LEVEL": "debug",
    }
    ended = Command(command.server, command.directory, unreachable).run("backup", "main")
    assert ended.returncode == 1
    assert "127.0.0.1:1" in ended.stderr
    assert "hunter2" not in ended.stderr + ended.stdout


def test_restore_asks_where_somebody_can_be_asked_and_refuses_where_not(command: Command) -> None:
    before = documents(command, "users", DB)
    refused = command.run("restore", newest(command))
    assert refused.returncode == 2
    assert "expected --yes where there is no terminal to ask on" in refused.stderr
    assert _on_a_terminal(command, ["restore", newest(command), "--target-db", "asked"], answer=b"n\n")[0] == 1
    assert documents(command, "users", "asked") == []
    assert _on_a_terminal(command, ["restore", newest(command), "--target-db", "asked"], answer=b"y\n")[0] == 0
    assert documents(command, "users", "asked") == before


def test_a_terminal_gets_a_progress_bar(command: Command) -> None:
    code, shown = _on_a_terminal(command, ["backup", "main"])
    assert code == 0
    assert "backup users" in shown
    assert "50 documents" in shown


def test_restores_by_file_after_it_was_carried_elsewhere(command: Command, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    command.directory.rename(elsewhere)
    file = next(path for path in elsewhere.glob("*.json") if ".meta" not in path.name)
    ended = command.run("restore", "--backup-file", str(file), "--target-db", "copy", "--yes", "--json")
    assert ended.returncode == 0, ended.stderr
    assert documents(command, "buses", "copy") == [*raw(BUSES[:5]), HOSTILE]
    file.with_suffix(".meta.json").unlink()
    refused = command.run("restore", "--backup-file", str(file), "--target-db", "copy", "--yes")
    assert refused.returncode == 3
    assert "without its checksum" in refused.stderr


def test_extract_writes_what_jq_and_mongoimport_read(command: Command) -> None:
    array = command.run("extract", newest(command), "-c", "buses")
    assert array.returncode == 0
    assert "1 document written as $bson" in array.stderr
    by_jq = subprocess.run(
        ["jq", "-c", ".collections.buses", str(command.directory / f"{newest(command)}.json")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(array.stdout) == json.loads(by_jq.stdout)
    lines = command.run("extract", newest(command), "-c", "users", "--lines", "--relaxed").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [{"_id": n, "name": f"pupil {n}"} for n in range(50)]


def test_diff_names_what_was_added_removed_and_changed(command: Command) -> None:
    first = newest(command)
    seed(command.server.uri, DB, {"users": [{"_id": "new"}]})
    with MongoClient[dict[str, Any]](command.server.uri) as client:
        client[DB]["users"].delete_one({"_id": 3})
        client[DB]["users"].delete_one({"_id": 4})
        client[DB]["users"].insert_one({"_id": 4, "name": "renamed"})
        client[DB]["buses"].create_index("seats", name="seats")
    assert command.run("backup", "main").returncode == 0
    between = command.run("diff", first, newest(command), "--json")
    live = command.run("diff", first, "--live", "--json")
    assert (between.returncode, live.returncode) == (1, 1)
    assert json.loads(between.stdout) == json.loads(live.stdout)
    found = json.loads(between.stdout)
    assert found["users"] == {
        "left_documents": 50,
        "right_documents": 50,
        "removed": 1,
        "added": 1,
        "changed": 1,
        "definition_changed": False,
        "not_in": None,
        "ids": {"added": ["new"], "changed": [{"$numberInt": "4"}], "removed": [{"$numberInt": "3"}]},
    }
    assert (found["buses"]["definition_changed"], found["buses"]["changed"]) == (True, 0)
    assert command.run("diff", newest(command), "--live").returncode == 0


def test_prune_shows_every_verdict_with_its_reason_and_deletes_only_without_dry_run(command: Command) -> None:
    assert command.run("backup", "main").returncode == 0
    strict = Command(command.server, command.directory, {"BACKUP_LIMIT": "1"})
    before = files(command.directory)
    planned = strict.json("prune", "main", "--dry-run")
    assert [(one["keep"], one["reason"]) for one in planned] == [
        (True, "the newest valid backup"),
        (False, "number 2 of the valid backups, 1 are kept"),
    ]
    what_if = strict.json("prune", "main", "--dry-run", "--keep-last", "2", "--keep-daily", "14")
    assert [(one["keep"], one["rules"]) for one in what_if] == [(True, ["newest"]), (True, ["last"])]
    refused = strict.run("prune", "main", "--keep-daily", "14")
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (
        2,
        "error: options with rules only show what they would delete: expected --dry-run, or the rules in the configuration",
    )
    assert files(command.directory) == before
    assert strict.json("prune", "main") == planned
    assert [one["backup_id"] for one in strict.json("list", "main")] == [planned[0]["backup_id"]]


def _on_a_terminal(command: Command, arguments: list[str], answer: bytes = b"") -> tuple[int, str]:
    """Run with a terminal on all three streams; returns the exit code and what it showed."""
    ours, theirs = pty.openpty()
    environment = command.environment | {"TERM": "xterm", "COLUMNS": "200"}
    with subprocess.Popen(
        [sys.executable, "-m", "sidecar", *arguments], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        os.write(ours, answer)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # the other end is closed
            pass
        finally:
            os.close(ours)
    return process.returncode, shown.decode(errors="replace")


def test_restore_names_the_safety_backup_and_does_without_only_for_who_repeats_the_databases_name(
    command: Command,
) -> None:
    again = json.loads(command.run("restore", newest(command), "--yes", "--json").stdout)
    stored = {str(one.id): one for one in command.stored()}
    assert stored[again["safety_backup"]].is_pinned
    assert again["backup_id"] != again["safety_backup"]
    refused = command.run("restore", again["backup_id"], "--yes", "--no-safety", "another")
    assert (refused.returncode, f"expected the database's name, {DB}" in refused.stderr) == (2, True)
    without = json.loads(command.run("restore", again["backup_id"], "--yes", "--no-safety", DB, "--json").stdout)
    assert without["safety_backup"] is None
    assert len(command.stored()) == len(stored)


def test_a_backup_that_lost_most_of_a_collection_is_confirmed_by_name(command: Command) -> None:
    with MongoClient[dict[str, Any]](command.server.uri) as client:
        client[DB]["users"].delete_many({})
    assert command.run("backup", "main").returncode == 0
    (suspect, _) = command.json("list", "main")
    assert suspect["is_suspect"] is True
    shown = command.run("status")
    assert "lost" in shown.stdout or "suspect" in shown.stdout, shown.stdout
    assert command.run("confirm", suspect["backup_id"]).returncode == 0
    assert [one["is_suspect"] for one in command.json("list", "main")] == [False, False]
    again = command.run("confirm", command.json("list", "main")[1]["backup_id"])
    assert again.returncode != 0
    assert "is not suspect" in again.stderr


def test_a_pin_keeps_a_backup_until_it_is_taken_back(command: Command) -> None:
    pinned = newest(command)
    assert command.run("pin", pinned).stdout == f"{pinned} is kept until it is unpinned.\n"
    assert "✔ valid (pinned)" in command.run("list", "main").stdout
    assert command.run("unpin", pinned).stdout == f"{pinned} is left to the retention rules.\n"
    assert [one["is_pinned"] for one in command.json("list", "main")] == [False]
    until = command.run("pin", pinned, "--until", "2999-12-31T12:00:00")
    assert until.stdout == f"{pinned} is kept until 2999-12-31 12:00:00 UTC.\n"
    assert [one["pinned_until"] for one in command.json("list", "main")] == ["2999-12-31T12:00:00Z"]
    past = command.run("pin", pinned, "--until", "2020-01-01")
    assert (past.returncode, "in the future, not 2020-01-01" in past.stderr) == (2, True)


def test_the_list_tells_a_backup_of_before_a_restore_from_one_of_the_set(command: Command) -> None:
    assert command.run("restore", newest(command), "--collections", "users", "--yes").returncode == 0
    states = [line.partition("✔")[2] for line in command.run("list", "main").stdout.splitlines() if "✔" in line]
    assert states == [" valid", " valid (before a restore)"]


def test_sha256sum_agrees_without_us(command: Command) -> None:
    sums = command.run("checksums", "all")
    assert sums.returncode == 0, sums.stderr
    for damaged in (False, True):
        if damaged:
            path = command.directory / f"{newest(command)}.json"
            path.write_bytes(path.read_bytes()[:-1])
        checked = subprocess.run(
            ["sha256sum", "--check", "-"],
            input=sums.stdout,
            cwd=command.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (checked.returncode == 0) is not damaged, checked


def test_a_dry_run_as_json_says_what_a_restore_would_do_and_writes_nothing(command: Command) -> None:
    with MongoClient[dict[str, Any]](command.server.uri) as client:
        client[DB]["buses"].delete_one({})
        client[DB]["users"].update_one({}, {"$set": {"changed": True}})
        client[DB]["users"].insert_one({"_id": "new"})
        before = client[DB]["users"].count_documents({})
        plan = command.json("restore", newest(command), "--dry-run")
        assert client[DB]["users"].count_documents({}) == before
    assert (plan["obstacles"], plan["estimated_seconds"]) == ([], None)
    counts = {
        one["collection"]: tuple(one[key] for key in ("inserted", "replaced", "unchanged", "removed"))
        for one in plan["collections"]
    }
    assert counts == {"users": (0, 1, 49, 1), "buses": (1, 0, 5, 0)}


def test_one_document_is_traced_through_the_backups_and_brought_back(command: Command) -> None:
    with MongoClient[dict[str, Any]](command.server.uri) as client:
        client[DB]["users"].update_one({"_id": 7}, {"$set": {"name": "renamed"}})
        assert command.run("backup", "main").returncode == 0
        client[DB]["users"].delete_one({"_id": 7})
    ids = sorted(command.valid())
    seven = {"_id": {"$numberInt": "7"}}
    name = {"path": "name", "way": "changed", "before": "pupil 7", "after": "renamed"}
    assert command.json("history", "-c", "users", "--id", "7") == {
        "versions": [
            {"document": seven | {"name": "pupil 7"}, "backups": ids[:1], "changes": []},
            {"document": seven | {"name": "renamed"}, "backups": ids[1:], "changes": [name]},
            {"document": None, "backups": ["now"], "changes": []},
        ],
        "unread": {},
    }
    shown = command.run("history", "-c", "users", "--id", "7").stdout
    assert f"To bring it back: sidecar restore {ids[1]} -c users --ids 7" in shown
    wanted = ("restore", ids[0], "-c", "users", "--ids", "7,8")
    assert "Restore into" in command.run(*wanted, "--dry-run").stdout
    assert len(documents(command, "users", DB)) == 49
    assert "expected --yes" in command.run(*wanted).stderr
    done = command.run(*wanted, "--yes")
    assert "1 inserted, 0 replaced, 1 unchanged; read back and equal byte for byte" in done.stdout
    assert sorted(documents(command, "users", DB)) == sorted(raw(PEOPLE[:50]))
    assert command.run("history", "-c", "users", "--id", "nobody").returncode == 1
    assert command.run("history", "-c", "nothing", "--id", "7").returncode == 2
    assert command.run("restore", ids[0], "--ids", "7", "--yes").returncode == 2
