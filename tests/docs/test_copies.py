"""The page on copies, followed to the letter, on a directory."""

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

from sidecar.config import load
from support.command import Command
from support.configuration import with_file
from support.reader import Reader
from support.rig import BUSES, DB, PEOPLE
from support.servers import ServerProcess, free_port, seed

PAGE = Path(__file__).parents[2] / "docs" / "copies.md"


def test_every_command_of_the_page_works(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": PEOPLE[:50], "buses": BUSES[:5]})
    config, nas = tmp_path / "sidecar.toml", tmp_path / "nas" / "bus_tracker"
    nas.mkdir(parents=True)
    command = Command(exact, tmp_path / "backups", {"SIDECAR_CONFIG": str(config)})

    def furnish() -> None:
        config.write_text(f'[copies.nas]\nurl = "file://{nas}"\nsets = ["main"]\n', encoding="utf-8")
        assert command.run("backup", "main").returncode == 0

    def flip() -> None:
        (data,) = nas.glob("seed_backup_*[0-9].json")
        content = bytearray(data.read_bytes())
        content[len(content) // 2] ^= 1
        data.write_bytes(content)

    def lose() -> None:
        shutil.rmtree(command.directory)

    scenes = {
        "the file sidecar.toml has a copy in /mnt/nas/bus_tracker": furnish,
        "a byte flips in the copy": flip,
        "the backup directory is lost with its machine": lose,
    }
    stand_ins: dict[str, str | Callable[[], str]] = {
        "seed_backup_20261124_041500": lambda: next(path.stem for path in nas.glob("seed_backup_*[0-9].json")),
        "/mnt/nas": str(nas.parent),
    }
    with Reader(tmp_path / "home", command.environment, stand_ins, free_port()) as reader:
        assert reader.follow(PAGE, scenes) >= 15


def test_the_example_loads(tmp_path: Path) -> None:
    example = PAGE.read_text().partition("```toml\n")[2].partition("```")[0]
    assert list(load(with_file(tmp_path, example)).copies) == list(tomllib.loads(example)["copies"])
