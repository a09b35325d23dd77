import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bson
import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database

from sidecar.demo import server
from sidecar.demo.definitions import INDEXES, OPTIONS
from sidecar.demo.sampler import Document
from sidecar.demo.school import build_school, load_school
from sidecar.demo.server import EmbeddedServer, EmbeddedServerError

Loaded = tuple[Database[Document], dict[str, int], list[tuple[str, int]]]

RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
NOW = datetime(2025, 11, 17, 15, 5, 30, tzinfo=UTC)

_HOLD_A_SERVER = """
import sys
from pathlib import Path
from sidecar.demo.server import EmbeddedServer
with EmbeddedServer(Path(sys.argv[1])) as server:
    print(server.uri, flush=True)
    sys.stdin.read()
"""


def connection(uri: str) -> socket.socket:
    parts = urlsplit(uri)
    assert parts.hostname is not None
    assert parts.port is not None
    return socket.create_connection((parts.hostname, parts.port), timeout=10)


def ends(opened: socket.socket) -> bool:
    """Wait until the other end of the connection is gone."""
    try:
        return opened.recv(1) == b""
    except ConnectionResetError:
        return True


def program(directory: Path, script: str) -> Path:
    executable = directory / "secantusd-py"
    executable.write_text(f"#!/bin/sh\n{script}\n")
    executable.chmod(0o755)
    return executable


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    progress: list[tuple[str, int]] = []
    with EmbeddedServer(tmp_path_factory.mktemp("server")) as running, MongoClient[Document](running.uri) as client:
        counts = load_school(
            client["bus_tracker"], progress=lambda name, count: progress.append((name, count)), now=NOW
        )
        yield client["bus_tracker"], counts, progress


def test_stores_every_document_byte_for_byte_and_in_order(loaded: Loaded) -> None:
    school = build_school(NOW)
    database = loaded[0].with_options(RAW)
    stored = {name: [document.raw for document in database[name].find()] for name in school}
    assert stored == {name: [bson.encode(document) for document in documents] for name, documents in school.items()}


def test_counts_what_it_loaded_and_reports_it_batch_by_batch(loaded: Loaded) -> None:
    database, counts, progress = loaded
    assert counts == {name: database[name].count_documents({}) for name in counts}
    assert dict(progress) == counts
    assert [done for name, done in progress if name == "attendance"] == [3000, 6000, 9000]


def test_keeps_every_option_and_the_view(loaded: Loaded) -> None:
    listed = {item["name"]: item["options"] for item in loaded[0].list_collections()}
    assert listed == OPTIONS
    assert loaded[0].absences.count_documents({}) == loaded[0].attendance.count_documents({"status": "absent"}) > 0


def test_keeps_every_index_as_it_was_asked_for(loaded: Loaded) -> None:
    listed = {name: list(_indexes(loaded[0], name)) for name in INDEXES}
    assert listed == {name: sorted(indexes, key=lambda index: str(index["name"])) for name, indexes in INDEXES.items()}


def _indexes(database: Database[Document], name: str) -> Iterator[dict[str, Any]]:
    for index in database.command("listIndexes", name)["cursor"]["firstBatch"]:
        if index["name"] != "_id_":
            yield {key: value for key, value in index.items() if key != "v"}


def test_says_that_it_is_no_replica_set(loaded: Loaded) -> None:
    assert "setName" not in loaded[0].client.admin.command("hello")


def test_ends_with_its_block_and_leaves_only_the_log_and_the_settings(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as running:
        opened = connection(running.uri)
    with opened:
        assert ends(opened)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["server.log", "server.toml"]


def test_starts_empty_in_the_directory_of_an_earlier_one(tmp_path: Path) -> None:
    for _ in range(2):
        with EmbeddedServer(tmp_path) as running, MongoClient[Document](running.uri) as client:
            assert client["bus_tracker"].list_collection_names() == []
            client["bus_tracker"].users.insert_one({"_id": 1})


def test_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD_A_SERVER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        with connection(parent.stdout.readline().strip()) as opened:
            os.kill(parent.pid, signal.SIGKILL)
            assert ends(opened)


def test_names_the_package_to_install_when_the_program_is_missing(tmp_path: Path) -> None:
    with pytest.raises(
        EmbeddedServerError, match=r"secantusd-py is missing: pip install 'mongodb-backup-sidecar\[demo\]'"
    ):
        EmbeddedServer(tmp_path, tmp_path / "secantusd-py").__enter__()


def test_names_the_log_and_its_words_when_the_server_dies_at_its_start(tmp_path: Path) -> None:
    dying = EmbeddedServer(tmp_path / "server", program(tmp_path, "echo no room >&2; exit 3"))
    with pytest.raises(EmbeddedServerError) as caught:
        dying.__enter__()
    assert str(caught.value) == f"the embedded server ended with 3 at its start; its log {dying.log} ends: no room"
    assert sorted(path.name for path in dying.log.parent.iterdir()) == ["server.log", "server.toml"]


def test_gives_up_on_a_server_that_never_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_START_SECONDS", 0.1)
    silent = EmbeddedServer(tmp_path / "server", program(tmp_path, "exec sleep 60"))
    with pytest.raises(EmbeddedServerError, match=r"was not ready within 0.1 s; its log .*server.log is empty"):
        silent.__enter__()
