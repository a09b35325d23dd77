"""Stored backups that were damaged: found out every time, with the reason, and never restored."""

import hashlib
import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.archive.manifest import from_bytes, to_bytes
from sidecar.model import BackupState, Form
from sidecar.store.deep import verify_deep
from support.command import Command, assert_promise_kept, files
from support.forms import over_forms
from support.rig import BUSES, CODEC, DB, PEOPLE
from support.servers import ServerProcess, seed

FLIPS = 500


@pytest.fixture
def form() -> Form:
    """That of the backup, where a test does not name others."""
    return Form.PLAIN


@pytest.fixture
def command(form: Form, exact: ServerProcess, tmp_path: Path) -> Command:
    seed(exact.uri, DB, {"users": PEOPLE[:20], "buses": BUSES[:3]})
    command = Command(exact, tmp_path / "backups", form=form)
    ended = command.run("backup", "main")
    assert ended.returncode == 0, ended.stderr
    return command


def parts(command: Command) -> tuple[Path, Path]:
    """The data and the metadata file of the one backup."""
    (one,) = command.stored()
    return command.directory / one.filename, command.directory / one.id.metadata_name


def damaged(path: Path) -> Iterator[bytes]:
    """The file with one bit flipped, each time another."""
    whole = path.read_bytes()
    places = random.Random(path.suffixes[0])
    for place in places.sample(range(len(whole) * 8), FLIPS // 2):
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        yield bytes(content)
    path.write_bytes(whole)


@over_forms(part=[0, 1])
def test_a_flipped_bit_is_found_wherever_it_is(part: int, command: Command) -> None:
    path = parts(command)[part]
    for content in damaged(path):
        path.write_bytes(content)
        assert [one.verdict.is_valid for one in command.stored()] == [False]
    assert [one.verdict.is_valid for one in command.stored()] == [True]


@over_forms(part=[0, 1])
def test_a_file_cut_at_any_length_is_found(part: int, command: Command) -> None:
    path = parts(command)[part]
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        (found,) = command.stored()
        assert found.verdict.state is BackupState.INVALID, length
        assert found.verdict.message, length


def test_a_damaged_backup_is_listed_with_its_reason_and_never_restored(command: Command) -> None:
    data, _ = parts(command)
    data.write_bytes(data.read_bytes().replace(b"pupil 17", b"pupil 71"))
    (listed,) = command.json("list", "main")
    assert (listed["is_valid"], listed["state"]) == (False, "invalid")
    assert "SHA-256" in listed["verify_message"]
    assert command.run("verify", listed["backup_id"]).returncode == 3
    refused = command.run("restore", listed["backup_id"], "--target-db", "copy", "--yes")
    assert refused.returncode == 3
    assert "is not restored: SHA-256" in refused.stderr


def test_data_that_was_changed_together_with_its_checksums_fails_deep_verification(command: Command) -> None:
    data, metadata = parts(command)
    (one,) = command.stored()
    content = data.read_bytes().replace(b"pupil 17", b"pupil 71")
    data.write_bytes(content)
    manifest = from_bytes(metadata.read_bytes(), one.id, "main")
    metadata.write_bytes(to_bytes(manifest.model_copy(update={"checksum": hashlib.sha256(content).hexdigest()})))
    assert [found.verdict.is_valid for found in command.stored()] == [True]
    verdict = verify_deep(command.store, one.id, CODEC)
    assert not verdict.is_valid
    assert "users" in verdict.message


METADATA = {
    "nothing": b"",
    "not JSON": b"backup_id: x",
    "a list": b"[]",
    "very deep": b"[" * 100_000,
    "a number": b"7",
    "another version": b'{"version": "4.0", "format_version": 2}',
    "not text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("name", METADATA)
def test_metadata_that_is_no_metadata_is_an_invalid_backup_with_a_reason(name: str, command: Command) -> None:
    _, metadata = parts(command)
    metadata.write_bytes(METADATA[name])
    (listed,) = command.json("list", "main")
    assert (listed["is_valid"], listed["state"]) == (False, "invalid")
    assert listed["verify_message"].startswith("metadata")


def test_metadata_of_another_backup_is_not_believed(command: Command) -> None:
    data, metadata = parts(command)
    other = "seed_backup_20200101_000000"
    shutil.copy(data, data.with_name(f"{other}.json"))
    shutil.copy(metadata, metadata.with_name(f"{other}.meta.json"))
    found = {str(one.id): one.verdict for one in command.stored()}
    assert not found[other].is_valid
    assert "describes" in found[other].message


def test_data_without_metadata_and_metadata_without_data_are_reported_and_never_count(command: Command) -> None:
    data, metadata = parts(command)
    shutil.copy(data, data.with_name("seed_backup_20200101_000000.json"))
    data.unlink()
    assert {str(one.id): one.verdict.state for one in command.stored()} == {
        "seed_backup_20200101_000000": BackupState.ORPHAN,
        metadata.name.removesuffix(".meta.json"): BackupState.MISSING,
    }
    status = command.json("status", "main")["main"]
    assert (status["health"], status["backup_count"]) == ("critical", 0)


def test_what_is_not_ours_is_left_alone(command: Command) -> None:
    before = files(command.directory)
    outside = command.directory.parent / "precious.json"
    outside.write_text("{}")
    (command.directory / "seed_backup_20200101_000000.json").symlink_to(outside)
    (command.directory / "seed_backup_20200101_000000.meta.json").symlink_to(outside)
    (command.directory / "seed_backup_20200101_000001.json").mkdir()
    (command.directory / "notes.txt").write_text("mine")
    (command.directory / ".hidden.tmp").write_text("mine")
    (command.directory / "seed_backup_2020.json").write_text("mine")
    strict = Command(command.server, command.directory, {"BACKUP_LIMIT": "1", "BACKUP_RETENTION_DAYS": "1"})
    assert strict.run("backup", "main").returncode == 0
    left = files(command.directory)
    assert {"seed_backup_20200101_000000.json", "notes.txt", ".hidden.tmp", "seed_backup_2020.json"} <= set(left)
    assert (command.directory / "seed_backup_20200101_000001.json").is_dir()
    assert outside.read_text() == "{}"
    assert len(command.stored()) == 1
    assert set(before).isdisjoint(left)


def test_an_unreadable_file_is_invalid_and_not_a_crash(command: Command) -> None:
    data, _ = parts(command)
    data.unlink()
    os.mkfifo(data)
    (listed,) = command.json("list", "main")
    assert listed["state"] == "missing"
    assert command.run("verify", listed["backup_id"]).returncode == 3


def test_a_good_backup_survives_everything_that_happens_to_another(command: Command) -> None:
    good = files(command.directory)
    assert command.run("backup", "main").returncode == 0
    newest = command.directory / f"{command.valid()[0]}.json"
    newest.write_bytes(b"")
    listed = json.loads(command.run("list", "main", "--json").stdout)
    assert [one["is_valid"] for one in listed] == [False, True]
    newest.unlink()
    newest.with_suffix(".meta.json").unlink()
    assert_promise_kept(command, good)
