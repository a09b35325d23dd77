"""What is taken from the driver as it came from the wire, and given to it in one piece, where the driver lets us."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import raw_bson
from pymongo import MongoClient

from sidecar.mongodb.reader import Reader
from sidecar.restore import inserting
from support.rig import DB, PEOPLE, rig
from support.servers import ServerProcess, seed


async def batches(server: ServerProcess, directory: Path) -> bytes:
    async with rig(server, directory) as at, at.database.reader(snapshot=False) as reader:
        return await read(reader, (await at.database.collections())["users"])


async def read(reader: Reader, item: Any) -> bytes:
    return b"".join([batch async for batch in reader.batches(item)])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever the driver makes an object of a document."""
    made: list[int] = []
    make = raw_bson.RawBSONDocument.__init__

    def counted(self: Any, *args: Any, **kwargs: Any) -> None:
        made.append(1)
        make(self, *args, **kwargs)

    monkeypatch.setattr(raw_bson.RawBSONDocument, "__init__", counted)
    return made


@pytest.fixture(params=["as it is", "in another driver"])
def any_driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    inserting._takes_several.cache_clear()
    if request.param == "in another driver":
        monkeypatch.delattr(raw_bson, "_RAW_ARRAY_BSON_OPTIONS")
        monkeypatch.setattr(inserting._Several, "_type_marker", None)
    yield
    inserting._takes_several.cache_clear()


async def test_no_document_of_a_batch_is_opened_on_the_way(
    exact: ServerProcess, tmp_path: Path, opened: list[int]
) -> None:
    seed(exact.uri, DB, {"users": PEOPLE})
    with MongoClient[dict[str, Any]](exact.uri) as client:
        cursor: Any = client[DB]["users"].find_raw_batches({})  # PyMongo types it as documents
        expected = b"".join(cursor)
    assert len(opened) > len(PEOPLE)
    opened.clear()

    assert await batches(exact, tmp_path) == expected

    assert len(opened) < len(PEOPLE) / 10


@pytest.mark.usefixtures("any_driver")
async def test_documents_come_and_go_byte_for_byte(
    exact: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inserting, "INSERT_DOCUMENTS", 700)
    seed(exact.uri, DB, {"users": PEOPLE})
    before = await batches(exact, tmp_path)

    async with rig(exact, tmp_path) as at:
        await at.restore(await at.back_up())

    assert await batches(exact, tmp_path) == before


def test_this_driver_copies_several_documents_at_once() -> None:
    assert inserting._takes_several()
