"""A collection for other programs, whole in every form, whatever the documents hold."""

import io
import json
import struct
from pathlib import Path

import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from sidecar.inspect.extract import extract
from sidecar.model import Trigger
from support.rig import CODEC, DB
from support.servers import ServerProcess
from support.services import open_on

BAD = {
    "a bool of 2": b"\x08v\0\2",
    "another inner length": b"\x05v\0\6\0\0\0\2\xff\0\0\0ab",
    "text that is no UTF-8": b"\x02v\0\3\0\0\0\xff\xfe\0",
    "a date past all calendars": b"\x09v\0\xff\xff\xff\xff\xff\xff\xff\x7f",
    "a decimal that is no number": b"\x13v\0" + b"\xff" * 16,
    "deep": b"".join(b"\x03v\0" + struct.pack("<i", 8 * (150 - n) + 5) for n in range(150)) + b"\0" * 150,
    "a duplicate key": b"\x10v\0\1\0\0\0\x10v\0\2\0\0\0",
}


def document(number: int, body: bytes = b"") -> RawBSONDocument:
    elements = b"\x10_id\0" + struct.pack("<i", number) + body
    return RawBSONDocument(struct.pack("<i", len(elements) + 5) + elements + b"\0")


@pytest.mark.parametrize("relaxed", [False, True])
@pytest.mark.parametrize("as_lines", [False, True])
async def test_every_document_is_written_in_one_form_or_another(
    relaxed: bool,  # noqa: FBT001 - a parameter of the test
    as_lines: bool,  # noqa: FBT001 - a parameter of the test
    exact: ServerProcess,
    tmp_path: Path,
) -> None:
    with MongoClient[RawBSONDocument](exact.uri) as client:
        client[DB]["users"].insert_many([document(n, body) for n, body in enumerate([b"", *BAD.values()])])
    async with open_on(exact, tmp_path) as service:
        await service.back_up("main", Trigger.MANUAL)
        out = io.BytesIO()
        store, found = service.locate(str(service.catalog.backups("main")[0].id))
        extract(store, found, CODEC, "users", out, relaxed=relaxed, as_lines=as_lines)
    text = out.getvalue().decode()
    rows = [json.loads(line) for line in text.splitlines()] if as_lines else json.loads(text)
    assert len(rows) == 1 + len(BAD)
