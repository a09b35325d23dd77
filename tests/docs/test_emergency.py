"""The page for the operator paged at night, followed to the letter: `support.pages` says how a page is read.

The reader has a school's database, a sidecar that serves beside it, backups of both sets, and an accident.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bson import encode
from pymongo import MongoClient

from sidecar.model import Form, StoredBackup
from support.command import Command
from support.patience import wait_for
from support.reader import Reader
from support.rig import DB
from support.served import ADMIN, Served
from support.servers import ServerProcess, free_port, seed

PAGE = Path(__file__).parents[2] / "docs" / "restore-in-an-emergency.md"
USERS = [{"_id": n, "email": f"parent{n}@school.example"} for n in range(50)]
STUDENTS = [{"_id": n, "name": f"pupil {n}"} for n in range(30)]
BUSES = [{"_id": n, "seats": 40} for n in range(5)]
RIDES = [{"_id": n, "student": n % 30} for n in range(100)]

State = Mapping[str, list[bytes]]


@dataclass
class Night:
    """What befalls the reader, and what is where they are while the page can only give examples."""

    server: ServerProcess
    command: Command
    served: Served
    rescue: Path
    reader: Reader
    good: State
    accident: State

    # -- what stands for the examples ------------------------------------------------------------------------------

    def stand_ins(self, secret: Path) -> Mapping[str, str | Callable[[], str]]:
        return {
            "seed_backup_20261124_021837": self._good,
            "seed_backup_20261124_041500": lambda: self._newest(lambda one: not one.is_safety),
            "seed_backup_20261124_031500": lambda: self._newest(lambda one: one.is_safety),
            "attendance_backup_20261124_021838": lambda: str(self.command.json("list", "attendance")[0]["backup_id"]),
            "/run/secrets/sidecar-token": str(secret),
            "seed_backup_20261124_051500": lambda: str(self.safe.store.scan()[0].id),
            "seed_backup_20261124_061500": lambda: next(path.stem for path in self.nas.glob("seed_backup_*[0-9].json")),
            "/media/usb": str(self.safe.directory.parent),
            "/mnt/safe": str(self.safe.directory),
            "/mnt/rescue": str(self.rescue),
            "localhost:8001": f"127.0.0.1:{self.served.port}",
            "localhost:27017": f"127.0.0.1:{self.server.port}",
        }

    def _good(self) -> str:
        return self._newest(lambda one: one.verdict.is_valid and not one.is_suspect and not one.is_safety)

    def _newest(self, is_wanted: Callable[[StoredBackup], bool]) -> str:
        return next(str(one.id) for one in self.command.stored() if is_wanted(one))

    # -- what happens ----------------------------------------------------------------------------------------------

    def scenes(self) -> Mapping[str, Callable[[], None]]:
        return {
            "all students were deleted, and the schedule backed that up": self.lose_the_students,
            "the sidecar serves": self.serve,
            "somebody looks: the database is as it was after the accident": lambda: self.require(self.accident),
            "somebody deletes one pupil by mistake": self.lose_one_pupil,
            "another backup is made, and a bit of it flips": self.damage_the_newest,
            "a restore is killed before its last step": self.kill_a_restore,
            "MongoDB is new and empty": self.empty,
            "the machine burned; a copy, the configuration file and an empty MongoDB are left": self.burn,
            "the files were carried to a machine with an empty MongoDB": self.carry_away,
            "somebody looks: the database is as the backup holds it, and loses it again": self.look_and_empty,
            "encrypted files were carried to a machine with an empty MongoDB, and a key from the safe": self.fetch_the_key,
        }

    def serve(self) -> None:
        self.served.start()

    def lose_the_students(self) -> None:
        with MongoClient[dict[str, Any]](self.server.uri) as client:
            client[DB]["users"].update_one({"_id": 7}, {"$set": {"email": "moved@school.example"}})
            client[DB]["students"].delete_many({})
        self.accident = state(self.server)
        self.back_up("main")

    def lose_one_pupil(self) -> None:
        self.require(self.accident)
        seed(self.server.uri, DB, {"students": [one for one in STUDENTS if one["_id"] != 17]})

    def damage_the_newest(self) -> None:
        self.back_up("main")
        path = self.command.directory / f"{self._newest(lambda one: not one.is_safety)}.json"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    def kill_a_restore(self) -> None:
        self.served.lab(labFault="create", collection="stops", action="stall", times=-1)
        self._commands()  # what came before is of no interest
        with self.command.start("restore", self._good(), "--yes") as process:
            wait_for(lambda: process.poll() is not None or "stops" in [one.get("create") for one in self._commands()])
            assert process.poll() is None, process.communicate()
            process.kill()
        self.served.lab(labReset=1)

    def _commands(self) -> list[Mapping[str, Any]]:
        """Those that the server was sent since it was last asked."""
        with MongoClient[dict[str, Any]](self.server.uri) as client:
            return [one["command"] for one in client[DB].command({"labCommands": 1})["commands"]]

    def empty(self) -> None:
        with MongoClient[dict[str, Any]](self.server.uri) as client:
            client.drop_database(DB)

    def carry_away(self) -> None:
        """There is nothing else on that machine, settings neither."""
        self.reader.type("unset SIDECAR_CONFIG")
        shutil.copytree(self.command.directory, self.rescue, ignore=shutil.ignore_patterns(".*"))
        self.reader.type(f"unset {' '.join(self.command.environment.keys() - {'PATH', 'HOME'})}")
        self.empty()

    @property
    def safe(self) -> Command:
        """The same database, backed up to another directory, encrypted."""
        directory = self.rescue.with_name("safe") / "backups"
        return Command(self.server, directory, form=Form.COMPRESSED_AND_ENCRYPTED)

    def fetch_the_key(self) -> None:
        """It lies in a file beside the files that were carried away."""
        self.empty()
        furnish(self.server)
        self.safe.directory.mkdir()
        ended = self.safe.run("backup", "main")
        assert ended.returncode == 0, ended.stderr
        self.empty()

    def look_and_empty(self) -> None:
        main = {name: documents for name, documents in self.good.items() if name != "attendance"}
        self.require(main)
        self.empty()

    @property
    def nas(self) -> Path:
        return self.rescue.with_name("nas")

    def burn(self) -> None:
        """The same database again, a copy of its backup, and of all the rest the configuration file."""
        self.empty()
        furnish(self.server)
        lost = self.rescue.with_name("lost")
        config = self.safe.directory.parent / "sidecar.toml"
        config.parent.mkdir()
        self.nas.mkdir()
        url = f'mongo_url = "{self.server.uri}"\ndb_name = "{DB}"\nmin_storage_mb = 0\n'
        config.write_text(
            f'{url}backup_dir = "{lost}"\n[copies.offsite]\nurl = "file://{self.nas}"\nsets = ["main"]\n',
            encoding="utf-8",
        )
        old = Command(self.server, lost, {"SIDECAR_CONFIG": str(config)})
        for words in (("backup", "main"), ("copies", "sync", "offsite")):
            assert old.run(*words).returncode == 0
        shutil.rmtree(lost)
        self.reader.type(f"unset {' '.join(self.command.environment.keys() - {'PATH', 'HOME'})}")
        self.empty()

    def back_up(self, name: str) -> None:
        ended = self.command.run("backup", name)
        assert ended.returncode == 0, ended.stderr

    def require(self, expected: State) -> None:
        assert state(self.server) == expected


def state(server: ServerProcess) -> State:
    with MongoClient[dict[str, Any]](server.uri) as client:
        names = sorted(one["name"] for one in client[DB].list_collections() if one["type"] == "collection")
        return {name: [encode(one) for one in client[DB][name].find(sort=[("_id", 1)])] for name in names}


def furnish(server: ServerProcess) -> None:
    seed(server.uri, DB, {"users": USERS, "students": STUDENTS, "buses": BUSES, "attendance": RIDES})
    with MongoClient[dict[str, Any]](server.uri) as client:
        client[DB]["users"].create_index("email", unique=True)
        client[DB].command({"create": "stops", "viewOn": "buses", "pipeline": []})


@pytest.fixture
def night(exact: ServerProcess, tmp_path: Path) -> Iterator[Night]:
    furnish(exact)
    command = Command(exact, tmp_path / "backups", {"SIDECAR_LOG_LEVEL": "warning"})
    served = Served(exact, command.directory, port=free_port())
    stand_ins: dict[str, str | Callable[[], str]] = {}
    with Reader(tmp_path / "home", command.environment, stand_ins, served.port) as reader:
        good = state(exact)
        night = Night(exact, command, served, tmp_path / "rescue", reader, good, good)
        stand_ins.update(night.stand_ins(tmp_path / "token"))
        (tmp_path / "token").write_text(ADMIN)
        night.back_up("all")
        assert command.run("drill", "main").returncode == 0
        try:
            yield night
        finally:
            served.kill()


def test_every_command_of_the_emergency_page_does_what_the_page_says(night: Night) -> None:
    assert night.reader.follow(PAGE, night.scenes()) > 15
    night.require({"users": night.good["users"]})  # what mongoimport brought back in the end
