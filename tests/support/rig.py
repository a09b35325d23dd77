"""An engine on a real server and a real directory, for tests that drive it without the command line."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bson
from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS, RawBSONDocument
from pymongo import MongoClient

from sidecar.archive.choose import choose_codec
from sidecar.backup import make as backup
from sidecar.model import BackupId, BackupSet, Form, Manifest
from sidecar.mongodb.database import Database
from sidecar.restore import restore as restoring
from sidecar.store.local import LocalStore
from sidecar.store.verify import read_manifest
from support import forms
from support.servers import ServerProcess

DB = "bus_tracker"
CODEC = choose_codec("auto")
PEOPLE = [{"_id": number, "name": f"pupil {number}"} for number in range(3000)]
BUSES = [{"_id": number, "seats": 40 + number} for number in range(250)]


@dataclass(frozen=True)
class Rig:
    """A set of `users` and `buses` of the database that `server` holds."""

    server: ServerProcess
    store: LocalStore
    database: Database

    async def back_up(self, **options: Any) -> Manifest:
        order = backup.BackupOrder(
            database=self.database,
            store=self.store,
            codec=CODEC,
            mongo_host="127.0.0.1",
            **{"min_free_bytes": 0, **options},
        )
        with self.store.locked("test") as lock:
            return await backup.make_backup(order, lock)

    async def restore(self, manifest: Manifest, target_db: str = DB, **options: Any) -> restoring.Restored:
        return await restoring.restore(self.restore_order(manifest, target_db, **options))

    def restore_order(self, manifest: Manifest, target_db: str = DB, **options: Any) -> restoring.Order:
        backup_id = BackupId.parse(manifest.backup_id)
        assert backup_id is not None
        return restoring.Order(
            database=self.database,
            store=self.store,
            backup_id=backup_id,
            codec=CODEC,
            target_db=target_db,
            **options,
        )

    def manifest(self, backup_id: BackupId) -> Manifest:
        return read_manifest(self.store, backup_id)

    def lab(self, **command: Any) -> Mapping[str, Any]:
        """A command to the test server, `lab(labFault="find", action="error")`."""
        with MongoClient[dict[str, Any]](self.server.uri) as client:
            return client[DB].command(command)

    def lab_admin(self, **command: Any) -> Mapping[str, Any]:
        """A command to the database `admin`."""
        with MongoClient[dict[str, Any]](self.server.uri) as client:
            return client["admin"].command(command)

    def commands(self, name: str) -> list[Mapping[str, Any]]:
        """The commands of this name that the server has seen since it was last asked."""
        seen = self.lab(labCommands=1)["commands"]
        return [one["command"] for one in seen if one["name"] == name]

    def documents(self, name: str, db: str = DB) -> list[bytes]:
        """The bytes of every document, in the server's order."""
        with MongoClient[RawBSONDocument](self.server.uri, document_class=RawBSONDocument) as client:
            collection = client[db].get_collection(name, codec_options=DEFAULT_RAW_BSON_OPTIONS)
            return [bytes(document.raw) for document in collection.find()]

    def names(self, db: str = DB) -> list[str]:
        with MongoClient[dict[str, Any]](self.server.uri) as client:
            return sorted(client[db].list_collection_names())

    def files(self) -> list[str]:
        return sorted(path.name for path in self.store.directory.glob("*") if path.is_file())


@asynccontextmanager
async def rig(
    server: ServerProcess,
    directory: Path,
    collections: Sequence[str] = ("users", "buses"),
    form: Form = Form.PLAIN,
    **limits: Any,
) -> AsyncIterator[Rig]:
    """`limits` go to the database: `stall_seconds`, `max_read_mb_s`."""
    backup_set = BackupSet(name="main", collections=tuple(collections), prefix="seed_backup", **forms.set_options(form))
    async with Database(server.uri, DB, **{"stall_seconds": 20.0, **limits}) as database:
        yield Rig(server, LocalStore(directory / "backups", backup_set, forms.KEYRING), database)


def raw(documents: Sequence[Mapping[str, Any]]) -> list[bytes]:
    return [bson.encode(document) for document in documents]
