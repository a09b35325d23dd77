"""Every command of the README, done in its order on a real server: `support.pages` says how a page is read.

A new block needs a fence and a language and runs from then on; one that cannot run needs a comment that says why.
"""

from pathlib import Path

from support.command import Command
from support.reader import Reader, StandIns
from support.rig import BUSES, DB, PEOPLE
from support.servers import ServerProcess, free_port, seed

README = Path(__file__).parents[2] / "README.md"
TOKEN = "a-token-of-whoever-read-the-readme"


def test_every_command_of_the_readme_works(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": BUSES[:5], "attendance": [{"_id": 1}]})
    home, backups, port = tmp_path / "home", tmp_path / "backups", free_port()
    command = Command(exact, backups)
    (tmp_path / "sidecar-token").write_text(TOKEN)
    stand_ins: StandIns = {
        "seed_backup_20261124_021837": lambda: command.valid()[-1],
        "/var/backups/bus_tracker": str(backups),
        "/run/secrets": str(tmp_path),
        "/tmp/": f"{tmp_path}/",  # noqa: S108 - what the page says
        "localhost:27017": f"127.0.0.1:{exact.port}",
        "localhost:8001": f"127.0.0.1:{port}",
    }
    with Reader(home, {"MIN_STORAGE_MB": "0"}, stand_ins, port) as reader:
        assert reader.follow(README, {}) > 10
    assert len(command.valid()) == 3
