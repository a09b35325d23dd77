"""What a person or a pipe gets to see, whatever others called their collections and however narrow the terminal is."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from support.command import Command
from support.rig import BUSES, DB, PEOPLE
from support.servers import ServerProcess, seed

HOSTILE = ("log[/x]", "[red]gone[/red]", "esc\x1b]0;PWN\x07", ":smile:")
ALL = '[sets.everything]\ncollections = ["*"]\nprefix = "attendance_backup"\n[sets.attendance]\nprefix = "other"\n'


@pytest.fixture
def command(exact: ServerProcess, tmp_path: Path) -> Command:
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": BUSES[:5], **{name: [{"_id": 1}] for name in HOSTILE}})
    (tmp_path / "sidecar.toml").write_text(ALL)
    command = Command(exact, tmp_path / "backups", {"SIDECAR_CONFIG": str(tmp_path / "sidecar.toml")})
    assert command.run("backup", "everything").returncode == 0
    return command


def newest(command: Command) -> str:
    listed: list[dict[str, str]] = command.json("list", "everything")
    return listed[0]["backup_id"]


def on_a_terminal(command: Command, *arguments: str, columns: int = 80, answer: bytes = b"") -> list[str]:
    """The lines that a terminal of so many columns shows, without their colours, while somebody types the answer."""
    ours, theirs = pty.openpty()
    environment = command.environment | {"TERM": "xterm", "COLUMNS": str(columns)}
    with subprocess.Popen(
        [sys.executable, "-m", "sidecar", *arguments], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ):
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
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()


def test_names_that_others_chose_are_shown_as_they_are(command: Command) -> None:
    backup = newest(command)
    for arguments in (
        ("restore", backup, "--dry-run"),
        ("diff", backup, "--live"),
        ("restore", backup, "--target-db", "copy", "--yes"),
    ):
        ended = command.run(*arguments)
        assert (ended.returncode, "\x1b" in ended.stdout + ended.stderr) == (0, False), ended.stderr
        for shown in ("log[/x]", "[red]gone[/red]", r"esc\x1b]0;PWN\x07", ":smile:"):
            assert shown in ended.stdout
    stray = command.directory / "everything" / "attendance_backup_20261101_000000.json"
    stray.write_text("{}")
    stray.with_suffix(".meta.json").write_text(json.dumps({"filename": "\x1b[2J[/b]", "backup_type": "[/x]"}))
    listed = command.run("list")
    assert (listed.returncode, "\x1b" in listed.stdout + listed.stderr) == (0, False), listed.stderr


def test_nothing_is_cut_at_80_columns(command: Command) -> None:
    backup = newest(command)
    pinned = command.run("pin", backup)
    assert pinned.returncode == 0
    with MongoClient[dict[str, Any]](command.server.uri) as client:
        client[DB]["users"].delete_one({"_id": 3})
    shown = {
        arguments[0]: on_a_terminal(command, *arguments, answer=b"n\n")
        for arguments in (("list", "--quick"), ("status",), ("prune", "--dry-run"), ("restore", backup))
    }
    assert [line for lines in shown.values() for line in lines if len(line) > 80 or "…" in line] == []
    assert [name for name, lines in shown.items() if not any(backup in line for line in lines)] == ["restore"]
    told = {name: "\n".join(lines) for name, lines in shown.items()}
    assert "✔ valid (pinned)" in told["list"]
    assert re.search(r"Nothing was read: verdicts from 20\d\d-\d\d-\d\d \d\d:\d\d UTC\.", told["list"])
    assert "no server runs on this directory, so nothing is backed up by itself" in told["status"]
    plan, _, asked = told["restore"].partition("Replace these collections of")
    assert asked, plan
    assert re.search(r"users\s.*50.*49 documents.*\b1\b", plan, re.DOTALL), plan  # compared, before it asks
    assert len(list(command.directory.rglob("*.meta.json"))) == 1  # and nothing was begun


def test_the_newest_backup_is_listed_last(command: Command) -> None:
    older = newest(command)
    assert command.run("backup", "everything").returncode == 0
    names = re.findall(r"attendance_backup_\d+_\d+", command.run("list").stdout)
    assert names == [older, newest(command)]


def test_a_report_that_nobody_can_read_ends_no_backup(command: Command) -> None:
    run = [sys.executable, "-m", "sidecar", "backup", "everything"]
    before = len(command.json("list", "everything"))
    closed = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *run], env=command.environment, check=False)
    with Path("/dev/full").open("w") as full:
        told = subprocess.run(run, env=command.environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (closed.returncode, told.returncode) == (0, 1)
    assert "standard output: No space left on device; what the command did is done" in told.stderr
    assert len(command.json("list", "everything")) == before + 2


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("--version >/dev/full", 1),
        ("--version >&-", 0),
        ("--help >/dev/full", 1),
        ("backup --help >/dev/full", 1),
        ("show seed_backup_20260101_000000 2>/dev/full", 1),
        ("nonsense 2>/dev/full", 2),
        ("healthcheck >&- 2>&-", 1),
    ],
)
def test_streams_that_take_nothing_change_no_exit_code(line: str, code: int, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "BACKUP_DIR": str(tmp_path / "backups"), "SIDECAR_PORT": "1"}
    shell = ["sh", "-c", f'exec "$0" -m sidecar {line}', sys.executable]
    done = subprocess.run(shell, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr, "Exception ignored" in done.stderr) == (code, False, False)


def test_a_terminal_without_our_characters_gets_replacements(command: Command) -> None:
    plain = replace(command, variables=dict(command.variables) | {"PYTHONIOENCODING": "latin-1"})
    listed = plain.run("list")
    assert (listed.returncode, "? valid" in listed.stdout) == (0, True), listed.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("restore", "ID", "--target-db", "", "--yes"),
        ("restore", "ID", "--target-db= ", "--yes"),
        ("restore", "ID", "--collections", "", "--yes"),
        ("restore", "ID", "--collections", "users,,buses", "--yes"),
        ("restore", "", "--yes"),
        ("restore", "ID", "--target-db", "a/b", "--dry-run"),
        ("restore", "ID", "--target-db", "x" * 64, "--dry-run"),
    ],
)
def test_an_empty_or_impossible_value_is_a_usage_error(
    arguments: tuple[str, ...], exact: ServerProcess, tmp_path: Path
) -> None:
    command = Command(exact, tmp_path / "backups")
    seed(exact.uri, DB, {"users": PEOPLE[:5]})
    assert command.run("backup", "main").returncode == 0
    ended = command.run(*[command.valid()[0] if one == "ID" else one for one in arguments])
    assert (ended.returncode, "expected" in ended.stderr) == (2, True), ended.stderr
    assert len(command.stored()) == 1  # no safety backup: nothing was begun


def test_ctrl_c_is_130(command: Command) -> None:
    backup = newest(command)
    with MongoClient[dict[str, Any]](command.server.uri) as client:
        client[DB].command({"labFault": "find", "action": "stall", "times": -1})
        for arguments in (("backup", "everything"), ("diff", backup, "--live")):
            client[DB].command({"labCommands": 1})
            with command.start(*arguments) as process:
                while not any(one["name"] == "find" for one in client[DB].command({"labCommands": 1})["commands"]):
                    assert process.poll() is None
                process.send_signal(signal.SIGINT)
                said = process.communicate(timeout=60)[1]
                assert process.returncode == 130
            assert ("a backup that was not complete was discarded" in said) is (arguments[0] == "backup")
    assert [newest(command)] == [backup]


def test_an_extract_is_for_us_alone_and_replaces_nothing_unasked(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    arguments = ("extract", newest(command), "-c", "users", "-o", str(file))
    written = command.run(*arguments)
    assert (written.returncode, written.stdout) == (0, "")
    assert written.stderr.startswith(f"{file}: 50 documents of users, ")
    assert (file.stat().st_mode & 0o777, len(json.loads(file.read_text()))) == (0o600, 50)
    file.write_text("mine")
    refused = command.run(*arguments)
    assert (refused.returncode, "--overwrite" in refused.stderr, file.read_text()) == (2, True, "mine")
    assert command.run(*arguments, "--overwrite").returncode == 0
    assert len(json.loads(file.read_text())) == 50
    assert [path.name for path in tmp_path.glob(".users*")] == []


def test_a_quick_list_reads_nothing_and_claims_nothing(command: Command) -> None:
    backup = newest(command)
    data = command.directory / "everything" / f"{backup}.json"
    data.write_bytes(data.read_bytes().replace(b"pupil 1", b"pupil X"))
    (quick,) = command.json("list", "everything", "--quick")
    assert (quick["is_valid"], quick["state"], quick["verified_at"]) == (None, None, None)
    assert [one["state"] for one in command.json("list", "everything")] == ["invalid"]
    (quick,) = command.json("list", "everything", "--quick")
    assert (quick["is_valid"], quick["state"], quick["verified_at"][:2]) == (False, "invalid", "20")


def test_a_backup_of_some_collections_is_not_said_to_lack_the_others(command: Command) -> None:
    whole = newest(command)
    restored = command.run("restore", whole, "--collections", "buses", "--yes", "--json")
    safety = json.loads(restored.stdout)["safety_backup"]
    found = json.loads(command.run("diff", whole, safety, "--json").stdout)
    assert (found["buses"]["not_in"], found["users"]["not_in"], found["users"]["removed"]) == (None, "right", 0)
    assert "not in the second backup: nothing was compared" in command.run("diff", whole, safety).stdout


def test_a_shell_is_told_how_a_line_may_go_on(command: Command) -> None:
    asked = {"_SIDECAR_COMPLETE": "complete_bash", "COMP_WORDS": "sidecar show att", "COMP_CWORD": "2"}
    offered = replace(command, variables=dict(command.variables) | asked).run().stdout.split()
    assert offered == [one.name.removesuffix(".json") for one in command.directory.rglob("att*[0-9].json")]
    assert "_SIDECAR_COMPLETE=complete_zsh" in command.run("completion", "zsh").stdout


def test_one_backup_is_shown_listed_by_choice_and_deleted_on_request(command: Command) -> None:
    older = newest(command)
    assert command.run("backup", "everything").returncode == 0
    shown = command.run("show", older)
    assert (shown.returncode, older in shown.stdout, "log[/x]" in shown.stdout) == (0, True, True), shown.stderr
    assert command.json("show", older)["metadata"]["collections"]["users"] == 50
    assert [one["backup_id"] for one in command.json("list", "everything", "--limit", "1")] == [newest(command)]
    assert command.json("list", "everything", "--since", "2999-01-01") == []
    refused = command.run("delete", older)
    assert (refused.returncode, "expected --yes" in refused.stderr) == (2, True)
    assert command.run("delete", older, "--yes").stdout == f"{older} is deleted.\n"
    assert [one["backup_id"] for one in command.json("list", "everything")] == [newest(command)]
    assert command.json("runs") == []  # the server's record, and there was no server


def test_status_check_is_an_exit_code_for_monitors(command: Command) -> None:
    assert command.run("status", "everything", "--check").returncode == 0
    shown = command.run("status", "main", "--check")  # which has no backup
    assert (shown.returncode, "Free space: " in shown.stdout) == (3, True), shown.stderr
    assert command.run("status", "main").returncode == 0
