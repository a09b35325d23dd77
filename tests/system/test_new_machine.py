"""A machine is gone, and two machines want one bucket: `make copies`. The figures are those of docs/copies.md."""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from bson import encode
from pymongo import MongoClient

from support import versitygw
from support.command import Command
from support.forms import IDENTITY, RECIPIENT
from support.rig import BUSES, DB, PEOPLE
from support.servers import ServerProcess, exact_server, seed

pytestmark = [pytest.mark.copies, pytest.mark.timeout(1800)]
PHOTOS, PHOTO_BYTES = 800, 256 << 10

State = Mapping[str, list[bytes]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[versitygw.Gateway]:
    with versitygw.gateway(tmp_path) as server:
        yield server


def machine(mongodb: ServerProcess, home: Path, server: versitygw.Gateway) -> Command:
    """With a configuration file, a private key and nothing else."""
    home.mkdir()
    (home / "key.txt").write_text(IDENTITY, encoding="utf-8")
    (home / "sidecar.toml").write_text(
        f'[sets.main]\ncompression = "zstd"\nrecipients = ["{RECIPIENT}"]\n'
        f'[copies.offsite]\nurl = "s3://{versitygw.BUCKET}/school"\nsets = ["main"]\nendpoint = "{server.endpoint}"\n'
        f'region = "{versitygw.REGION}"\npath_style = true\n',
        encoding="utf-8",
    )
    return _started(mongodb, home)


def _started(mongodb: ServerProcess, home: Path) -> Command:
    variables = {
        "SIDECAR_COPY_OFFSITE_ACCESS_KEY_ID": versitygw.ACCESS,
        "SIDECAR_COPY_OFFSITE_SECRET_ACCESS_KEY": versitygw.SECRET,
        "SIDECAR_CONFIG": str(home / "sidecar.toml"),
        "SIDECAR_IDENTITY_FILE": str(home / "key.txt"),
    }
    return Command(mongodb, home / "backups", variables)


def done(command: Command, *words: str) -> str:
    ended = command.run(*words)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def state(mongodb: ServerProcess) -> State:
    with MongoClient[dict[str, Any]](mongodb.uri) as client:
        names = client[DB].list_collection_names()
        return {name: [encode(one) for one in client[DB][name].find(sort=[("_id", 1)])] for name in names}


def objects(server: versitygw.Gateway) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in (server.root / versitygw.BUCKET / "school").iterdir()}


def test_two_commands_restore_the_database_of_a_machine_that_is_gone(
    server: versitygw.Gateway, exact: ServerProcess, tmp_path: Path
) -> None:
    photos = ({"_id": number, "photo": os.urandom(PHOTO_BYTES)} for number in range(PHOTOS))
    seed(exact.uri, DB, {"users": photos, "buses": BUSES})
    old = machine(exact, tmp_path / "old", server)
    done(old, "backup", "main")
    done(old, "copies", "sync", "offsite")
    before = state(exact)
    (tmp_path / "new").mkdir()
    for name in ("sidecar.toml", "key.txt"):
        shutil.move(tmp_path / "old" / name, tmp_path / "new" / name)
    shutil.rmtree(tmp_path / "old")

    with exact_server() as empty:
        new = _started(empty, tmp_path / "new")
        began = time.monotonic()
        (found,) = new.json("copies", "list", "offsite")
        listed = time.monotonic()
        done(new, "restore", found["backup_id"], "--from", "offsite", "--yes")
        restored = time.monotonic()
        assert state(empty) == before

        untouched = objects(server)
        refused = new.run("copies", "sync", "offsite")
        assert (refused.returncode, objects(server)) == (1, untouched), refused.stderr
        done(new, "copies", "adopt", "offsite", "--yes")
        done(new, "backup", "main")
        assert "1 sent" in done(new, "copies", "sync", "offsite")
        (copy,) = new.json("copies", "status")
    stored = sum(len(content) for name, content in untouched.items() if name.endswith(".age"))
    print(  # noqa: T201 - for docs/copies.md
        f"\n{stored / 1e6:.0f} MB stored: listed in {listed - began:.1f} s, restored in {restored - listed:.1f} s; then {copy}"
    )


def test_of_two_machines_on_one_bucket_the_second_writes_nothing(
    server: versitygw.Gateway, exact: ServerProcess, tmp_path: Path
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": BUSES})
    first = machine(exact, tmp_path / "first", server)
    done(first, "backup", "main")
    done(first, "copies", "sync", "offsite")
    second = machine(exact, tmp_path / "second", server)
    done(second, "backup", "main")
    (theirs,), untouched = second.valid(), objects(server)

    for words in (("copies", "sync", "offsite"), ("copies", "push", theirs, "offsite")):
        ended = second.run(*words)
        assert (ended.returncode, objects(server)) == (1, untouched)
        assert "belongs to the sidecar" in ended.stderr
    (ours,) = first.valid()
    done(second, "verify", ours, "--from", "offsite")  # reading is anybody's
    done(second, "copies", "pull", ours, "offsite")
    assert objects(server) == untouched
