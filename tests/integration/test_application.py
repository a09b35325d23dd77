"""What an application's own tests do with a backup: load an extract into the mock that they run on, and ask it."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bson import Decimal128, Int64, ObjectId, json_util
from mongomock_motor import AsyncMongoMockClient

from sidecar.inspect.extract import extract
from sidecar.model import Trigger
from support.rig import CODEC, DB
from support.servers import ServerProcess, seed
from support.services import open_on

PUPIL = {
    "_id": ObjectId("65f000000000000000000001"),
    "name": "Zoë",
    "born": datetime(2015, 3, 29, 1, 30, tzinfo=UTC),
    "fare": Decimal128("1.10"),
    "card": Int64(2**53 + 1),
    "photo": b"\x00\xff",
    "stops": [{"at": 7.5, "bus": "12"}, {"at": 15.25, "bus": None}],
}


async def test_an_application_finds_in_its_mock_what_it_had_written(exact: ServerProcess, tmp_path: Path) -> None:
    seed(exact.uri, DB, {"users": [PUPIL, {"_id": 2, "name": "somebody else"}]})
    out = io.BytesIO()
    async with open_on(exact, tmp_path) as service:
        await service.back_up("main", Trigger.MANUAL)
        store, found = service.locate(str(service.catalog.backups("main")[0].id))
        extract(store, found, CODEC, "users", out, relaxed=False, as_lines=False)
    options = json_util.CANONICAL_JSON_OPTIONS.with_options(tz_aware=True)
    application: Any = AsyncMongoMockClient(tz_aware=True)[DB]
    await application["users"].insert_many(json_util.loads(out.getvalue().decode(), json_options=options))
    assert await application["users"].find_one({"stops.bus": "12"}) == PUPIL
    assert await application["users"].count_documents({}) == 2
