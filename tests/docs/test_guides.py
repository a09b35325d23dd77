"""The commands of the pages on trouble and on security, typed as they stand there: `support.pages` says how a page is read."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sidecar.archive.manifest import to_bytes
from support.command import Command
from support.reader import Reader
from support.rig import BUSES, CODEC, DB, PEOPLE
from support.served import ADMIN, Served
from support.servers import ServerProcess, free_port, seed

DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True)
class Desk:
    """A database, backups of it, and a sidecar that serves once the page comes to it."""

    command: Command
    served: Served
    reader: Reader

    def serve(self) -> None:
        self.served.start()

    def back_up(self) -> None:
        ended = self.command.run("backup", "main")
        assert ended.returncode == 0, ended.stderr

    def restore(self) -> None:
        ended = self.command.run("restore", self.command.valid()[0], "--yes")
        assert ended.returncode == 0, ended.stderr

    def flip_a_bit(self) -> None:
        path = self.command.directory / f"{self.command.valid()[0]}.json"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    def forge(self) -> None:
        """Another pupil in the newest backup, and metadata that were made for it."""
        newest = self.command.stored()[0]
        assert newest.manifest is not None
        path = self.command.directory / newest.id.data_name
        forged = path.read_bytes().replace(b"pupil 7", b"pupil X")
        path.write_bytes(forged)
        line = next(line for line in forged.splitlines(keepends=True) if b"pupil X" in line)
        was, now = (CODEC.decode(text).fingerprint for text in (line.replace(b"pupil X", b"pupil 7"), line))
        details = newest.manifest.collection_details["users"]
        fingerprint = f"{(int(str(details.fingerprint), 16) - int(was) + int(now)) % 2**256:064x}"
        held = newest.manifest.collection_details | {"users": details.model_copy(update={"fingerprint": fingerprint})}
        told = {"checksum": hashlib.sha256(forged).hexdigest(), "collection_details": held}
        metadata = self.command.directory / newest.id.metadata_name
        metadata.write_bytes(to_bytes(newest.manifest.model_copy(update=told)))


@pytest.fixture
def desk(exact: ServerProcess, tmp_path: Path) -> Iterator[Desk]:
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": BUSES[:5]})
    command = Command(exact, tmp_path / "backups")
    served = Served(exact, command.directory, port=free_port())
    (tmp_path / "sidecar-token").write_text(ADMIN)
    stand_ins: dict[str, str | Callable[[], str]] = {
        "seed_backup_20261124_031500": lambda: next(str(one.id) for one in command.stored() if one.is_safety),
        "seed_backup_20261124_041500": lambda: str(command.stored()[0].id),
        "/run/secrets": str(tmp_path),
        "localhost:8001": f"127.0.0.1:{served.port}",
    }
    with Reader(tmp_path / "home", command.environment, stand_ins, served.port) as reader:
        desk = Desk(command, served, reader)
        desk.back_up()
        try:
            yield desk
        finally:
            served.kill()


def test_every_command_under_troubleshooting_works(desk: Desk) -> None:
    scenes = {
        "the sidecar serves": desk.serve,
        "there is a safety backup of an old restore": desk.restore,
        "a bit of the newest backup flips": desk.flip_a_bit,
    }
    assert desk.reader.follow(DOCS / "TROUBLESHOOTING.md", scenes) > 15
    assert [one.verdict.is_valid for one in desk.command.stored()] == [True, False]


def test_every_command_of_the_page_on_security_works(desk: Desk) -> None:
    scenes = {
        "there are backups": desk.back_up,
        "somebody forges the newest backup, metadata and all": desk.forge,
    }
    assert desk.reader.follow(DOCS / "security.md", scenes) == 5
