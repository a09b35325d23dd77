"""The commands of the pages on trouble and on security, typed as they stand there: `support.pages` says how a page is read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.command import Command
from support.reader import Reader
from support.rig import BUSES, DB, PEOPLE
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
    assert desk.reader.follow(DOCS / "security.md", {"there are backups": desk.back_up}) == 2
