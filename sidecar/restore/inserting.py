"""Insert documents into a collection: several commands at once, and the count of every command checked."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Self

import bson
from bson.raw_bson import RawBSONDocument

from sidecar.archive.bson import document_id, split
from sidecar.archive.content import Batch
from sidecar.errors import WriteRejected
from sidecar.inspect.compare import readable
from sidecar.model import Collection, CollectionKind, documents_in_words
from sidecar.mongodb.database import Database
from sidecar.mongodb.replies import ServerReply, understood
from sidecar.runtime.completion import completed

INSERT_BYTES = 12 << 20  # a command has at most 16 MiB plus a little; a larger document is sent alone
INSERT_DOCUMENTS = 50_000  # of 100,000 that a server takes

Run = Callable[[Mapping[str, Any]], Awaitable[ServerReply]]


class _Several:
    """Concatenated BSON documents that the driver copies into its message unchanged, as if they were one raw document."""

    _type_marker: Final = getattr(RawBSONDocument, "_type_marker", None)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw


@dataclass(frozen=True, slots=True)
class _Message:
    """The documents of one insert command."""

    bson: bytes
    documents: int

    def as_documents(self) -> list[Any]:
        """The `documents` of the command. One object per document would cost more than all the rest of an insert."""
        if _takes_several():
            return [_Several(self.bson)]
        return [RawBSONDocument(document) for document in split(self.bson)]


@cache
def _takes_several() -> bool:
    """Whether the installed driver copies several documents unchanged, found by trying."""
    two = 2 * bson.encode({"a": 1})
    try:
        return bson.encode(_Several(two)) == two  # type: ignore[arg-type] # the driver does not declare this type: it is tried
    except Exception:  # noqa: BLE001 - a driver that does not take it may raise anything
        return False


async def insert(run: Run, item: Collection, name: str, batch: Batch, options: Mapping[str, Any]) -> None:
    """Insert the documents of `item` in `batch` into the collection called `name`. Raises WriteRejected."""
    # Documents that were valid when they were backed up may violate the validator of today. A time series has no validator.
    options = {**options, "ordered": False}
    if item.kind is CollectionKind.COLLECTION:
        options["bypassDocumentValidation"] = True
    for message in _messages(batch):
        reply = await run({"insert": name, "documents": message.as_documents()} | options)
        if "writeErrors" in reply and (errors := reply.documents("writeErrors")):
            with understood(f"inserting into {item.name}", WriteRejected):
                raise _rejection(item.name, message.bson, errors)
        if (stored := reply.count("n")) != message.documents:
            raise WriteRejected(f"{item.name}: the server stored {stored} of {documents_in_words(message.documents)}")


async def insert_options(database: Database) -> Mapping[str, Any]:
    """The options of insert and update that make this server store a document unchanged. Raises SourceError."""
    return replacing_empty_timestamps((await database.command({"buildInfo": 1})).part("versionArray", list))


def replacing_empty_timestamps(server_version: Sequence[object]) -> Mapping[str, Any]:
    """Return the insert option that makes a server store Timestamp(0, 0) unchanged; nothing for versions that lack it."""
    version = tuple(part for part in server_version[:3] if isinstance(part, int))
    branches = ((5, 0, 29), (6, 0, 17), (7, 0, 13))
    is_known = version >= (8, 0, 0) or any(first <= version < (first[0], 99) for first in branches)
    return {"bypassEmptyTsReplacement": True} if is_known else {}


def _messages(batch: Batch) -> Iterator[_Message]:
    """Divide a batch into messages that fit into one command each; no message for an empty batch."""
    if batch.documents and len(batch.bson) <= INSERT_BYTES and batch.documents <= INSERT_DOCUMENTS:
        yield _Message(batch.bson, batch.documents)
        return
    message: list[bytes] = []
    size = 0
    for document in split(batch.bson):
        if message and (size + len(document) > INSERT_BYTES or len(message) == INSERT_DOCUMENTS):
            yield _Message(b"".join(message), len(message))
            message, size = [], 0
        message.append(document)
        size += len(document)
    if message:
        yield _Message(b"".join(message), len(message))


def _rejection(name: str, documents: bytes, errors: Sequence[Mapping[str, Any]]) -> WriteRejected:
    first = errors[0]
    identity = document_id(list(split(documents))[first["index"]])
    which = readable(identity) if identity is not None else "None"
    return WriteRejected(
        f"{name}: the server refused {documents_in_words(len(errors))}, the first with _id {which}: "
        f"{first.get('errmsg')} (code {first.get('code')})",
        collection=name,
        refused=len(errors),
        server_code=first.get("code"),
    )


class AtOnce:
    """Runs at most `limit` tasks at once. The first failure is raised, and no task runs on after the `async with` block."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, at: object) -> None:
        try:
            if kind is None:
                await self.end()
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await completed(_ended(self._tasks))

    async def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task, and return once fewer than `limit` are running. Raises the error of an earlier task."""
        self._tasks.add(asyncio.create_task(work))
        if len(self._tasks) >= self._limit:
            await self._some(asyncio.FIRST_COMPLETED)

    async def end(self) -> None:
        """Wait until all tasks have ended. Raises the error of a task that failed."""
        while self._tasks:
            await self._some(asyncio.FIRST_EXCEPTION)

    async def _some(self, until: str) -> None:
        done, self._tasks = await asyncio.wait(self._tasks, return_when=until)
        for task in done:
            task.result()


async def _ended(tasks: set[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)
