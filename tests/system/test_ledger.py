"""Signed backups and their ledger, as the command line and openssl see them."""

import subprocess
from pathlib import Path

from support.command import Command
from support.keys import KEY
from support.rig import BUSES, DB, PEOPLE
from support.servers import ServerProcess, seed


def test_a_backup_that_is_removed_by_hand_is_found_and_nothing_is_restored_until_it_is_accepted(
    exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE, "buses": BUSES})
    (tmp_path / "key.pem").write_bytes(KEY.private)
    (tmp_path / "pub.pem").write_bytes(KEY.public)
    variables = {"SIDECAR_SIGNING_KEY_FILE": str(tmp_path / "key.pem"), "SIDECAR_REQUIRE_SIGNATURE": "true"}
    command = Command(exact, tmp_path / "backups", variables)
    for _ in range(2):
        assert command.run("backup", "main").returncode == 0
    newest, oldest = command.valid()
    assert _openssl_agrees(command.directory, newest, tmp_path / "pub.pem")
    found = command.json("ledger", "check", "main")["main"]
    assert (found["lines"], found["problems"]) == (2, [])
    for path in command.directory.glob(f"{oldest}*"):
        path.unlink()
    checked = command.run("ledger", "check", "main")
    assert (checked.returncode, f"gone without an entry: {oldest}" in checked.stdout) == (3, True)
    refused = command.run("restore", newest, "--target-db", "copy", "--yes")
    assert (refused.returncode, "do not match" in refused.stderr) == (3, True)
    forced = command.run("restore", newest, "--target-db", "copy", "--yes", "--force")
    assert forced.returncode == 0, forced.stderr
    assert command.run("ledger", "accept", "main", "--reason", "a test").returncode == 0
    assert command.run("restore", newest, "--target-db", "copy", "--yes", "--dry-run").returncode == 0
    (command.directory / f"{newest}.meta.sig").unlink()
    unsigned = command.run("verify", newest)
    assert (unsigned.returncode, "not signed" in unsigned.stdout + unsigned.stderr) == (3, True)


def test_without_a_key_there_is_no_ledger_to_check(exact: ServerProcess, tmp_path: Path) -> None:
    assert Command(exact, tmp_path / "backups").run("ledger", "check").returncode == 2


def _openssl_agrees(directory: Path, backup_id: str, public: Path) -> bool:
    """By the command of docs/security.md."""
    metadata, signature = directory / f"{backup_id}.meta.json", directory / f"{backup_id}.meta.sig"
    options: list[str | Path] = [
        "-verify",
        "-pubin",
        "-inkey",
        public,
        "-rawin",
        "-in",
        metadata,
        "-sigfile",
        signature,
    ]
    return subprocess.run(["openssl", "pkeyutl", *options], check=False, capture_output=True).returncode == 0
