"""One stage of the pipeline, measured in a process of its own: `stages.py STAGE URI DIRECTORY` prints what it cost as JSON.

What feeds a stage is not timed. `DIRECTORY` is where `backup` writes and the stages after it read.
"""

import asyncio
import hashlib
import json
import logging
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Self

import bson
import bsonjs
import structlog
from bson import json_util
from bson.json_util import CANONICAL_JSON_OPTIONS
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import MongoClient

from sidecar.archive import framing
from sidecar.archive.bson import split
from sidecar.archive.choose import choose_codec
from sidecar.archive.fingerprint import fingerprint
from sidecar.backup import make as backup
from sidecar.model import BackupId, BackupSet
from sidecar.mongodb.database import Database
from sidecar.mongodb.reader import BATCH_BYTES
from sidecar.restore import restore
from sidecar.runtime.memory import arrange_memory
from sidecar.store.local import LocalStore
from sidecar.store.verify import read_manifest, verify

CODEC = choose_codec(os.environ.get("SIDECAR_CODEC", "auto"))
DB, COLLECTION = "bench", "attendance"  # what the replay server holds
SET = BackupSet(
    name=COLLECTION,
    collections=(COLLECTION,),
    prefix="bench",
    compression=os.environ.get("SIDECAR_COMPRESSION", "none"),
    recipients=tuple(filter(None, os.environ.get("SIDECAR_RECIPIENTS", "").split(","))),
)
STALL_SECONDS = 120.0
SOME_BLOCKS = 20  # of about 1 MB: enough for the slow ones


@dataclass
class Cost:
    """Adds up wall and CPU time (of all threads) while in `with`; the peak is the whole process's."""

    bson_bytes: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_rss_bytes: int = 0

    def __enter__(self) -> Self:
        self.wall_seconds -= time.perf_counter()
        self.cpu_seconds -= _cpu_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu_seconds += _cpu_seconds()
        self.wall_seconds += time.perf_counter()
        self.peak_rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@dataclass(frozen=True)
class Bench:
    """The server, and the backup made of it."""

    uri: str
    directory: Path

    @cached_property
    def store(self) -> LocalStore:
        return LocalStore(self.directory, SET)

    @property
    def backup_id(self) -> BackupId:
        return self.store.scan()[0].id

    @property
    def bson_bytes(self) -> int:
        return read_manifest(self.store, self.backup_id).collection_details[COLLECTION].bson_bytes

    def database(self) -> Database:
        return Database(self.uri, DB, stall_seconds=STALL_SECONDS)

    def blocks(self) -> Iterator[framing.Block]:
        with self.store.open_data(self.backup_id) as file:
            framing.read_header(file, CODEC)
            yield from framing.read_blocks(file)


# -- peers: what the drivers cost on their own -------------------------------------------------------------------------


