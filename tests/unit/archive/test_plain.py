"""Plain JSON in whatever layout: read value by value, in bounded memory, and refused with a reason."""

import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import bson
import pytest

from sidecar.archive import plain
from sidecar.errors import BackupInvalid
from support.rig import CODEC

USERS = [{"_id": 1, "name": "Zoë", "tags": [{"a": []}, None, True]}, {"_id": 2, "ratio": 0.25, "text": ']}, {[\\"'}]
WHOLE = {"users": USERS, "buses": [], "collections": [{"_id": {"$oid": "507f1f77bcf86cd799439011"}}]}


def read(content: bytes) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for batch in plain.read(io.BytesIO(content), CODEC):
        found.setdefault(batch.collection, []).extend(bson.decode_all(batch.bson))
    return found


@pytest.mark.parametrize("block", [1, 2, 7, 1 << 18])
@pytest.mark.parametrize("indent", [None, 0, 3])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_any_layout_is_read(block: int, indent: int | None, bom: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "BLOCK_BYTES", block)
    expected = {**WHOLE, "collections": [{"_id": bson.ObjectId("507f1f77bcf86cd799439011")}]}
    assert read(bom + json.dumps(WHOLE, indent=indent, ensure_ascii=False).encode()) == expected
    wrapped = {"backup_id": "x", "collections": WHOLE, "notes": [1, {"b": 2}]}
    assert read(bom + json.dumps(wrapped, indent=indent).encode()) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"users": {}}',
        b'{"users": [1]}',
        b'{"users": [], "version": 1}',
        b'{"users": [], "collections": {"buses": []}}',
        b'{"collections": {"users": 1}}',
        b'{"users": [{"_id": 1}',
        b'{"users": [{"_id": 1} {"_id": 2}]}',
        b'{"users": []} and more',
        b'{"users": [{"_id": "\xff"}]}',
        b'{"users": [{"_id": "\\ud800"}]}',
        b'{"users": [{"_id": ' + b"9" * 400 + b"}]}",
        b'{"users": [' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"]}",
        b'{"users": [' + b"[" * 200_000,
    ],
)
def test_what_is_not_of_that_form_is_refused(content: bytes) -> None:
    with pytest.raises((BackupInvalid, ValueError)):
        read(content)


def test_a_value_without_an_end_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "VALUE_CHARACTERS", 1 << 20)

    class Head:
        def __init__(self) -> None:
            self.head = b'{"users": ["'

        def read(self, size: int) -> bytes:
            head, self.head = self.head, b""
            return head or b"x" * size

    with pytest.raises(BackupInvalid, match="a value of more than"):
        list(plain.read(Head(), CODEC))


def test_memory_does_not_grow_with_the_file() -> None:
    row = json.dumps({"_id": 1, "text": "x" * 1000}).encode()

    class Rows:
        def __init__(self, rows: int) -> None:
            self._parts = self._produce(rows)

        @staticmethod
        def _produce(rows: int) -> Iterator[bytes]:
            yield b'{"users": ['
            for number in range(rows):
                yield row + (b"," if number < rows - 1 else b"]}")

        def read(self, _: int) -> bytes:
            return next(self._parts, b"")

    def peak(rows: int) -> int:
        tracemalloc.start()
        documents = sum(batch.documents for batch in plain.read(Rows(rows), CODEC))
        assert documents == rows
        (_, found) = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return found

    assert peak(6000) < 1.5 * peak(2000)
