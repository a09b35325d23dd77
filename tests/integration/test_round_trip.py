"""Whatever a server can hold comes back byte for byte: over a real socket, through a stored backup, into another database."""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from sidecar.archive.bson import document_id, elements
from sidecar.model import Form
from support import bson_bytes, bson_corpus, hostile_documents
from support.bson_strategies import odd_documents
from support.forms import every_form, over_forms
from support.rig import DB, rig
from support.servers import ServerProcess, exact_server, seed


def with_id(number: int, document: bytes) -> bytes:
    """The document as a server would store it, which insists on an `_id`."""
    if document_id(document) is not None:
        return document
    identity = bson_bytes.element(b"_id", (bson_bytes.INT32, number.to_bytes(4, "little")))
    return (len(document) + len(identity)).to_bytes(4, "little") + identity + document[4:]


async def assert_round_trip(server: ServerProcess, stored: list[bytes], directory: Path, form: Form) -> None:
    with MongoClient[dict[str, Any]](server.uri) as client:
        client.drop_database(DB)
    seed(server.uri, DB, {"users": stored})
    async with rig(server, directory, ["users"], form) as at:
        manifest = await at.back_up()
        await at.restore(manifest, "copy")
        assert at.documents("users", "copy") == stored


def storable(found: Iterable[bytes]) -> list[bytes]:
    """As a collection holds them: well-formed, each with an `_id` of its own."""
    whole = [with_id(number, one) for number, one in enumerate(found) if is_well_formed(one)]
    return list({document_id(one): one for one in whole}.values())


def is_well_formed(document: bytes) -> bool:
    try:
        return all(elements(document))
    except ValueError:
        return False


@every_form
async def test_the_bson_corpus(form: Form, exact: ServerProcess, tmp_path: Path) -> None:
    cases = [case.bson for case in bson_corpus.valid_cases()]
    await assert_round_trip(exact, storable(cases), tmp_path, form)


@over_forms(table=["ESCAPED", "CARRIED"])
async def test_hostile_documents(table: str, form: Form, exact: ServerProcess, tmp_path: Path) -> None:
    hostile = getattr(hostile_documents, table).values()
    await assert_round_trip(exact, storable(hostile), tmp_path, form)


@over_forms(large=["large_carried", "large_escaped"])
async def test_documents_of_the_largest_size(large: str, form: Form, exact: ServerProcess, tmp_path: Path) -> None:
    await assert_round_trip(exact, storable([getattr(hostile_documents, large)()]), tmp_path, form)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with exact_server() as running:
        yield running


@settings(max_examples=25)
@given(generated=st.lists(odd_documents, max_size=8), form=st.sampled_from(Form))
def test_generated_documents(server: ServerProcess, generated: list[bytes], form: Form) -> None:
    stored = storable(generated)
    if stored:
        with TemporaryDirectory() as directory:
            asyncio.run(assert_round_trip(server, stored, Path(directory), form))