def plain_read(bench: Bench, cost: Cost) -> None:
    async def read() -> int:
        client: Any = AsyncIOMotorClient(bench.uri)
        average = (await client[DB].command("collStats", COLLECTION))["avgObjSize"]
        bson_bytes = 0
        async for batch in client[DB][COLLECTION].find_raw_batches({}, batch_size=BATCH_BYTES // average):
            bson_bytes += len(batch)
        return bson_bytes

    with cost:
        cost.bson_bytes = asyncio.run(read())


def insert_many(bench: Bench, cost: Cost) -> None:
    """In the batches that a restore sends: the documents of one block of text each."""
    manifest = read_manifest(bench.store, bench.backup_id)
    batch_size = manifest.collections[COLLECTION] * framing.BLOCK_BYTES // manifest.file_size_bytes
    with MongoClient[RawBSONDocument](bench.uri, document_class=RawBSONDocument, w="majority") as client:
        target = client["peer"][COLLECTION]
        for batch in _raw_batches(client, batch_size):
            documents = [RawBSONDocument(document) for document in split(batch)]
            with cost:
                target.insert_many(documents, ordered=False, bypass_document_validation=True)
            cost.bson_bytes += len(batch)


def _raw_batches(client: MongoClient[Any], batch_size: int) -> Iterator[bytes]:
    cursor: Any = client[DB][COLLECTION].find_raw_batches({}, batch_size=batch_size)  # PyMongo types it as documents
    yield from cursor


# -- stages ------------------------------------------------------------------------------------------------------------


def encode(bench: Bench, cost: Cost) -> None:
    with MongoClient[dict[str, Any]](bench.uri) as client:
        average = client[DB].command("collStats", COLLECTION)["avgObjSize"]
        for batch in _raw_batches(client, BATCH_BYTES // average):
            with cost:
                CODEC.encode(batch)
            cost.bson_bytes += len(batch)


def bsonjs_alone(bench: Bench, cost: Cost) -> None:
    """Without a look at whether the text carries the document: it does not always."""
    _text_of_each(bench, cost, lambda document: bsonjs.dumps(document, mode=bsonjs.CANONICAL))


def json_util_alone(bench: Bench, cost: Cost) -> None:
    _text_of_each(
        bench, cost, lambda document: json_util.dumps(bson.decode(document), json_options=CANONICAL_JSON_OPTIONS)
    )


def _text_of_each(bench: Bench, cost: Cost, text: Callable[[bytes], str]) -> None:
    for block in islice(bench.blocks(), SOME_BLOCKS):
        documents = CODEC.decode(block.lines).bson
        with cost:
            for document in split(documents):
                text(document)
        cost.bson_bytes += len(documents)


def decode(bench: Bench, cost: Cost) -> None:
    for block in bench.blocks():
        with cost:
            decoded = CODEC.decode(block.lines)
        cost.bson_bytes += len(decoded.bson)


def digest(bench: Bench, cost: Cost) -> None:
    """SHA-256 of the text and fingerprint of the documents."""
    sha256 = hashlib.sha256()
    for block in bench.blocks():
        documents = CODEC.decode(block.lines).bson
        with cost:
            sha256.update(block.lines)
            fingerprint(split(documents))
        cost.bson_bytes += len(documents)


def write(bench: Bench, cost: Cost) -> None:
    cost.bson_bytes = bench.bson_bytes
    with (
        bench.store.open_data(bench.backup_id) as source,
        tempfile.TemporaryFile(dir=bench.directory, buffering=0) as target,
    ):
        while block := source.read(framing.BLOCK_BYTES):
            with cost:
                target.write(block)
        with cost:
            os.fsync(target.fileno())


def read_back(bench: Bench, cost: Cost) -> None:
    """From the disk and with its SHA-256, as after every backup and before every restore."""
    cost.bson_bytes = bench.bson_bytes
    with bench.store.open_data(bench.backup_id) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with cost:
        verdict = verify(bench.store, bench.backup_id)
    assert verdict.is_valid, verdict.message


# -- the whole ---------------------------------------------------------------------------------------------------------


def whole_backup(bench: Bench, cost: Cost) -> None:
    async def run() -> None:
        async with bench.database() as database:
            order = backup.BackupOrder(
                database=database, store=bench.store, codec=CODEC, mongo_host="127.0.0.1", min_free_bytes=0
            )
            with bench.store.locked("benchmark") as lock:
                await backup.make_backup(order, lock)

    with cost:
        asyncio.run(run())
    cost.bson_bytes = bench.bson_bytes


def whole_restore(bench: Bench, cost: Cost) -> None:
    async def run() -> restore.Restored:
        async with bench.database() as database:
            return await restore.restore(
                restore.Order(
                    database=database,
                    store=bench.store,
                    backup_id=bench.backup_id,
                    codec=CODEC,
                    target_db="restored",
                )
            )

    with cost:
        restored = asyncio.run(run())
    cost.bson_bytes = bench.bson_bytes
    assert restored.collections[COLLECTION].bson_bytes == cost.bson_bytes


STAGES: dict[str, Callable[[Bench, Cost], None]] = {
    "plain-read": plain_read,
    "insert-many": insert_many,
    "encode": encode,
    "decode": decode,
    "bsonjs": bsonjs_alone,
    "json-util": json_util_alone,
    "digest": digest,
    "write": write,
    "read-back": read_back,
    "backup": whole_backup,
    "restore": whole_restore,
}


def main() -> None:
    stage, uri, directory = sys.argv[1:]
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    arrange_memory()  # as every command that opens the service
    cost = Cost()
    STAGES[stage](Bench(uri, Path(directory)), cost)
    print(json.dumps(asdict(cost)))


if __name__ == "__main__":
    main()
