"""The framing of a backup file, written and read in pieces of any size."""

import io
import json

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.archive import framing
from sidecar.archive.choose import choose_codec
from sidecar.model import BackupId, Collection, CollectionKind

CODEC = choose_codec("auto")
ID = BackupId.parse("seed_backup_20261124_021837")
EMPTY = bson.encode({})

names = st.text(st.characters(exclude_characters="\0$", exclude_categories=["Cs"]), min_size=1, max_size=20)
documents = st.lists(
    st.dictionaries(st.sampled_from("abc]{"), st.integers(0, 9) | st.text(max_size=30), max_size=3), max_size=20
)
contents = st.dictionaries(names, documents, max_size=4)


def written(collections: dict[str, list[dict[str, object]]]) -> bytes:
    assert ID is not None
    items = {name: Collection(name, CollectionKind.COLLECTION, None, EMPTY) for name in collections}
    parts = [framing.header(ID, "main", "bus_tracker", items, CODEC)]
    for number, (name, rows) in enumerate(collections.items()):
        text = CODEC.encode(b"".join(bson.encode(row) for row in rows)).text
        parts += [framing.opening(name, is_first=number == 0), text + b"\n" if text else b"", framing.CLOSING]
    return b"".join([*parts, framing.FOOTER])


def read(content: bytes, block_bytes: int) -> dict[str, list[dict[str, object]]]:
    stream = io.BytesIO(content)
    framing.read_header(stream, CODEC)
    found: dict[str, list[dict[str, object]]] = {}
    for block in framing.read_blocks(stream, block_bytes):
        found.setdefault(block.collection, []).extend(bson.decode_all(CODEC.decode(block.lines).bson))
    return found


@given(contents, st.integers(1, 300))
def test_what_was_written_is_read_in_pieces_of_any_size(
    collections: dict[str, list[dict[str, object]]], block_bytes: int
) -> None:
    content = written(collections)
    assert read(content, block_bytes) == collections
    assert list(json.loads(content)["collections"]) == list(collections)


@given(contents, st.data())
def test_a_file_that_ends_early_is_never_read_as_a_whole(
    collections: dict[str, list[dict[str, object]]], data: st.DataObject
) -> None:
    content = written(collections)
    length = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(ValueError, match=r"\w"):
        read(content[:length], 64)


def test_more_after_the_end_is_an_error() -> None:
    with pytest.raises(framing.FormatError, match="more after the end"):
        read(written({"users": [{"a": 1}]}) + b"{}\n", 64)


def test_a_newer_format_is_refused_by_its_number() -> None:
    content = written({"users": []}).replace(b'"format_version": 1', b'"format_version": 2')
    with pytest.raises(framing.FormatError, match="format version 2: this sidecar reads version 1"):
        read(content, 64)


def test_definitions_come_back_byte_for_byte() -> None:
    assert ID is not None
    options = bson.encode({"validator": {"email": {"$regex": "@", "$options": "i"}}, "size": bson.Int64(4096)})
    indexes = (
        bson.encode({"v": 2, "key": {"a": 1.0}, "name": "a"}),
        bson.encode({"key": {"b": bson.Int64(-1)}, "name": "b"}),
    )
    item = Collection("users", CollectionKind.COLLECTION, None, options, indexes)
    content = framing.header(ID, "main", "bus_tracker", {"users": item}, CODEC) + framing.FOOTER
    head = framing.read_header(io.BytesIO(content), CODEC)
    assert head == framing.Header(str(ID), "main", "bus_tracker", {"users": item})
